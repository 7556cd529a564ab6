"""What a NEW-VIEW chooses: the defects that were found in other view changes (facts 2.6, points 1 to 5, 7 and 8)."""

from __future__ import annotations

from itertools import combinations, product

import pytest

from bugs_of_others.staging import CAUGHT, SMALL, Stage, replace, weaken
from quorate.config import Settings
from quorate.core import new_view, view_change
from quorate.core.context import Status
from quorate.core.new_view import Choice, Undecided, compute_new_view
from quorate.core.quorum import quorums_of
from quorate.messages.protocol import (
    Batches,
    Checkpoint,
    CheckpointClaim,
    Commit,
    Decided,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    ViewChange,
)
from quorate.messages.protocol import Status as StatusMessage

X, Y = b"x" * 32, b"y" * 32
GENESIS, FOURTH, FALSE = CheckpointClaim(0, b"0" * 32), CheckpointClaim(4, b"4" * 32), CheckpointClaim(4, b"f" * 32)
FOUR = quorums_of(4)
PREPARED = ((PreparedClaim(1, X, 0),), (PrePreparedClaim(1, X, 0),))


def claims_of_correct() -> list[list[ViewChange]]:
    """All that three correct replicas can truly say for view 2, at number 1, after X committed there in view 0: two at
    least prepared X; the third may have done so too, or pre-prepared X or another digest, or seen nothing; and the
    checkpoint at 4 may be stable at one that prepared X, and held by the other."""
    thirds = (PREPARED, ((), PREPARED[1]), ((), (PrePreparedClaim(1, Y, 0),)), ((), ()))
    worlds = []
    for odd, third, passed in product(range(3), thirds, (False, True)):
        said = []
        even = [replica for replica in range(3) if replica != odd]
        for replica in range(3):
            prepared, pre_prepared = third if replica == odd else PREPARED
            low, held = 0, (GENESIS,)
            if passed and replica == even[0]:
                low, held, prepared, pre_prepared = 4, (FOURTH,), (), ()
            elif passed and replica == even[1]:
                held = (GENESIS, FOURTH)
            said.append(ViewChange(2, low, held, prepared, pre_prepared, replica, 0))
        worlds.append(said)
    return worlds


def lies() -> list[ViewChange]:
    """All that the fourth can say of number 1 in views 0 and 1, for two digests."""
    prepared = [(), *((PreparedClaim(1, digest, view),) for digest, view in product((X, Y), (0, 1)))]
    named = [PrePreparedClaim(1, digest, view) for digest, view in product((X, Y), (0, 1))]
    subsets = [pair for count in range(3) for pair in combinations(named, count)]
    held = ((GENESIS,), (GENESIS, FOURTH), (GENESIS, FALSE))
    told = [ViewChange(2, 0, c, p, q, 3, 0) for c, p, q in product(held, prepared, subsets)]
    return [*told, ViewChange(2, 4, (FOURTH,), (), (), 3, 0), ViewChange(2, 4, (FALSE,), (), (), 3, 0)]


def losses() -> list[Choice]:
    """The choices, in all of these worlds and for all sets of VIEW-CHANGEs, that lose X."""
    lost = []
    for correct, lie in product(claims_of_correct(), lies()):
        everyone = [*correct, lie]
        for said in [everyone, *(everyone[:at] + everyone[at + 1 :] for at in range(4))]:
            choice = compute_new_view(said, FOUR, SMALL.window)
            if isinstance(choice, Choice) and choice.checkpoint != FOURTH:
                first = choice.chosen[0].digest if choice.chosen else b""
                if choice.checkpoint != GENESIS or first != X:
                    lost.append(choice)
    return lost


def test_correction_1_no_lie_of_one_in_four_loses_a_commit() -> None:
    """No counterexample to the view change by P and Q sets was ever published. Here are all worlds of one number, two
    digests and two views with four replicas, all lies of the fourth, and all sets that a new primary may pick: what
    committed is chosen, or the new primary waits, in every one of them."""
    assert losses() == []


def test_correction_1_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """One witness instead of f + 1 (A2): a forged claim of a later view wins."""
    weaken(monkeypatch, new_view.choose_digest, ">= quorums.weak:", ">= 1:")
    assert losses() != []


