"""Recovery epochs (decisions, old signatures; docs/RECOVERY.md): the table of recoveries, and what counts by it."""

from __future__ import annotations

import pytest

from core.group import Group, key_pair
from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.auth.keys import Half
from quorate.config import Settings
from quorate.core import checkpoints
from quorate.core.context import Status
from quorate.core.recoveries import Recoveries, recovery_point
from quorate.errors import AuthenticationFailed
from quorate.messages.protocol import (
    Checkpoint,
    CheckpointClaim,
    Commit,
    Message,
    NewView,
    Request,
    StatePieces,
    ViewChange,
)
from quorate.messages.protocol import Status as StatusMessage
from quorate.messages.recoveries import recovery_request

SMALL = Settings(checkpoint_interval=4, recovery_pause_ms=1000)
MACS = Settings(checkpoint_interval=4, recovery_pause_ms=1000, request_authentication="mac")
WRONG = b"w" * 32


@pytest.fixture(autouse=True)
def no_null_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The replicas here recover in name only, and nobody waits for their recovery points (REC-4 has its own tests)."""
    monkeypatch.setattr(Recoveries, "awaited", lambda recoveries, settings: 0)


def recovery_of(group: Group, replica: int, counter: int) -> bytes:
    """The sealed recovery request of a replica."""
    half = Half(bytes([counter]) * 32).public
    return group.authenticators[replica].seal(recovery_request(key_pair(replica + 1).public_key, counter, half))


def recover(group: Group, replica: int, counter: int) -> None:
    """A replica's recovery request is executed, and it goes by its new keys."""
    group.submit(recovery_of(group, replica, counter))
    group.authenticators[replica].refresh(bytes([counter]) * 32)


def epochs(group: Group, replica: int) -> list[int]:
    """What each replica holds for the recovery epoch of one."""
    return [group.core(number).tables.recoveries.epoch_of(replica) for number in range(len(group.replicas))]


def view_change(group: Group, view: int, sender: int, epoch: int, low: int = 0) -> ViewChange:
    """A VIEW-CHANGE of a replica at which nothing prepared."""
    digest = group.core(0).checkpoints.held[low].digest if low else group.core(0).checkpoints.held[0].digest
    return ViewChange(view, low, (CheckpointClaim(low, digest),), (), (), sender, epoch)


@pytest.mark.parametrize("settings", [SMALL, MACS], ids=["signatures", "macs"])
def test_rec_1_a_request_is_executed_once_by_all(settings: Settings) -> None:
    """It is ordered like any other; its place in the order is the epoch. Again it does nothing."""
    group = Group(4, settings, has_entropy=True)
    group.open_session()
    frame = recovery_of(group, 2, 77)
    group.submit(frame)
    assert epochs(group, 2) == [2] * 4
    assert epochs(group, 1) == [0] * 4
    group.now += 10_000_000
    group.wall += 10_000_000
    group.submit(frame)
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4
    assert epochs(group, 2) == [2] * 4
    assert not [reply for _, reply in group.replies if reply.session == 0 and reply.timestamp == 77]


def test_rec_1_not_too_often() -> None:
    """Facts 5.2: "ignore recovery requests from a replica that recovered less than half a watchdog period ago"; by the
    agreed time, so all ignore alike. Later the same request is executed."""
    group = Group(4, SMALL, has_entropy=True)
    recover(group, 2, 1)
    early = recovery_of(group, 2, 2)
    group.submit(early)
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4
    assert epochs(group, 2) == [1] * 4
    assert [len(group.core(number).waiting) for number in range(4)] == [0] * 4
    recover(group, 1, 2)
    assert epochs(group, 1) == [3] * 4
    group.now += 1_000_000
    group.wall += 1_000_000
    group.submit(early)
    assert epochs(group, 2) == [4] * 4


@pytest.mark.parametrize("settings", [SMALL, MACS], ids=["signatures", "macs"])
def test_rec_1_only_the_replica_itself_asks(settings: Settings) -> None:
    """C11: it is signed, also where clients' requests have MACs, which any replica could make for another."""
    group = Group(4, settings, has_entropy=True)
    request = recovery_request(key_pair(3).public_key, 5, WRONG)
    liar = group.authenticators[3]
    for frame in (liar.seal(request), group.clients[0].seal(request)):
        for number in range(4):
            with pytest.raises(AuthenticationFailed):
                group.authenticators[number].open(frame)


