"""How a table sees the values of its service: as live Python objects that can be copied and written down."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

Value = TypeVar("Value")


class Codec(Protocol[Value]):
    """Canonical contents of values. A table writes values as msgpack; this says how for those that are not plain.

    Bytes, integers, strings, None, lists, tuples, and msgspec structs of them are plain: they go to the encoder as
    they are, at its full speed. Contents are canonical when two values that any operation could tell apart differ in
    them and no others do. A container whose order can be observed writes its elements in that order.
    """

    def simplify(self, part: Any) -> Any:
        """Plain data for a value, or a part of one, that is not plain. Never a set: its order is not canonical."""

    def restore(self, data: Any) -> Value:
        """The value that was written as *data*: msgpack's lists, bytes, integers and so on."""

    def copy(self, value: Value) -> Value:
        """A value that can be changed without changing *value*; *value* itself when it is immutable."""


class PlainCodec:
    """For tables of bytes, integers or strings, which are immutable and plain."""

    def simplify(self, part: Any) -> Any:
        """Refuse: a value that is not plain needs a codec that knows it."""
        raise TypeError(f"a table of plain values cannot hold a {type(part).__name__}; give it a codec")

    def restore(self, data: Any) -> Any:
        """The data is the value."""
        return data

    def copy(self, value: Any) -> Any:
        """Immutable: the value itself."""
        return value