def forget_a_commit() -> Stage:
    """Seven replicas, K = 1. The first request commits: at A = 3, whose checkpoint is stable, so its P is empty; at
    B = 4, which has it in P; at E = 0, which then is not heard. C1 = 1 and C2 = 2 saw nothing; 5 and 6 say so too, and
    lie. The VIEW-CHANGEs of all but E reach the new primary, C1."""
    stage = Stage(7, Settings(checkpoint_interval=1), liars=(5, 6))
    lost = (PrePrepare, Prepare, Commit, Decided, StatusMessage, Batches)
    stage.reaches = lambda sender, receiver, message: (
        not ((receiver in (1, 2) and isinstance(message, lost)) or (receiver != 3 and isinstance(message, Checkpoint)))
    )
    stage.submit(stage.request((), 0, 1), 0)
    assert [stage.core(number).log.low_watermark for number in (3, 4)] == [1, 0]
    assert [stage.core(number).last_executed for number in (1, 2, 3, 4)] == [0, 0, 1, 1]
    stage.stopped |= {0, 5, 6}
    stage.cut(*lost, Checkpoint)
    stage.submit(stage.request((), 0, 1, client=1), 1, 2, 3, 4)
    for liar in (5, 6):
        stage.say(liar, stage.blank(liar, 1))
    stage.advance(1100)
    return stage


def test_correction_2_null_needs_a_quorum_that_remembers() -> None:
    """Fabric v0.6 counted every VIEW-CHANGE without a P entry for null, also of a replica whose stable checkpoint had
    passed the number: with n = 7 a committed request was replaced by a null one. Here the new primary must wait until
    somebody else who knows is heard, and then keep the request."""
    stage = forget_a_commit()
    assert stage.core(1).view == 1
    assert len(stage.core(1).views.view_changes) == 6
    assert stage.core(1).status is Status.VIEW_CHANGE
    assert not [message for _, message in stage.sent if isinstance(message, NewView)]
    stage.assert_recovers()
    stage.advance(2000)
    assert len({stage.core(number).log.decided_digest(1) for number in stage.correct}) == 1
    assert set(stage.executed()) == {2}


def test_correction_2_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fabric's rule: without the guard h < n."""
    weaken(
        monkeypatch,
        new_view.choose_digest,
        "if remembering - len(claims) >= quorums.quorum:",
        "if len(known.low_watermarks) - len(claims) >= quorums.quorum:",
    )
    with pytest.raises(CAUGHT):
        forget_a_commit().assert_recovers()


def twice_in_q(replica: int) -> ViewChange:
    """A claim of Y, which nobody ever saw, with two entries in Q."""
    named = (PrePreparedClaim(1, Y, 0), PrePreparedClaim(1, Y, 1))
    return ViewChange(2, 0, (GENESIS,), (PreparedClaim(1, Y, 1),), named, replica, 0)


def test_correction_3_entries_of_one_message_are_one_witness() -> None:
    """Fabric incremented a counter for each matching Q entry, and for each C entry: one liar who names a digest twice
    made up f + 1 = 2. Here such a VIEW-CHANGE is refused, and even if it were not, senders are counted."""
    stage = Stage(liars=(3,))
    stage.cut()
    named = (PrePreparedClaim(1, Y, 0), PrePreparedClaim(1, Y, 0))
    assert stage.refusal(1, 3, stage.blank(3, 1, pre_prepared=named)) == "Q names a digest twice"
    genesis = stage.blank(3, 1).checkpoints
    doubled = (*genesis, FALSE, FALSE)
    assert "names a checkpoint twice" in stage.refusal(1, 3, stage.blank(3, 1, checkpoints=doubled))

    silent = [ViewChange(2, 0, (GENESIS,), (), (), replica, 0) for replica in range(3)]
    assert isinstance(compute_new_view([*silent[:2], twice_in_q(3)], FOUR, 8), Undecided)
    assert compute_new_view([*silent, twice_in_q(3)], FOUR, 8) == Choice(GENESIS, ())
    liar = ViewChange(2, 0, (GENESIS, FALSE, FALSE), (), (), 3, 0)
    assert compute_new_view([*silent, liar], FOUR, 8) == Choice(GENESIS, ())


