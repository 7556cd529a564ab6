"""Putting a tree together: whatever liars send, and in whatever order, what comes out is what the root vouches for."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from quorate.backup import gathering
from quorate.backup.gathering import Gathering
from quorate.messages.tree import EMPTY, NodeKind, Path
from quorate.state import PlainCodec, Shape, Table

SHAPE = Shape(bits=2, levels=2)


def table_of(keys: set[bytes]) -> tuple[Table[bytes], bytes]:
    table: Table[bytes] = Table(PlainCodec(), SHAPE)
    for key in keys:
        table.put(key, b"value of " + key)
    return table, table.checkpoint(1)


def nodes_of(table: Table[bytes], path: Path = ()) -> list[tuple[Path, bytes]]:
    """All nodes that are not empty, parents first, in the order of their paths."""
    data = table.fetch(1, path)
    if not data:
        return []
    children = [] if len(path) == SHAPE.levels else [(*path, child) for child in range(SHAPE.fanout)]
    return [(path, data), *(node for child in children for node in nodes_of(table, child))]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sets(st.binary(max_size=3), max_size=30), st.randoms(use_true_random=False), st.integers(1, 9))
def test_the_right_nodes_come_out_in_order(keys: set[bytes], random: Random, batch: int) -> None:
    table, digest = table_of(keys)
    gathered = Gathering(digest)
    out: list[tuple[Path, bytes]] = []
    under_way: list[Path] = []
    while not gathered.is_complete:
        taken = list(gathered.take(batch))
        under_way += taken
        assert under_way, "something is wanted, or under way"
        random.shuffle(under_way)
        path = under_way.pop()
        if random.random() < 0.3:
            lie = random.choice((b"", b"junk", bytes(128), table.fetch(1, random.choice(taken or [()])) or b"x"))
            if lie != table.fetch(1, path):
                assert not gathered.put(path, lie)
            gathered.give_back((path,))
        else:
            assert gathered.put(path, table.fetch(1, path) or b"")
            assert gathered.put(path, b"a second answer changes nothing")
        out += [(node.path, node.data) for node in gathered.come_out()]
    out += [(node.path, node.data) for node in gathered.come_out()]
    assert out == nodes_of(table)


def test_nothing_is_wanted_of_an_empty_state() -> None:
    gathered = Gathering(EMPTY)
    assert gathered.is_complete
    assert gathered.take(5) == ()
    assert list(gathered.come_out()) == []


def test_a_node_is_asked_for_once_until_it_is_given_back() -> None:
    _, digest = table_of({b"a"})
    gathered = Gathering(digest)
    assert gathered.take(5) == ((),)
    assert gathered.take(5) == ()
    gathered.give_back(((), (7, 7)))
    assert gathered.take(5) == ((),)


def test_what_is_far_ahead_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: beyond a limit only what the next node waits for is asked for."""
    monkeypatch.setattr(gathering, "AHEAD_BYTES", 0)
    table, digest = table_of({bytes([number]) for number in range(60)})
    gathered = Gathering(digest)
    assert gathered.take(1) == ((),)
    gathered.put((), table.fetch(1, ()) or b"")
    assert [node.kind for node in gathered.come_out()] == [NodeKind.INNER]
    first, second = gathered.take(2)
    gathered.put(second, table.fetch(1, second) or b"")
    assert gathered.take(9) == ()
    gathered.give_back((first,))
    assert gathered.take(1) == (first,)
