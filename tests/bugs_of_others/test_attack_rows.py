"""Rows of the attack catalogue that need a stage of their own besides the simulator's strategies: P3, P18, B6 and C3
across incarnations (facts 7). Where the other rows are played, `docs/ADVERSARY.md` says."""

from __future__ import annotations

from itertools import product

import msgspec
import pytest

from bugs_of_others.staging import CAUGHT, Stage, weaken
from core.group import configuration_of, key_pair
from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.core import view_change
from quorate.core.log import MessageLog, Phase, open_batch
from quorate.errors import AuthenticationFailed
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import Batch, Commit, Prepare, PrePrepare, Request, ViewChange


def prepare_at_one(digests_differ: bool, alone: int, late: int) -> Stage:
    """The primary, a liar, lets exactly one correct backup prepare, and dies. Of the three others' VIEW-CHANGEs those
    of *late* come late: the new primary may have to do with the liar's, who claims that he knows nothing."""
    stage = Stage(liars=(0,))
    stage.open()
    stage.stopped.add(0)
    one, other = encode_batch(Batch(stage.wall, ())), encode_batch(Batch(stage.wall + 1, ()))
    stage.reaches = lambda sender, receiver, message: receiver == alone and isinstance(message, Prepare)
    helper = next(number for number in (1, 2, 3) if number != alone)
    for number in (1, 2, 3):
        data = one if number in (alone, helper) or not digests_differ else other
        stage.say(0, PrePrepare(0, 2, open_batch(data).digest, 0), number, attachments=(data,))
    phases = [stage.core(number).log.slots[2].phase for number in (1, 2, 3)]
    assert phases.count(Phase.PREPARED) == 1
    assert stage.core(alone).log.slots[2].phase is Phase.PREPARED
    stage.say(0, Commit(0, 2, open_batch(one).digest, 0), alone)
    stage.reaches = lambda sender, receiver, message: not (sender == late and isinstance(message, ViewChange))
    for view in (1, 2, 3):
        stage.say(0, stage.blank(0, view), *([view] if view != late else [1, 2, 3]))
        stage.advance(200)
    stage.asked = 0
    stage.submit(stage.request((), 0, 1, client=1), 1, 2, 3)
    stage.advance(3000)
    return stage


@pytest.mark.parametrize("digests_differ", [False, True])
def test_p3_exactly_one_correct_replica_prepares(digests_differ: bool) -> None:
    """P3: what prepared at one correct replica alone may survive the view or not; all correct ones agree on which,
    whoever it was and whoever is heard late, and what comes after it is executed in one order."""
    for alone, late in product((1, 2, 3), repeat=2):
        stage = prepare_at_one(digests_differ, alone, late)
        stage.add()
        stage.assert_recovers()
        assert len({stage.core(number).log.decided_digest(2) for number in stage.correct}) == 1


def test_p3_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prepared with one vote too few: both digests prepare."""
    weaken(monkeypatch, MessageLog.is_prepared, "self.quorums.quorum - 1", "self.quorums.quorum - 2")
    with pytest.raises((*CAUGHT, AssertionError)):
        prepare_at_one(True, 1, 2)


def test_p18_a_primary_that_keeps_leaving_its_view() -> None:
    """P18: whenever it is a liar's turn he leaves the view at once. In the authors' library a VIEW-CHANGE of the
    present primary moves everybody; here one voice moves nobody, his views end by their timers, and no more than f in a
    row are wasted: the service goes on in between."""
    stage = Stage(liars=(3,))
    stage.open()
    said = 0
    for _ in range(8):
        stage.add(1, 0, 1, 2)
        for _ in range(60):
            if stage.core(3).is_primary or max(stage.views()) % 4 == 3:
                stage.stopped.add(3)
                said = max(stage.views()) + 1
                stage.say(3, stage.blank(3, said))
            stage.advance(50)
            if set(stage.totals()) == {stage.asked}:
                break
        assert set(stage.totals()) == {stage.asked}
        # On to the next primary, as if the last one had been slow.
        stage.stopped.discard(3)
        view = max(stage.views()) + 1
        for number in stage.correct:
            view_change.start(stage.core(number), view, "the test says so")
            stage.settle(number)
        stage.run()
    assert said > 0
    stage.stopped.add(3)
    stage.assert_recovers()


def test_b6_the_smallest_of_f_plus_1_views_even_one_by_one() -> None:
    """B6: liars who stay a little ahead of whatever view a correct replica reaches drag nobody along: each of their
    steps needs a correct replica that wants as much."""
    stage = Stage(7, liars=(5, 6))
    stage.add()
    for step in range(1, 200):
        for liar in (5, 6):
            stage.say(liar, stage.blank(liar, step * 10**6 + liar))
    stage.advance(3000)
    assert stage.views() == [0] * 5
    stage.stopped |= {5, 6}
    stage.assert_recovers()


def test_c3_nothing_replays_across_histories() -> None:
    """C3: a request, or a vote, of a cluster's earlier life (before `--fresh`) or of another cluster, under the same
    keys, is authentic to nobody in this one."""
    stage = Stage()
    earlier = msgspec.structs.replace(stage.configuration, incarnation="33" * 16)
    elsewhere = configuration_of(4)
    elsewhere = msgspec.structs.replace(elsewhere, cluster_id="44" * 16)
    for other in (earlier, elsewhere):
        client = ClientAuthenticator(key_pair(200), other)
        replica = ReplicaAuthenticator(1, key_pair(2), other)
        request = client.seal(Request(client.client_id, 0, 5, ()))
        vote = replica.seal(Prepare(0, 1, b"d" * 32, 1))
        change = replica.seal(stage.blank(1, 1))
        for frame in (request, vote, change):
            with pytest.raises(AuthenticationFailed):
                stage.authenticators[0].open(frame)