def test_rec_1_a_replica_asks_for_nothing_else() -> None:
    """Neither sessions nor operations nor the access table: its key is no client's."""
    group = Group(4, SMALL, has_entropy=True)
    key = key_pair(3).public_key
    for request in (Request(key, 0, 1, ()), Request(key, 0, 1, (b"junk",)), Request(key, 7, 1, (b"add 1",))):
        group.submit(group.authenticators[2].seal(request))
    assert [group.core(number).last_executed for number in range(4)] == [0] * 4
    assert group.core(0).incidents["REQUEST: of a replica, and none to recover"] == 3


def test_epoch_4_the_digest_covers_the_recoveries() -> None:
    group = Group(4, SMALL, has_entropy=True)
    core = group.core(0)
    digests = {checkpoints.hold(core, 0).digest}
    for counter, epoch in ((1, 1), (1, 2), (2, 2)):
        request = recovery_request(key_pair(3).public_key, counter, WRONG)
        core.tables.recoveries.rows.clear()
        assert core.tables.recoveries.execute(request, epoch, 0) is not None
        digests.add(checkpoints.hold(core, 0).digest)
    assert len(digests) == 4


def test_epoch_4_a_restart_keeps_the_recoveries() -> None:
    """From the checkpoint's record, and with them the keys in the requests."""
    group = Group(4, SMALL, has_entropy=True)
    group.submit(recovery_of(group, 2, 77))
    for timestamp in range(2, 6):
        group.submit(group.request((), 0, timestamp))
    assert group.core(3).log.low_watermark == 4
    core = group.restart(3).core
    assert core.tables.recoveries.epoch_of(2) == 1
    assert core.keys.known[2][0].counter == 77


def test_epoch_1_what_was_signed_before_the_recovery_does_not_count() -> None:
    """Each of the three kinds, from everyone who executed the request; one of the new epoch counts."""
    group = Group(4, SMALL, has_entropy=True)
    group.stopped.add(2)
    group.submit(recovery_of(group, 2, 77))
    old: list[Message] = [
        Checkpoint(4, WRONG, 2, 0),
        view_change(group, 1, 2, 0),
        NewView(2, (), CheckpointClaim(0, WRONG), (), 2, 0),
    ]
    for message in old:
        assert group.refusal(1, 2, message) == "of an older recovery epoch"
    for counter in range(2, 20):
        group.submit(group.request((), 0, counter))
    assert group.core(1).log.low_watermark == 16 > recovery_point(1, SMALL)
    assert group.refusal(1, 2, Checkpoint(20, WRONG, 2, 0)) == "of an older recovery epoch"
    group.say(2, Checkpoint(20, WRONG, 2, 1), 1)
    assert group.core(1).checkpoints.votes[20][2][0].digest == WRONG
    group.say(2, view_change(group, 1, 2, 1, low=16), 1)
    assert 2 in group.core(1).views.view_changes


def test_epoch_1_nobody_speaks_before_its_recovery_point() -> None:
    """A correct replica is silent until then: an epoch with a low watermark or a number below is no correct one's."""
    group = Group(4, SMALL, has_entropy=True)
    point = recovery_point(1, SMALL)
    assert point == 12
    assert "not reached" in group.refusal(1, 2, Checkpoint(point - 4, WRONG, 2, 1))
    assert "not reached" in group.refusal(1, 2, view_change(group, 1, 2, 1))
    group.say(2, Checkpoint(point, WRONG, 2, 1), 1)
    assert group.core(1).incidents["Checkpoint: of a recovery epoch whose recovery point is not reached"] == 1


