"""A counter: the smallest service, and the example to start from."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from quorate.core.ports import Context
from quorate.messages.tree import Path
from quorate.state import PlainCodec, Shape, Table

_TOTAL = b"total"


class CounterService:
    """The operation `add N` adds an integer, `get` asks for the total; both answer with it, in decimal digits."""

    def __init__(self) -> None:
        self._table: Table[int] = Table(PlainCodec(), Shape(bits=1, levels=1))

    def execute(self, operation: bytes, context: Context) -> bytes:
        """Apply *operation*. What is no operation gets `error: ` and the reason."""
        match operation.split():
            case [b"add", number]:
                try:
                    amount = int(number)
                except ValueError:
                    return b"error: add takes an integer"
                # Python's integers have no limit, stored ones have: 64 bits.
                total = self._total + amount
                if not -(2**63) <= total < 2**63:
                    return b"error: the total would not fit 64 bits"
                self._table.put(_TOTAL, total)
                return b"%d" % total
            case [b"get"]:
                return b"%d" % self._total
            case _:
                return b"error: the operations are `add N` and `get`"

    def query(self, operation: bytes, context: Context) -> bytes | None:
        """Answer `get` at once; anything else has to be ordered."""
        return self.execute(operation, context) if operation.split() == [b"get"] else None

    def only_reads(self, operation: bytes) -> bool:
        """Anything but `add` changes nothing."""
        return operation.split()[:1] != [b"add"]

    def tick(self, context: Context) -> None:
        """Nothing falls due."""

    def checkpoint(self, sequence_number: int) -> bytes:
        """Hold the total under *sequence_number* and return the digest of the state."""
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
        """The bytes of a node of a held checkpoint."""
        return self._table.fetch(sequence_number, path)

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Replace the contents by those of another replica's checkpoint."""
        self._table.install(sequence_number, leaves)

    def next_deadline(self) -> int | None:
        """A counter waits for nothing."""
        return None

    @property
    def _total(self) -> int:
        return self._table.get(_TOTAL) or 0
