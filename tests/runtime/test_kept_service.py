"""A service on disk: what a checkpoint says is what a new process begins from, whatever changed before."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path as FilePath

import pytest

from quorate.core.ports import Context
from quorate.errors import InvariantViolation
from quorate.messages.tree import Path
from quorate.runtime.kept_service import KeptService
from quorate.services.redis import RedisService
from quorate.services.redis.operation import Pipeline, encode_operation
from quorate.sim.disk import leaves_of
from quorate.storage.log_file import Owner
from quorate.storage.state import StateLog

OWNER = Owner(b"c" * 16, b"i" * 16, b"p" * 32)


class Disk:
    """Writes at once; may hold back the answer."""

    def __init__(self, folder: FilePath) -> None:
        self.log = StateLog(folder, OWNER, segment_bytes=30_000, garbage_bytes=20_000, room=4096)
        self.written: list[int] = []
        self.held_back: list[tuple[Future[list[Path]], list[Path]]] = []
        self.is_slow = False

    def keep(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> Future[list[Path]]:
        """As `Keeper.keep_state`."""
        future: Future[list[Path]] = Future()
        wanted = self.log.write(sequence_number, leaves)
        self.written.append(len(leaves))
        if self.is_slow:
            self.held_back.append((future, wanted))
        else:
            future.set_result(wanted)
        return future


class Searched:
    """A service that does not tell what changed, as one of a user's may be: its tree is searched."""

    def __init__(self) -> None:
        inner = RedisService()
        self.execute, self.query, self.only_reads, self.tick = inner.execute, inner.query, inner.only_reads, inner.tick
        self.checkpoint, self.digest, self.release = inner.checkpoint, inner.digest, inner.release
        self.fetch, self.install, self.next_deadline = inner.fetch, inner.install, inner.next_deadline
        self.revert = inner.revert


@pytest.fixture(params=[RedisService, Searched], autouse=True)
def make_service(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of this file for a service that notes what changed, and for one that does not."""
    monkeypatch.setattr(sys.modules[__name__], "new_service", request.param)


new_service: Callable[[], RedisService] = RedisService


def begin(folder: FilePath, sequence_number: int) -> tuple[KeptService, Disk]:
    disk = Disk(folder)
    loaded = disk.log.load(sequence_number)
    assert loaded.damage is None
    service = KeptService(new_service(), disk.keep)
    if sequence_number:
        service.begin(sequence_number, loaded.leaves)
    return service, disk


def run(service: KeptService | RedisService, sequence_number: int, *words: bytes) -> bytes:
    operation = encode_operation(Pipeline(0, 2, b"*%d\r\n" % len(words) + b"".join(map(bulk, words))))
    return service.execute(operation, Context(b"c" * 32, sequence_number, b"s" * 32, sequence_number))


def bulk(word: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(word), word)


def digest_of(service: KeptService, sequence_number: int) -> bytes:
    digest = service.checkpoint(sequence_number)
    for _ in range(10_000):
        if digest is not None:
            return digest
        digest = service.digest(sequence_number)
    raise AssertionError("no digest")


def test_a_new_process_begins_from_any_checkpoint(tmp_path: FilePath) -> None:
    """Random writes and removals, a new process now and then: the digests are those of a service that never died."""
    draw = random.Random(5)
    plain = RedisService()
    service, disk = begin(tmp_path, 0)
    for checkpoint in range(1, 40):
        for _ in range(draw.randrange(30)):
            key = b"key-%d" % draw.randrange(300)
            words = draw.choice([(b"SET", key, draw.randbytes(200)), (b"DEL", key), (b"RPUSH", key + b"l", b"x")])
            assert run(service, checkpoint, *words) == run(plain, checkpoint, *words)
        if draw.random() < 0.05:
            run(service, checkpoint, b"FLUSHALL")
            run(plain, checkpoint, b"FLUSHALL")
        expected = plain.checkpoint(checkpoint)
        while expected is None:
            expected = plain.digest(checkpoint)
        assert digest_of(service, checkpoint) == expected
        disk.log.stabilise(checkpoint)
        if checkpoint % 4 == 0:
            service, disk = begin(tmp_path, checkpoint)
            assert digest_of(service, checkpoint) == expected


def test_a_checkpoint_costs_what_changed(tmp_path: FilePath) -> None:
    service, disk = begin(tmp_path, 0)
    for number in range(500):
        run(service, 1, b"SET", b"key-%d" % number, b"x")
    digest_of(service, 1)
    run(service, 2, b"SET", b"key-7", b"y")
    digest_of(service, 2)
    digest_of(service, 3)

    assert disk.written[0] > 400
    assert disk.written[1:] == [2, 0]  # the key's leaf, and the count of changes


def test_the_digest_is_known_once_it_is_on_disk(tmp_path: FilePath) -> None:
    service, disk = begin(tmp_path, 0)
    disk.is_slow = True
    run(service, 1, b"SET", b"key", b"x")
    assert service.checkpoint(1) is None
    for _ in range(100):
        assert service.digest(1) is None
    [(future, wanted)] = disk.held_back
    run(service, 1, b"SET", b"key", b"later")

    future.set_result(wanted)

    assert service.digest(1) is not None
    again, _ = begin(tmp_path, 1)
    assert run(again, 2, b"GET", b"key") == b"$1\r\nx\r\n"


def test_a_fetched_state_is_kept(tmp_path: FilePath) -> None:
    (tmp_path / "own").mkdir()
    service, _ = begin(tmp_path / "own", 0)
    run(service, 1, b"SET", b"mine", b"x")
    digest_of(service, 1)
    run(service, 2, b"SET", b"gone", b"x")
    other = RedisService()
    run(other, 1, b"SET", b"theirs", b"y")
    wanted = other.checkpoint(9)
    while wanted is None:
        wanted = other.digest(9)
    leaves = {(): b"", **leaves_of(other, 9, wanted)}

    service.install(9, leaves)

    assert service.digest(9) == wanted
    again, _ = begin(tmp_path / "own", 9)
    assert run(again, 10, b"GET", b"theirs") == b"$1\r\ny\r\n"
    assert run(again, 10, b"DBSIZE") == b":1\r\n"


def test_a_state_that_is_not_what_its_digest_says_is_not_kept(tmp_path: FilePath) -> None:
    """Memory that changed behind the service's back between hashing and writing, or since, in a leaf that is copied. Of
    a service that notes what it hashed, just that is written."""
    inner = Searched()
    fetch = inner.fetch
    inner.fetch = lambda number, path: (fetch(number, path) or b"")[:: -1 if len(path) == 3 else 1]
    service = KeptService(inner, Disk(tmp_path).keep)
    run(service, 1, b"SET", b"key", b"xy")
    with pytest.raises(InvariantViolation, match="has its digest"):
        digest_of(service, 1)