def test_epoch_1_who_lags_counts_checkpoints_and_convicts_nobody() -> None:
    """It has not executed the recovery: a VIEW-CHANGE and a NEW-VIEW of that epoch are passed over, no incident, and
    the view is not left for them."""
    group = Group(4, SMALL, has_entropy=True)
    core = group.core(1)
    digest = core.checkpoints.held[0].digest
    later = ViewChange(2, 12, (CheckpointClaim(12, digest),), (), (), 3, 1)
    assert group.refusal(1, 3, later) == "of a recovery epoch that is not executed here"
    frames = [group.authenticators[number].seal(view_change(group, 2, number, 0)) for number in (0, 1)]
    frames.append(group.authenticators[3].seal(later))
    new_view = NewView(2, tuple(frames), CheckpointClaim(0, digest), (), 2, 0)
    group.reaches = lambda sender, receiver, message: False
    for view in (1, 2):
        core.views.view = view
        core.status = Status.VIEW_CHANGE
        core.views.view_changes[1] = (view_change(group, view, 1, 0), b"")
        assert group.refusal(1, 2, new_view) == "of a recovery epoch that is not executed here"
        assert core.views.view == view
    assert not core.incidents
    group.say(3, Checkpoint(12, WRONG, 3, 1), 1)
    assert [number for _, number, _ in core.checkpoints.vouchers.newest()] == [12]


def test_epoch_2_what_is_kept_of_older_epochs_is_forgotten() -> None:
    """A VIEW-CHANGE that waits for others, votes for checkpoints, and the session keys."""
    group = Group(4, SMALL, has_entropy=True)
    group.say(2, view_change(group, 5, 2, 0), 1, run=False)
    group.say(2, Checkpoint(4, WRONG, 2, 0), 1, run=False)
    group.say(2, Checkpoint(400, WRONG, 2, 0), 1, run=False)
    core = group.core(1)
    assert 2 in core.views.view_changes
    assert 2 in core.checkpoints.votes[4]
    assert 2 in core.checkpoints.vouchers.named
    thief = ReplicaAuthenticator(2, key_pair(3), group.configuration)
    group.authenticators[1].open(thief.seal(Commit(0, 1, WRONG, 2)))
    group.submit(recovery_of(group, 2, 77))
    assert core.tables.recoveries.epoch_of(2) == 1
    assert 2 not in core.views.view_changes
    assert 2 not in core.checkpoints.votes[4]
    assert 2 not in core.checkpoints.vouchers.named
    assert all(2 not in signers for signers in core.checkpoints.vouchers.signers.values())
    with pytest.raises(AuthenticationFailed):
        group.authenticators[1].open(thief.seal(Commit(0, 1, WRONG, 2)))


def test_epoch_2_a_fetched_state_raises_epochs_too() -> None:
    """A replica that was away when the request was executed learns it with the state."""
    group = Group(7, SMALL, has_entropy=True)
    group.stopped.add(3)
    recover(group, 2, 77)
    group.core(3).views.view_changes[2] = (view_change(group, 5, 2, 0), b"")
    for timestamp in range(2, 40):
        group.submit(group.request((), 0, timestamp))
    group.stopped.clear()
    group.advance(5000)
    assert any(trace.event == "state-fetched" for trace in group.traces[3])
    assert epochs(group, 2) == [1] * 7
    assert 2 not in group.core(3).views.view_changes
    assert group.core(3).keys.known[2][0].counter == 77


def test_epoch_3_a_new_view_that_waited_is_judged_again() -> None:
    """It was right when it came, with a VIEW-CHANGE of an epoch that was the present one here; the checkpoint that is
    fetched for it tells of a recovery. It is not entered: its primary is given up."""
    group = Group(7, SMALL, has_entropy=True)
    group.stopped.add(3)
    recover(group, 2, 77)
    for timestamp in range(2, 40):
        group.submit(group.request((), 0, timestamp))
    low = group.core(0).log.low_watermark
    frames = [group.authenticators[number].seal(view_change(group, 1, number, 0, low)) for number in (0, 1, 2, 4, 5)]
    claim = CheckpointClaim(low, group.core(0).checkpoints.held[low].digest)
    new_view = NewView(1, tuple(frames), claim, (), 1, 0)
    group.stopped.clear()
    group.reaches = lambda sender, receiver, message: False
    group.receive(3, group.authenticators[1].seal(new_view))
    core = group.core(3)
    assert core.views.pending_new_view is not None
    group.reaches = lambda sender, receiver, message: isinstance(message, StatePieces) or receiver != 3
    for _ in range(100):
        group.advance(50)
        group.reaches = lambda sender, receiver, message: not isinstance(message, StatusMessage) or sender == 3
        if core.views.pending_new_view is None:
            break
    assert core.tables.recoveries.epoch_of(2) == 1
    assert (core.view, core.status) == (2, Status.VIEW_CHANGE)
