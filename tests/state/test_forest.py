"""Several tables under one root."""

from __future__ import annotations

import pytest

from quorate.errors import InvariantViolation
from quorate.messages.tree import EMPTY
from quorate.services.conformance import leaves_of
from quorate.state import Forest, PlainCodec, Shape, Table


def _forest() -> tuple[Forest, list[Table[bytes]]]:
    tables: list[Table[bytes]] = [Table(PlainCodec(), Shape(bits=2, levels=2), prefix=(number,)) for number in range(3)]
    return Forest(tables), tables


def test_an_empty_forest_has_the_empty_digest() -> None:
    forest, _ = _forest()

    assert forest.checkpoint(1) == EMPTY
    assert forest.fetch(1, ()) == b""


def test_its_checkpoint_is_one_tree() -> None:
    """From the root one comes to the leaves of all tables, each node checked on the way."""
    forest, tables = _forest()
    tables[0].put(b"key", b"value")
    tables[2].put(b"key", b"value")

    found = leaves_of(forest, 1, forest.checkpoint(1))

    assert sorted(path[0] for path in found) == [0, 2]


def test_the_same_contents_in_another_table_are_other_contents() -> None:
    forest, tables = _forest()
    other, other_tables = _forest()
    tables[0].put(b"key", b"value")
    other_tables[1].put(b"key", b"value")

    assert forest.checkpoint(1) != other.checkpoint(1)


def test_installing_makes_forests_equal() -> None:
    forest, tables = _forest()
    tables[0].put(b"key", b"value")
    tables[2].put(b"other", b"value")
    digest = forest.checkpoint(1)
    laggard, laggard_tables = _forest()
    laggard_tables[0].put(b"key", b"value")
    laggard_tables[1].put(b"wrong", b"value")

    laggard.install(1, {**leaves_of(forest, 1, digest), (1,): b""})

    assert leaves_of(laggard, 1, digest) == leaves_of(forest, 1, digest)
    assert len(laggard_tables[1]) == 0


def test_installing_an_empty_root_empties_all_tables() -> None:
    forest, tables = _forest()
    tables[1].put(b"key", b"value")

    forest.install(1, {(): b""})

    assert forest.fetch(1, ()) == b""
    assert len(tables[1]) == 0


def test_installing_refuses_what_is_no_leaf() -> None:
    forest, _ = _forest()

    with pytest.raises(InvariantViolation, match="no table at"):
        forest.install(1, {(3, 0, 0): b""})
    with pytest.raises(InvariantViolation, match="no leaf"):
        forest.install(1, {(): b"something"})


def test_release_keeps_what_it_is_told_and_the_newest() -> None:
    forest, tables = _forest()
    tables[0].put(b"key", b"value")
    forest.checkpoint(1)
    forest.checkpoint(2)

    forest.checkpoint(3)
    forest.release({2})

    assert forest.fetch(1, ()) is None
    assert forest.fetch(1, (0,)) is None
    assert forest.fetch(2, ()) is not None
    assert forest.fetch(2, (3,)) is None
    assert forest.fetch(3, (0,)) == forest.fetch(2, (0,))
