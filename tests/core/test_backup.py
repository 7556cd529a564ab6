"""Handing checkpoints to whoever makes a backup (docs/BACKUP.md)."""

from __future__ import annotations

from itertools import pairwise

from core.group import Group
from quorate.backup.certificate import Epochs, Target, Voucher
from quorate.backup.gathering import Gathering
from quorate.config import Settings
from quorate.core.backup import READER
from quorate.core.state_transfer import PIECES_BYTES_MAX, PIN_INTERVALS, PIN_INTERVALS_MAX
from quorate.core.tables import decode_snapshot
from quorate.messages.codec import decode_envelope
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import BackupAnswer, BackupPieces, FetchBackup
from quorate.messages.tree import Path

SMALL = Settings(checkpoint_interval=4)
ADMINISTRATOR, OTHER = 0, 1
ROOT = ((),)


def group_with_checkpoint(settings: Settings = SMALL) -> tuple[Group, int]:
    group = Group(4, settings)
    session = group.open_session()
    add(group, session, 1, 11)
    assert group.core(0).log.low_watermark == 12
    return group, session


def add(group: Group, session: int, first: int, last: int) -> None:
    for timestamp in range(first, last + 1):
        group.submit(group.request((b"add 1",), session, timestamp), 0)


def ask(
    group: Group, sequence_number: int = 0, paths: tuple[Path, ...] = (), client: int = ADMINISTRATOR, nonce: int = 7
) -> tuple[BackupPieces, tuple[bytes, ...]]:
    """What replica 0 answers, which is authentic."""
    asker = group.clients[client]
    group.pieces.clear()
    group.receive(0, asker.seal_question(FetchBackup(asker.client_id, nonce, sequence_number, paths), 0))
    ((sender, message, frame),) = group.pieces
    assert (sender, message.nonce) == (0, nonce)
    assert asker.open(frame) == message
    return message, decode_envelope(frame).attachments


def test_backup_1_only_an_administrator_is_given_anything() -> None:
    group, _ = group_with_checkpoint()
    for paths in ((), ROOT):
        message, pieces = ask(group, paths=paths, client=OTHER)
        assert (message.answer, pieces) == (BackupAnswer.NO_ADMINISTRATOR, ())
        assert group.core(0).pins == {}
    assert group.core(0).incidents["FetchBackup: of a client that is no administrator"] == 2


def test_backup_1_what_is_given_proves_itself() -> None:
    """The root entry by the signatures beside it, the nodes by the root entry."""
    group, _ = group_with_checkpoint()
    message, (tables, service_digest, *frames) = ask(group)
    assert (message.sequence_number, message.answer, message.paths) == (12, BackupAnswer.GIVEN, ())
    digest = checkpoint_digest(service_digest, decode_snapshot(tables).digest())
    voucher = Voucher(group.configuration)
    assert len(voucher.require_quorum(Target(12, digest), Epochs(decode_snapshot(tables)), frames)) >= 3
    gathering = Gathering(service_digest)
    while paths := gathering.take(64):
        message, pieces = ask(group, 12, paths)
        assert message.paths == paths
        assert all(gathering.put(path, data) for path, data in zip(paths, pieces, strict=True))
    assert gathering.is_complete
    assert next(node.path for node in gathering.come_out()) == ()


def test_backup_1_what_is_not_held_is_not_given() -> None:
    group, _ = group_with_checkpoint()
    for number in (4, 13, 2**63 - 1):
        assert ask(group, number)[0].answer == BackupAnswer.NOT_HELD
    assert ask(Group(4, SMALL))[0].answer == BackupAnswer.NOT_HELD


def test_backup_1_nothing_of_a_damaged_state_is_given() -> None:
    group, _ = group_with_checkpoint()
    group.core(0).diverged_at = 12
    assert ask(group)[0].answer == BackupAnswer.NOT_HELD


def test_a_path_that_is_nowhere_is_left_out() -> None:
    group, _ = group_with_checkpoint()
    message, pieces = ask(group, 12, ((), (9, 9, 9)))
    assert (message.paths, len(pieces)) == (ROOT, 1)


def test_backup_2_another_backup_has_to_wait() -> None:
    """Of the same client too: it would lose the checkpoint of the first one."""
    group, _ = group_with_checkpoint()
    assert ask(group)[0].answer == BackupAnswer.GIVEN
    assert ask(group, nonce=8)[0].answer == BackupAnswer.BUSY
    group.now += PIN_INTERVALS * group.core(0).status_interval
    assert ask(group, nonce=8)[0].answer == BackupAnswer.GIVEN
    assert ask(group)[0].answer == BackupAnswer.BUSY


def test_backup_2_the_checkpoint_is_kept_for_a_while_and_not_for_ever() -> None:
    group, session = group_with_checkpoint(Settings(checkpoint_interval=4, status_interval_ms=10))
    core = group.core(0)
    ask(group)
    add(group, session, 12, 22)
    assert core.log.low_watermark > 12
    assert 12 in core.checkpoints.held
    limit = group.now + PIN_INTERVALS_MAX * core.status_interval
    while group.now < limit:
        assert ask(group, 12, ROOT)[0].answer == BackupAnswer.GIVEN
        assert list(core.pins) == [READER]
        group.advance(400)
    group.advance(2 * PIN_INTERVALS * 10)
    assert 12 not in core.checkpoints.held
    assert core.pins == {}
    assert ask(group, 12, ROOT)[0].answer == BackupAnswer.NOT_HELD


def test_backup_2_an_answer_is_bounded_and_so_is_their_rate() -> None:
    group, _ = group_with_checkpoint()
    group.services[0].fetch = lambda number, path: b"x" * (PIECES_BYTES_MAX // 2)  # type: ignore[method-assign]
    paths = tuple((n,) for n in range(10))
    answers = []
    for _ in range(12):
        message, pieces = ask(group, 12, paths)
        assert sum(map(len, pieces)) <= PIECES_BYTES_MAX
        answers.append(message.answer)
    assert set(answers) == {BackupAnswer.GIVEN, BackupAnswer.BUSY}
    assert all(first <= second for first, second in pairwise(answers))
    group.now += 1_000_000
    assert ask(group, 12, paths)[0].answer == BackupAnswer.GIVEN


def test_a_revoked_administrator_is_given_nothing() -> None:
    """The answer goes by the table as it is executed here."""
    group, _ = group_with_checkpoint()
    group.core(0).tables.access.restore(b"\x90")
    assert ask(group)[0].answer == BackupAnswer.NO_ADMINISTRATOR