def test_correction_3_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting as Fabric did: Y is chosen, and so is a checkpoint that one liar made up."""
    silent = [ViewChange(2, 0, (GENESIS,), (), (), replica, 0) for replica in range(3)]
    liar = ViewChange(2, 0, (GENESIS, FALSE, replace_claim(FALSE)), (), (), 3, 0)
    with monkeypatch.context() as weak:
        weak.setattr(new_view, "_witnesses", lambda number, digest, view, known: len(twice_in_q(3).pre_prepared))
        choice = compute_new_view([*silent, twice_in_q(3)], FOUR, 8)
        assert isinstance(choice, Choice)
        assert choice.chosen[0].digest == Y
    weaken(monkeypatch, new_view.choose_checkpoint, ".add(message.replica)", ".add(id(claim))")
    assert compute_new_view([*silent, liar], FOUR, 8) == Choice(FALSE, ())


def replace_claim(claim: CheckpointClaim) -> CheckpointClaim:
    """An equal claim that is another object."""
    return CheckpointClaim(claim.sequence_number, claim.digest)


def lead_with_a_later_view_change() -> Stage:
    """One liar's VIEW-CHANGE for view 5 lies at the new primary of view 1, beside its own and another one for 1."""
    stage = Stage(liars=(3,))
    stage.add()
    stage.stopped |= {0, 3}
    stage.say(3, stage.blank(3, 5), 1, 2)
    stage.add(1, 1, 2)
    stage.advance(1100)
    return stage


def test_correction_4_a_new_view_holds_view_changes_for_this_view_of_distinct_senders() -> None:
    """Fabric built the set V from all VIEW-CHANGEs for the new view *or a later one*, and its receivers looked only at
    the signatures. Here one for a later view does not count for this one, and a NEW-VIEW with such a one, or with one
    sender twice, would convict its primary."""
    stage = lead_with_a_later_view_change()
    assert stage.views()[1:] == [1, 1]
    assert not [message for _, message in stage.sent if isinstance(message, NewView)]
    stage.assert_recovers()
    for _, message in stage.sent:
        if isinstance(message, NewView):
            inner = [stage.authenticators[2].open(frame).message for frame in message.view_changes]
            assert {view_change.view for view_change in inner if isinstance(view_change, ViewChange)} == {message.view}
            assert len({view_change.replica for view_change in inner if isinstance(view_change, ViewChange)}) >= 3


def test_correction_4_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fabric's choice of V at a correct primary: a correct backup refuses what it makes."""
    weaken(monkeypatch, view_change.lead_new_view, "entry[0].view == core.view", "entry[0].view >= core.view")
    with pytest.raises(CAUGHT):
        lead_with_a_later_view_change().assert_recovers()


def checkpoints_apart() -> Stage:
    """K = 10. Replica 1 holds {10, 20}, with 10 stable; 2 holds {0, 10}; 3, cut off from the start, holds {0}. Then
    replica 0, the primary, dies: the VIEW-CHANGEs of the three are all that there is."""
    stage = Stage(4, Settings(checkpoint_interval=10))

    def reaches(sender: int, receiver: int, message: object) -> bool:
        if receiver == 3 or (receiver == 2 and isinstance(message, Checkpoint)):
            return False
        return not (receiver == 2 and isinstance(message, Commit) and message.sequence_number > 12)

    stage.reaches = reaches
    stage.open()
    stage.add(19, 0)
    assert stage.core(1).log.low_watermark == 10
    held = [sorted(stage.core(number).checkpoints.held) for number in (1, 2, 3)]
    assert held == [[10, 20], [0, 10], [0]]
    stage.stopped.add(0)
    stage.correct.remove(0)
    stage.cut(StatusMessage, Decided)
    stage.add(1, 1, 2, 3)
    stage.advance(1200)
    return stage


def test_scenario_2_correction_5_checkpoints_that_lie_apart_still_give_a_new_view() -> None:
    """indy-plenum #1506, Fabric #1111: VIEW-CHANGEs with the checkpoints {10, 20}, {0, 10}, {0} never gave a NEW-VIEW,
    because the replicas that hold the chosen checkpoint had also to be the quorum that has not passed it. Here the two
    are counted apart, 10 is chosen, and the one that lacks it fetches it."""
    stage = checkpoints_apart()
    stage.assert_recovers()
    first = next(message for _, message in stage.sent if isinstance(message, NewView))
    assert (first.view, first.checkpoint.sequence_number) == (1, 10)
    assert {entry.sequence_number for entry in first.chosen} == set(range(11, 21))


