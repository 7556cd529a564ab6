"""View changes (OSDI'99 4.4; OSDI'00 section 4; facts 1.6, 2.3 to 2.6)."""

from __future__ import annotations

from core.group import Group
from quorate.config import Settings
from quorate.core.context import Status
from quorate.core.new_view import Choice, compute_new_view
from quorate.core.quorum import quorums_of
from quorate.messages.protocol import Checkpoint, CheckpointClaim, Commit, Decided, NewView, ViewChange

SETTINGS = Settings(checkpoint_interval=2)


def ends_view(group: Group) -> None:
    """Let all timers of the present view expire."""
    group.advance(1500)


def test_gc_1_a_new_view_alone_does_not_move_the_low_watermark() -> None:
    """Facts 1.9: a quorum of CHECKPOINTs for garbage collection; f + 1 only to believe a digest.

    n = 4. Only replica 0 commits 1 and 2 and takes checkpoint 2; traitor 1 vouches for it in its VIEW-CHANGE, never in
    a CHECKPOINT, sends its NEW-VIEW to replica 0 alone, and is silent ever after. Had replica 0 cut its log then, no
    checkpoint would be vouched for by f + 1 and reached by a quorum: no view would ever begin again.
    """
    group = Group(4, SETTINGS)
    group.open_session()
    group.reaches = lambda sender, receiver, message: (
        not (isinstance(message, Commit) and receiver != 0) and not isinstance(message, Decided)
    )
    group.submit(group.request((), 0, 2))
    assert [group.core(number).last_executed for number in range(4)] == [2, 1, 1, 1]
    digest = group.core(0).checkpoints.held[2].digest
    # The old primary's view ends. The VIEW-CHANGE of traitor 1 says that it has the checkpoint.
    group.reaches = lambda sender, receiver, message: (
        1 not in (sender, receiver) and not isinstance(message, Commit | Decided)
    )
    group.stopped.add(1)
    group.submit(group.request((), 0, 3), 2, 3)
    ends_view(group)
    assert [group.core(number).view for number in (0, 2, 3)] == [1, 1, 1]
    view_changes = [frame for _, (vc, frame) in sorted(group.core(2).views.view_changes.items()) if vc.view == 1]
    assert len(view_changes) == 3
    honest = {vc.replica: vc for vc, _ in group.core(2).views.view_changes.values()}
    lie = ViewChange(1, 0, (*honest[2].checkpoints, CheckpointClaim(2, digest)), (), (), 1, 0)
    frames = (
        group.core(2).views.view_changes[0][1],
        group.authenticators[1].seal(lie),
        group.core(2).views.view_changes[2][1],
    )
    assert group.core(0).status is Status.VIEW_CHANGE
    choice = compute_new_view([honest[0], lie, honest[2]], quorums_of(4), SETTINGS.window)
    assert isinstance(choice, Choice)
    assert choice.checkpoint == CheckpointClaim(2, digest)
    group.say(1, NewView(1, frames, choice.checkpoint, choice.chosen, 1, 0), 0)
    assert (group.core(0).status, group.core(0).view) == (Status.NORMAL, 1)
    assert group.core(0).log.low_watermark == 0
    # Replicas 2 and 3 move on before they hear of that NEW-VIEW; from now on the three correct replicas talk.
    group.reaches = lambda sender, receiver, message: (
        1 not in (sender, receiver) and not (isinstance(message, NewView) and message.view == 1)
    )
    group.advance(60_000)
    assert {group.core(number).log.decided_digest(2) for number in (0, 2, 3)} != {None}
    assert [group.core(number).status for number in (0, 2, 3)] == [Status.NORMAL] * 3
    assert min(group.core(number).last_executed for number in (0, 2, 3)) >= 3
    assert Checkpoint in {type(message) for _, message in group.sent}
