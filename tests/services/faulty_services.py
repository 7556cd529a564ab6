"""Services with the faults that the conformance kit exists to find. Each is a counter of words that goes wrong."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Mapping
from typing import Any

from quorate.core.ports import Context
from quorate.messages.tree import Path
from quorate.state import Shape, Table


class _ListCodec:
    """Values are lists of bytes, changed in place."""

    def simplify(self, part: Any) -> Any:
        raise TypeError(type(part))

    def restore(self, data: Any) -> list[bytes]:
        return list(data)

    def copy(self, value: list[bytes]) -> list[bytes]:
        return value.copy()


class Sound:
    """Without a fault: the operation `key word` appends a word to a list and answers with the list."""

    def __init__(self) -> None:
        self.table: Table[list[bytes]] = Table(_ListCodec(), Shape(bits=1, levels=2))

    def execute(self, operation: bytes, context: Context) -> bytes:
        key, _, word = operation.partition(b" ")
        if not word:
            return b" ".join(self.table.get(key) or [])
        if key not in self.table:
            self.table.put(key, [])
        return self.append(key, word, context)

    def append(self, key: bytes, word: bytes, context: Context) -> bytes:
        words = self.table.modify(key)
        assert words is not None
        words.append(word)
        return b" ".join(words)

    def tick(self, context: Context) -> None:
        pass

    def only_reads(self, operation: bytes) -> bool:
        return b" " not in operation

    def query(self, operation: bytes, context: Context) -> bytes | None:
        return None if b" " in operation else self.execute(operation, context)

    def checkpoint(self, sequence_number: int) -> bytes:
        return self.table.checkpoint(sequence_number)

    def digest(self, sequence_number: int) -> bytes | None:
        return self.table.digest(sequence_number)

    def revert(self) -> None:
        self.table.revert()

    def release(self, keep: Collection[int]) -> None:
        self.table.release(keep)

    def fetch(self, sequence_number: int, path: Path) -> bytes | None:
        return self.table.fetch(sequence_number, path)

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        self.table.install(sequence_number, leaves)

    def next_deadline(self) -> int | None:
        return None


class IteratesASet(Sound):
    """Its answers are in the order of a set, which depends on the process's hash seed."""

    def append(self, key: bytes, word: bytes, context: Context) -> bytes:
        return b" ".join(set(super().append(key, word, context).split()))


class StoresASet(Sound):
    """Answers well, but what it stores is in the order of a set."""

    def append(self, key: bytes, word: bytes, context: Context) -> bytes:
        words = super().append(key, word, context).split()
        self.table.put(key, list(set(words)))
        return b"%d" % len(words)


class ReadsTheClock(Sound):
    """Uses the machine's time."""

    def append(self, key: bytes, word: bytes, context: Context) -> bytes:
        return super().append(key, b"%.9f" % time.time(), context)


class ThrowsDice(Sound):
    """Uses randomness of its own."""

    def append(self, key: bytes, word: bytes, context: Context) -> bytes:
        return super().append(key, b"%d" % random.getrandbits(64), context)


class ForgetsModify(Sound):
    """Changes a value that it only looked at, behind the table's back."""

    def append(self, key: bytes, word: bytes, context: Context) -> bytes:
        words = self.table.get(key)
        assert words is not None
        words.append(word)
        return b" ".join(words)


class KeepsStateAside(Sound):
    """Has state that no checkpoint covers."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def append(self, key: bytes, word: bytes, context: Context) -> bytes:
        self.count += 1
        return super().append(key, word, context) + b" %d" % self.count


class RemembersHistory(Sound):
    """A query leaves a trace in the contents."""

    def query(self, operation: bytes, context: Context) -> bytes | None:
        self.table.put(b"queries", [*(self.table.get(b"queries") or []), operation])
        return super().query(operation, context)


class AnswersQueriesWrongly(Sound):
    """A query is answered from something else than the present state."""

    def query(self, operation: bytes, context: Context) -> bytes | None:
        answer = super().query(operation, context)
        return None if answer is None else b"stale " + answer


class Raises(Sound):
    """Bad input makes it raise."""

    def execute(self, operation: bytes, context: Context) -> bytes:
        return super().execute(operation.decode("ascii").encode(), context)


class NeverReverts(Sound):
    """What was executed stays executed."""

    def revert(self) -> None:
        pass


class NeverReleases(Sound):
    """Keeps all checkpoints for ever."""

    def release(self, keep: Collection[int]) -> None:
        pass


class ReleasesTooMuch(Sound):
    """Keeps the newest checkpoint only."""

    def release(self, keep: Collection[int]) -> None:
        super().release(())


class HashesThePresent(Sound):
    """Begins to hash a checkpoint only when it is asked for the digest, and hashes what is there by then."""

    def __init__(self) -> None:
        super().__init__()
        self.late: set[int] = set()

    def checkpoint(self, sequence_number: int) -> None:  # type: ignore[override]
        self.late.add(sequence_number)

    def digest(self, sequence_number: int) -> bytes | None:
        if sequence_number in self.late:
            self.late.remove(sequence_number)
            self.table.freeze(sequence_number)
        return super().digest(sequence_number)


class WaitsForTheClock(Sound):
    """Its deadline is not a function of its contents."""

    def next_deadline(self) -> int | None:
        return time.time_ns()
