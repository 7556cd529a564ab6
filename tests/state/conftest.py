"""Tables of lists, which are changed in place, and a way to see a whole checkpoint."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.messages.tree import NodeKind, Path, child_digests, kind_of_node
from quorate.state import Shape, Table


class Words:
    """A value that is changed in place and that msgpack does not know."""

    def __init__(self, words: list[bytes]) -> None:
        self.words = words


class WordsCodec:
    """Counts what it is asked for, so that a test can see what a checkpoint costs."""

    def __init__(self) -> None:
        self.written = 0
        self.copied = 0

    def simplify(self, part: Any) -> Any:
        self.written += 1
        return part.words

    def restore(self, data: Any) -> Words:
        return Words(list(data))

    def copy(self, value: Words) -> Words:
        self.copied += 1
        return Words(value.words.copy())


def leaves_of(holder: Any, sequence_number: int, digest: bytes, path: Path = ()) -> dict[Path, bytes]:
    """All leaves of a held checkpoint; every node on the way matches its digest."""
    data = holder.fetch(sequence_number, path)
    assert data is not None, path
    kind = kind_of_node(path, data, digest)
    assert kind is not None, path
    if kind is NodeKind.LEAF:
        return {path: data} if data else {}
    leaves = {}
    for child, child_digest in enumerate(child_digests(data)):
        leaves |= leaves_of(holder, sequence_number, child_digest, (*path, child))
    return leaves


@pytest.fixture
def codec() -> WordsCodec:
    return WordsCodec()


@pytest.fixture
def table(codec: WordsCodec) -> Table[Words]:
    """A table with sixteen leaves."""
    return Table(codec, Shape(bits=2, levels=2))


@pytest.fixture
def words() -> type[Words]:
    return Words


@pytest.fixture
def leaves() -> Any:
    return leaves_of
