"""Backing up a living cluster: real rules behind a client that hears what a test lets it hear."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.group import Group, total_of
from quorate.backup import live
from quorate.backup.certificate import Epochs, Voucher
from quorate.backup.file import BackupReader
from quorate.backup.live import LiveBackup, Result
from quorate.client.aio import AsyncClient
from quorate.client.backups import BackupQuestions, Pieces
from quorate.config import Settings
from quorate.errors import PermissionDenied, RequestFailed, RequestTimeout
from quorate.messages.access import Accepted, Mark, decode_result, encode_access
from quorate.messages.codec import decode_envelope
from quorate.messages.protocol import BackupAnswer, BackupPieces, FetchBackup
from quorate.messages.tree import Path as TreePath
from quorate.services.counter import CounterService

SMALL = Settings(checkpoint_interval=8)
Twist = Callable[[Pieces], Pieces | None]
"""What a liar makes of an answer; None: it says nothing in time."""


class FakeAccess:
    """Has marks ordered by the group."""

    def __init__(self, group: Group, client: int) -> None:
        self._group = group
        self._client = client
        self._timestamp = 1000
        self.marks: list[int] = []

    async def mark(self) -> int:
        self._timestamp += 1
        group = self._group
        group.submit(group.request((encode_access(Mark()),), 0, self._timestamp, self._client), 0)
        results = [reply.results for _, reply in group.replies if reply.timestamp == self._timestamp]
        if not results:
            raise PermissionDenied("this client is no administrator")
        accepted = decode_result(results[0][0] or b"")
        assert isinstance(accepted, Accepted)
        self.marks.append(accepted.sequence_number)
        return accepted.sequence_number


class FakeClient:
    """Stands where an `AsyncClient` does, in front of a group."""

    def __init__(self, group: Group, client: int = 0) -> None:
        self.configuration = group.configuration
        self.access = FakeAccess(group, client)
        self.twists: dict[int, Twist] = {}
        self.asked: list[tuple[int, int]] = []
        self.between: Callable[[], None] = lambda: None
        """What happens before each question."""
        self._group = group
        self._authenticator = group.clients[client]

    async def fetch_backup(
        self, replica: int, nonce: int, number: int, paths: tuple[TreePath, ...], timeout: float
    ) -> Pieces:
        await asyncio.sleep(0)
        self.between()
        self.asked.append((replica, number))
        group = self._group
        question = FetchBackup(self._authenticator.client_id, nonce, number, paths)
        group.pieces.clear()
        group.receive(replica, self._authenticator.seal_question(question, replica))
        if not group.pieces:
            raise RequestTimeout("stopped")
        ((_, message, frame),) = group.pieces
        answer = Pieces(message.sequence_number, message.answer, message.paths, decode_envelope(frame).attachments)
        twisted = self.twists.get(replica, lambda same: same)(answer)
        if twisted is None:
            raise RequestTimeout("it says nothing")
        return twisted


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "PAUSE_SECONDS", 0.0)


def group_that_counted(total: int = 5, settings_: Settings = SMALL) -> Group:
    group = Group(4, settings_)
    session = group.open_session()
    for timestamp in range(1, total + 1):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
    return group


def run(group: Group, client: FakeClient, path: Path, as_it_is: bool = False, patience: float = 30.0) -> Result:
    async def back_up() -> Result:
        with path.open("w+b") as file:
            maker = LiveBackup(cast(AsyncClient, client), lambda step: None, patience)
            return await maker.run(file, as_it_is)

    return asyncio.run(back_up())


def total_in(group: Group, path: Path, result: Result) -> int:
    """What the counter of a backup stands at; all of it is verified."""
    with path.open("rb") as file:
        reader = BackupReader(file, "it")
        signers = Voucher(group.configuration).require_quorum(
            reader.description.target, Epochs(reader.tables), reader.description.certificate
        )
        leaves = dict(reader.leaves())
        assert (reader.description.target, signers) == (result.target, result.signers)
        assert reader.size == result.written
    service = CounterService()
    service.install(result.target.sequence_number, leaves)
    return total_of(service)


def test_all_that_was_acknowledged_is_in_it(tmp_path: Path) -> None:
    group = group_that_counted(5)
    client = FakeClient(group)
    result = run(group, client, tmp_path / "file")
    assert result.target.sequence_number == 8
    assert client.access.marks == [7, 8]
    assert result.liars == []
    assert total_in(group, tmp_path / "file", result) == 5


def test_the_stable_checkpoint_as_it_is(tmp_path: Path) -> None:
    group = group_that_counted(9)
    client = FakeClient(group)
    result = run(group, client, tmp_path / "file", as_it_is=True)
    assert client.access.marks == []
    assert (result.target.sequence_number, total_in(group, tmp_path / "file", result)) == (8, 7)


def test_f_replicas_may_be_down(tmp_path: Path) -> None:
    group = group_that_counted(5)
    group.stopped.add(3)
    result = run(group, FakeClient(group), tmp_path / "file")
    assert result.signers == [0, 1, 2]
    assert total_in(group, tmp_path / "file", result) == 5


def test_the_last_replica_alone_gives_the_stable_checkpoint(tmp_path: Path) -> None:
    """The others are gone for good, and nothing can be ordered: its certificate still says what was agreed."""
    group = group_that_counted(9)
    group.stopped |= {0, 2, 3}
    result = run(group, FakeClient(group), tmp_path / "file", as_it_is=True)
    assert total_in(group, tmp_path / "file", result) == 7


def test_only_an_administrator_gets_one(tmp_path: Path) -> None:
    group = group_that_counted(9)
    with pytest.raises(PermissionDenied, match="no administrator"):
        run(group, FakeClient(group, client=1), tmp_path / "file", as_it_is=True)


def test_when_nothing_comes_it_ends(tmp_path: Path) -> None:
    group = group_that_counted(2)
    with pytest.raises(RequestFailed, match="nothing came for"):
        run(group, FakeClient(group), tmp_path / "file", as_it_is=True, patience=0.2)


def test_a_target_that_moves_is_begun_anew(tmp_path: Path) -> None:
    """In the middle of it nobody holds the checkpoint any more; what was written so far is not kept."""
    group = group_that_counted(9)
    session = group.open_session(timestamp=500)
    client = FakeClient(group)
    times = iter(range(1, 1000))

    def move() -> None:
        if len(client.asked) == 5:
            for replica in range(4):
                group.core(replica).pins.clear()
            for _ in range(30):
                group.submit(group.request((b"add 1",), session, next(times)), 0)

    client.between = move
    result = run(group, client, tmp_path / "file", as_it_is=True)
    assert result.target.sequence_number > 8
    assert total_in(group, tmp_path / "file", result) > 7


LIES: list[Twist] = [
    lambda answer: None,
    lambda answer: answer._replace(data=tuple(piece + b"!" for piece in answer.data)),
    lambda answer: answer._replace(data=answer.data[:-1]),
    lambda answer: answer._replace(data=tuple(reversed(answer.data))),
    lambda answer: answer._replace(data=tuple(bytes(len(piece)) for piece in answer.data)),
    lambda answer: answer._replace(data=(), paths=()),
    lambda answer: answer._replace(sequence_number=answer.sequence_number + 8),
    lambda answer: answer._replace(sequence_number=10**9),
    lambda answer: answer._replace(answer=BackupAnswer.NOT_HELD),
    lambda answer: answer._replace(answer=BackupAnswer.BUSY),
    lambda answer: answer._replace(answer=BackupAnswer.NO_ADMINISTRATOR, data=()),
    lambda answer: answer._replace(answer=9, data=()),
    lambda answer: answer._replace(data=(*answer.data[:2], *(b"forged" for _ in answer.data[2:]))),
    lambda answer: answer._replace(data=(*answer.data[:2], *(answer.data[2:3] * 9))),
    lambda answer: answer._replace(data=(b"\x94\x00\xc4\x20" + bytes(32) + b"\x80\xc4\x00", *answer.data[1:])),
]


@pytest.mark.parametrize("lie", range(len(LIES)))
@pytest.mark.parametrize("liar", [0, 3])
def test_a_liar_changes_nothing(tmp_path: Path, liar: int, lie: int) -> None:
    group = group_that_counted(5)
    client = FakeClient(group)
    client.twists[liar] = LIES[lie]
    result = run(group, client, tmp_path / "file")
    assert total_in(group, tmp_path / "file", result) == 5
    assert set(result.liars) <= {liar}


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(0, 3), st.integers(0, 2**32), st.integers(0, 20))
def test_a_liar_that_now_and_then_tells_the_truth_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, liar: int, seed: int, total: int
) -> None:
    group = group_that_counted(total)
    client = FakeClient(group)
    random = Random(seed)
    client.twists[liar] = lambda answer: answer if random.random() < 0.5 else random.choice(LIES)(answer)
    path = tmp_path_factory.mktemp("liar") / "file"
    result = run(group, client, path)
    assert total_in(group, path, result) == total
    assert set(result.liars) <= {liar}


def test_a_late_answer_is_not_taken_for_another() -> None:
    group = Group(4, SMALL)
    questions = BackupQuestions(group.clients[0], _Links())  # type: ignore[arg-type]
    asker = group.clients[0].client_id

    def answer(replica: int, nonce: int, number: int, paths: tuple[TreePath, ...]) -> bool:
        return questions.awaits(BackupPieces(asker, nonce, number, paths, 0, replica))

    async def ask() -> None:
        asking = asyncio.create_task(questions.ask(1, 7, 8, ((1,), (2,))))
        await asyncio.sleep(0)
        assert answer(1, 7, 8, ((2,),))
        assert not answer(1, 7, 8, ((3,),))
        assert not answer(1, 7, 16, ((2,),))
        assert not answer(1, 6, 8, ((2,),))
        assert not answer(2, 7, 8, ((2,),))
        asking.cancel()
        await asyncio.wait([asking])
        assert not answer(1, 7, 8, ((2,),))

    asyncio.run(ask())


class _Links:
    async def until(self, holds: Callable[[list[int]], bool]) -> None:
        assert holds([0, 1, 2, 3])

    def send(self, replica: int, frame: bytes) -> bool:
        return True
