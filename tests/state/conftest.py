"""Tables of values that are changed in place."""

from __future__ import annotations

from typing import Any

import pytest

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
