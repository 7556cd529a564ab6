"""Bodies that are missing, VIEW-CHANGEs that skip somebody, questions without end, and bit sets (facts 2.6, points 6,
9, 10 and 12)."""

from __future__ import annotations

import pytest

from bugs_of_others.staging import SMALL, Stage, weaken
from quorate.core import answers, new_view, retransmission
from quorate.core.context import Status
from quorate.messages.protocol import (
    Batches,
    Commit,
    Decided,
    FetchBatches,
    FetchState,
    NewView,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    StatePieces,
    ViewChange,
)
from quorate.messages.protocol import Status as StatusMessage

Y = b"y" * 32


def claim_without_a_body(milliseconds: int) -> Stage:
    """The old primary claims, in a VIEW-CHANGE to each new primary, that Y prepared at 2. Nobody holds the body of
    Y."""
    stage = Stage(liars=(0,))
    stage.open()
    stage.stopped.add(0)
    stage.add(1, 1, 2, 3)
    said = 0
    for _ in range(milliseconds // 100):
        if max(stage.views()) >= said:
            said = max(stage.views()) + 1
            lie = {"prepared": (PreparedClaim(2, Y, 0),), "pre_prepared": (PrePreparedClaim(2, Y, 0),)}
            stage.say(0, stage.blank(0, said, **lie), said % 4 or 1)
        stage.advance(100)
    return stage


def test_correction_6_a_digest_whose_body_nobody_has_does_not_block_the_view() -> None:
    """CCF #839: a request executed tentatively at the old primary alone was carried into the new view, and could never
    prepare there for want of its body. Here a digest needs f + 1 that pre-prepared it, so a correct replica has the
    body; the lonely claim waits for one more VIEW-CHANGE and then loses."""
    stage = claim_without_a_body(5000)
    assert set(stage.totals()) == {1}
    assert stage.core(1).missing == {}


def test_correction_6_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without A2 no view is ever entered: its primary waits for a body that does not exist."""
    weaken(monkeypatch, new_view.choose_digest, ">= quorums.weak:", ">= 1:")
    stage = claim_without_a_body(60_000)
    assert set(stage.totals()) == {0}
    assert max(stage.views()) >= 3


def test_correction_6_a_new_view_with_requests_that_a_backup_does_not_have() -> None:
    """bluzelle swarmDB #355: a NEW-VIEW that names requests which are not here crashed the replica. Here its slots
    wait, the bodies are asked for (in vain for a while), and then it goes on like the others."""
    stage = Stage()
    stage.open()
    stage.reaches = lambda sender, receiver, message: (
        not (receiver == 3 and isinstance(message, PrePrepare)) and not isinstance(message, Commit | Decided)
    )
    stage.add(3, 0)
    stage.stopped.add(0)
    stage.cut(Batches, Decided, PrePrepare, only_to=(3,))
    stage.submit(stage.request((), 0, 1, client=1), 1, 2, 3)
    stage.advance(1500)
    core = stage.core(3)
    assert (core.view, core.status) == (1, Status.NORMAL)
    assert len(core.missing) == 3
    assert core.last_executed == 1
    stage.correct.remove(0)
    stage.assert_recovers()


def test_correction_9_a_view_change_that_skipped_a_backup_reaches_it_in_the_new_view() -> None:
    """In the authors' library the new primary never passes others' VIEW-CHANGEs on (an empty stub), so a liar who sends
    his to it alone stalls the backups that lack it until the next view. Here NEW-VIEW carries them whole."""
    stage = Stage(liars=(3,))
    stage.open()
    stage.stopped.add(3)
    stage.reaches = lambda sender, receiver, message: not (sender == 2 and isinstance(message, ViewChange))
    stage.stopped.add(0)
    stage.submit(stage.request((), 0, 2), 1, 2)
    stage.advance(1050)
    stage.stopped.discard(0)
    stage.reaches = lambda sender, receiver, message: not (sender in (2, 3) and isinstance(message, ViewChange))
    stage.say(0, stage.truth(0, 1), 1)
    assert stage.core(1).status is Status.VIEW_CHANGE
    stage.say(3, stage.blank(3, 1), 1)
    (sent,) = [message for _, message in stage.sent if isinstance(message, NewView)]
    senders = {stage.authenticators[2].open(frame).message.replica for frame in sent.view_changes}  # type: ignore[union-attr]
    assert senders == {0, 1, 3}
    assert [(stage.core(number).view, stage.core(number).status) for number in (0, 1, 2)] == [(1, Status.NORMAL)] * 3
    stage.assert_recovers()


def answers_to(stage: Stage, asker: int, kinds: tuple[type, ...]) -> int:
    """How many messages of these types were sent."""
    return sum(1 for sender, message in stage.sent if sender != asker and isinstance(message, kinds))


def ask_without_end(stage: Stage, message: object, times: int) -> None:
    """A liar asks replica 0 the same thing again and again, within one moment."""
    stage.sent.clear()
    frame = stage.authenticators[3].seal(message, (), 0)  # type: ignore[arg-type]
    for _ in range(times):
        stage.receive(0, frame)
    stage.wire.clear()


@pytest.mark.parametrize("what", ["status", "batches", "state", "root"])
def test_correction_10_questions_are_answered_at_a_bounded_rate(what: str) -> None:
    """In the EPFL copy of the library the limit of retransmission is switched off, and STATUS, QUERY-STABLE and NEW-KEY
    are answered without one: a small question that has a large answer, asked without end, stalls who answers. Here each
    peer gets a bounded amount in a status interval, and its next honest question is answered."""
    stage = Stage(liars=(3,))
    stage.add(6)
    stage.stopped.add(3)
    digests = tuple(stage.core(0).log.batches)
    assert digests
    number = max(stage.core(0).checkpoints.held)
    stage.advance(200)
    message, answer = {
        "status": (StatusMessage(0, False, 0, 0, b"", 0, (), 3), Decided),
        "batches": (FetchBatches(digests, 3), Batches),
        "state": (FetchState(number, ((0,),), 3), StatePieces),
        "root": (FetchState(number, (), 3), StatePieces),
    }[what]
    ask_without_end(stage, message, 1)
    once = answers_to(stage, 3, (answer,))
    assert once
    stage.advance(200)
    ask_without_end(stage, message, 20_000)
    assert answers_to(stage, 3, (answer,)) <= 10_000
    stage.advance(200)
    ask_without_end(stage, message, 1)
    assert answers_to(stage, 3, (answer,)) == once


def test_correction_10_large_answers_are_bounded_in_bytes() -> None:
    """As above, with bodies of half a megabyte: 1,000 questions in one moment bring no more than a few answers."""
    stage = Stage(liars=(3,))
    stage.open()
    opening, padding = stage.core(0).tables.last_opening(stage.clients[0].client_id), b" " * 500_000
    assert opening is not None
    session = int.from_bytes(opening.results[0] or b"")
    stage.submit(stage.request((b"add 1" + padding,), session, 1))
    stage.asked += 1
    large = [digest for digest, held in stage.core(0).log.batches.items() if len(held.batch.data) > 400_000]
    assert len(large) == 1
    stage.stopped.add(3)
    stage.advance(200)
    ask_without_end(stage, FetchBatches((large[0],), 3), 1000)
    assert 1 <= answers_to(stage, 3, (Batches,)) <= answers.BYTES_MAX // 500_000 + 1


def test_correction_12_bit_sets_hold_every_replica() -> None:
    """TinyBFT shifts a 32-bit one by up to 63, so replica 35 passes for replica 3; and its VIEW-CHANGE-ACK names the
    digest of the wrong message. Quorate has no acknowledgements (VIEW-CHANGEs travel signed and whole), and its STATUS
    tells 35 from 3: a peer is sent just what it lacks."""
    stage = Stage(40, SMALL)
    stage.cut()
    for sender in (3, 35):
        stage.say(sender, stage.blank(sender, 1), 1)
    core = stage.core(1)
    core.views.view, core.status = 1, Status.VIEW_CHANGE
    core.views.view_changes[1] = (stage.truth(1, 1), b"")
    held = retransmission.own_status(core).view_changes
    assert held == 1 << 1 | 1 << 3 | 1 << 35
    stage.sent.clear()
    stage.say(7, StatusMessage(1, True, 0, 0, b"", 1 << 35 | 1 << 1, (), 7), 1)
    passed_on = [message for _, message in stage.sent if isinstance(message, ViewChange)]
    assert [message.replica for message in passed_on] == [3]
    assert passed_on[0] == stage.blank(3, 1)