def test_scenario_2_correction_5_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fabric's condition, over the subset that holds the checkpoint: these VIEW-CHANGEs give no NEW-VIEW. (Once STATUS
    comes through again, Quorate's laggard fetches the checkpoint and its next VIEW-CHANGE would do.)"""
    weaken(
        monkeypatch,
        new_view.choose_checkpoint,
        "if message.low_watermark <= sequence_number)",
        "if message.low_watermark <= sequence_number and message.replica in replicas)",
    )
    stage = checkpoints_apart()
    stage.advance(20_000)
    assert not [message for _, message in stage.sent if isinstance(message, NewView)]


def test_correction_7_a_view_change_from_above_the_chosen_checkpoint_harms_nobody() -> None:
    """In the authors' library the new primary skips VIEW-CHANGEs whose stable checkpoint has passed a number; the check
    at the backups does not, and reads outside of a bitmap. Here primary and backups call one function: a VIEW-CHANGE
    with a high (and false) checkpoint is part of a NEW-VIEW that everybody enters."""
    stage = Stage(liars=(3,))
    stage.open()
    stage.cut(Commit)
    stage.add(2)
    stage.cut(StatusMessage)
    stage.stopped |= {0, 3}
    high = stage.blank(3, 1, low_watermark=8, checkpoints=(CheckpointClaim(8, X),))
    stage.submit(stage.request((), 0, 1, client=1), 1, 2)
    stage.advance(1050)
    stage.say(3, high)
    stage.stopped.discard(0)
    stage.advance(1000)
    entered = [message for _, message in stage.sent if isinstance(message, NewView)]
    assert entered
    inner = [stage.authenticators[2].open(frame).message for frame in entered[0].view_changes]
    assert high in inner
    assert entered[0].checkpoint.sequence_number == 0
    stage.assert_recovers()


def test_correction_8_the_checkpoint_is_chosen_among_all_of_c() -> None:
    """The authors' library looks only at the last stable checkpoint of each VIEW-CHANGE. Here f + 1 that hold a later
    one, stable nowhere yet, let the new view begin there."""
    stage = Stage()
    stage.cut(Checkpoint)
    stage.add(4)
    stage.stopped.add(0)
    stage.cut(Checkpoint, StatusMessage)
    stage.add(1, 1, 2, 3)
    stage.advance(1500)
    assert {stage.core(number).log.low_watermark for number in (1, 2, 3)} == {0}
    first = next(message for _, message in stage.sent if isinstance(message, NewView))
    assert first.checkpoint.sequence_number == 4
    stage.assert_recovers()


def test_correction_8_who_is_beyond_the_chosen_checkpoint_does_not_step_back() -> None:
    """The library's `known_stable may exceed chosen min`. A NEW-VIEW of replicas that know less begins at 0, while
    replica 0 has a stable checkpoint at 4, which a liar helped to and now hides: it enters, keeps its low watermark,
    and executes nothing again."""
    stage = Stage(liars=(2,))
    stage.reaches = lambda sender, receiver, message: (
        receiver != 3 and not (isinstance(message, Checkpoint) and receiver == 1)
    )
    stage.add(4, 0)
    assert [stage.core(number).log.low_watermark for number in (0, 1, 3)] == [4, 0, 0]
    stage.stopped |= {0, 2}
    stage.cut(StatusMessage, Checkpoint)
    stage.add(1, 1, 3)
    stage.advance(1050)
    known = replace(stage.truth(1, 1), replica=2, checkpoints=stage.blank(2, 1).checkpoints)
    stage.say(2, known)
    first = next(message for _, message in stage.sent if isinstance(message, NewView))
    assert (first.view, first.checkpoint.sequence_number) == (1, 0)
    stage.stopped.discard(0)
    before = [trace.details["sequence_number"] for trace in stage.traces[0] if trace.event == "executed"]
    stage.say(1, first, 0)
    assert (stage.core(0).view, stage.core(0).status) == (1, Status.NORMAL)
    assert stage.core(0).log.low_watermark == 4
    stage.assert_recovers()
    after = [trace.details["sequence_number"] for trace in stage.traces[0] if trace.event == "executed"]
    assert after[: len(before)] == before
    assert len(set(after)) == len(after)
