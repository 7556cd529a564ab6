"""Registers by name: the smallest service whose histories can be judged for linearizability.

An operation is text, so that traces read well: `read KEY`, `write KEY VALUE`, `append KEY VALUE`,
`add KEY NUMBER` and `swap KEY OLD NEW`. Appending and adding are there because a request that is executed twice, or not
at all, shows in the value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

from quorate.core.ports import Context
from quorate.messages.tree import Path
from quorate.state.codec import PlainCodec
from quorate.state.table import Table
from quorate.state.tree import Shape

ABSENT: Final = b"-"
"""The value of a register that was never written."""
DONE: Final = b"ok"
REFUSED: Final = b"no"
NO_NUMBER: Final = b"? no number"
SHAPE: Final = Shape(bits=2, levels=2)
"""Sixteen partitions: few registers live in a simulated world."""

Value = bytes
Rule = Callable[[Value, list[bytes]], tuple[Value, bytes]]


def _add(value: Value, arguments: list[bytes]) -> tuple[Value, bytes]:
    try:
        total = b"%d" % (int(arguments[0]) + (0 if value == ABSENT else int(value)))
    except ValueError:
        return value, NO_NUMBER
    return total, total


_RULES: Final[dict[bytes, tuple[int, Rule]]] = {
    b"read": (0, lambda value, _: (value, value)),
    b"write": (1, lambda _, arguments: (arguments[0], DONE)),
    b"append": (1, lambda value, arguments: (joined := (b"" if value == ABSENT else value) + arguments[0], joined)),
    b"add": (1, _add),
    b"swap": (2, lambda value, arguments: (arguments[1], DONE) if value == arguments[0] else (value, REFUSED)),
}


def key_of(operation: bytes) -> bytes:
    """The register that an operation is about; empty when it names none."""
    words = operation.split(b" ")
    return words[1] if len(words) > 1 else b""


def apply_operation(value: Value, operation: bytes) -> tuple[Value, bytes]:
    """The sequential specification of one register: its next value, and the operation's result."""
    verb, *words = operation.split(b" ")
    arguments_count, rule = _RULES.get(verb, (-1, None))
    if rule is None or len(words) != arguments_count + 1:
        return value, b"? " + operation
    return rule(value, words[1:])


class RegisterService:
    """The registers, in a checkpointed table."""

    def __init__(self) -> None:
        self._table: Table[Value] = Table(PlainCodec(), SHAPE)

    def execute(self, operation: bytes, context: Context) -> bytes:
        """Apply one operation; `context` is not looked at."""
        key = key_of(operation)
        before = self.value(key)
        after, result = apply_operation(before, operation)
        if after != before:
            self._table.put(key, after)
        return result

    def query(self, operation: bytes, context: Context) -> bytes | None:
        """The result of a read; everything else has to be ordered."""
        return self.value(key_of(operation)) if operation.startswith(b"read ") else None

    def only_reads(self, operation: bytes) -> bool:
        """Whether it is a read."""
        return operation.startswith(b"read ")

    def value(self, key: bytes) -> Value:
        """What a register holds now."""
        value = self._table.get(key)
        return ABSENT if value is None else value

    def checkpoint(self, sequence_number: int) -> bytes:
        """Freeze the contents; equal contents give equal digests."""
        return self._table.checkpoint(sequence_number)

    def digest(self, sequence_number: int) -> bytes | None:
        """The digest of a held checkpoint: `checkpoint` gave it already."""
        return self._table.digest(sequence_number)

    def revert(self) -> None:
        """Go back to the newest checkpoint."""
        self._table.revert()

    def release(self, keep: Collection[int]) -> None:
        """Forget all checkpoints but those under the sequence numbers *keep* and the newest."""
        self._table.release(keep)

    def fetch(self, sequence_number: int, path: Path) -> bytes | None:
        """A node of a held checkpoint's tree."""
        return self._table.fetch(sequence_number, path)

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Replace leaves by what was fetched, and hold the result as a checkpoint."""
        self._table.install(sequence_number, leaves)

    def digest_of(self, sequence_number: int) -> bytes:
        """The digest of a held checkpoint."""
        return self._table.digest(sequence_number)

    def tick(self, context: Context) -> None:
        """Nothing ever falls due."""

    def next_deadline(self) -> int | None:
        """Registers wait for nothing."""
        return None
