"""States that are deleted, fetched from liars, or vouched for wrongly; proposals that are shuffled (scenarios
8, 15 and 16 of docs/BUGS-OF-OTHERS.md; facts 7.2, B11, B15 and B16)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bugs_of_others.staging import Stage, weaken
from core.group import KeptCounter, total_of
from quorate.core import log, state_transfer
from quorate.core.effects import Effect, Send
from quorate.core.log import Phase, open_batch
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import Batch, Checkpoint, Message, PrePrepare, StatePieces

WRONG = b"w" * 32


def delete_contents(stage: Stage, victim: int, behind_its_back: bool) -> None:
    """Everything that the service of a live replica holds is gone."""
    table = stage.services[victim]._table
    if behind_its_back:
        table._values.clear()
    else:
        table.clear()


@pytest.mark.parametrize("behind_its_back", [False, True], ids=["deleted", "lost in memory"])
@pytest.mark.parametrize("victim", [0, 2])
def test_scenario_8_a_state_deleted_on_a_live_replica_is_found_and_repaired(victim: int, behind_its_back: bool) -> None:
    """bft-smart #73: a file was deleted on one live replica of a replicated file system; the service masked it, and the
    replica was never repaired. Here clients go on getting right answers, the next checkpoint shows that the replica
    differs from f + 1 others, and it fetches what it lost. (Nothing yet looks for damage in what is never touched: that
    comes with durable storage.)"""
    stage = Stage(liars=(victim,))  # a damaged replica is one of the f, until it is repaired
    stage.add(5)
    delete_contents(stage, victim, behind_its_back)
    stage.add()
    assert total_of(stage.services[victim]) == 1
    stage.add()
    right = [reply.results for replica, reply in stage.replies if reply.timestamp == 7 and replica != victim]
    assert right == [(b"7",)] * 3
    stage.add(6)
    stage.advance(2000)
    assert [total_of(service) for service in stage.services] == [13] * 4
    events = [trace.event for trace in stage.traces[victim]]
    assert "state-diverged" in events
    assert "state-fetched" in events
    assert {stage.core(number).last_executed for number in range(4)} == {14}


def test_scenario_8_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that overlooks what f + 1 others vouch for."""
    monkeypatch.setattr("quorate.core.checkpoints.state_is_needed", lambda core: False)
    with pytest.raises(AssertionError):
        test_scenario_8_a_state_deleted_on_a_live_replica_is_found_and_repaired(2, False)


class LyingSource(Stage):
    """Replica 1 lies to replica 2, which fetches a checkpoint."""

    lie = ""
    held: list[tuple[int, bytes]]

    def perform(self, sender: int, effects: list[Effect]) -> None:
        """What replica 1 sends of its state is changed, dropped or late."""
        if sender == 1 and self.lie:
            kept: list[Effect] = []
            for effect in effects:
                if isinstance(effect, Send) and isinstance(effect.message, StatePieces):
                    kept += self.falsified(effect)
                else:
                    kept.append(effect)
            effects = kept
        super().perform(sender, effects)

    def falsified(self, effect: Send) -> list[Effect]:
        """What is sent instead."""
        message = effect.message
        assert isinstance(message, StatePieces)
        pieces = self.authenticators[2].open(effect.frame).envelope.attachments
        if self.lie == "silent":
            return []
        if self.lie == "late":
            self.held.append((self.now + 700_000, effect.frame))
            return []
        changes: dict[str, tuple[StatePieces, tuple[bytes, ...]]] = {
            "stale": (message, self.old_state(message)),
            "short": (message, pieces[:-1]),
            "empty": (message, (b"",) * len(pieces)),
            "wrong number": (StatePieces(message.sequence_number + 4, message.paths, 1), pieces),
            "false root": (message, (pieces[0], WRONG) if not message.paths else pieces),
        }
        said, shown = changes[self.lie]
        return [Send(2, said, self.authenticators[1].seal(said, shown, 2))]

    def old_state(self, message: StatePieces) -> tuple[bytes, ...]:
        """The same nodes of the state as it was in the beginning."""
        first = KeptCounter({})
        digest = first.checkpoint(1)
        if not message.paths:
            tables = state_transfer.encode_snapshot(self.core(2).tables.snapshot())
            return (tables, digest)
        return tuple(first.fetch(1, path) or b"" for path in message.paths)

    def deliver_held(self) -> None:
        """What is late arrives."""
        due = [frame for time, frame in self.held if time <= self.now]
        self.held = [entry for entry in self.held if entry[0] > self.now]
        for frame in due:
            self.receive(2, frame)


def fetch_beside_a_liar(lie: str, alone: bool = False) -> LyingSource:
    """Replica 2 sleeps until its peers have forgotten what it needs; then it fetches, and 1 is among its sources, or
    the only one that it hears."""
    stage = LyingSource(liars=(1,))
    stage.held = []
    stage.add(2)
    stage.stopped.add(2)
    stage.add(30, 0)
    stage.lie = lie
    stage.stopped.clear()
    if alone:
        stage.cut(StatePieces, only_from=(0, 3))
    for _ in range(100):
        stage.advance(50)
        stage.deliver_held()
    return stage


@pytest.mark.parametrize("lie", ["silent", "late", "stale", "short", "empty", "wrong number", "false root"])
def test_scenario_15_a_source_of_state_lies(lie: str) -> None:
    """concord-bft tests state transfer with sources that delay and corrupt chunks; BFT-SMaRt once believed whichever
    reply came last (bft-smart #62). Here every piece is checked against a digest that f + 1 vouch for, and whoever is
    late is passed over: the fetch ends at the right state, whatever one source does."""
    stage = fetch_beside_a_liar(lie)
    assert [trace.event for trace in stage.traces[2] if trace.event == "state-fetched"]
    stage.add(4)
    stage.assert_recovers()


def test_scenario_15_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The root is taken from whoever answers first. With the rule, a liar that is heard alone gets nowhere."""
    stage = fetch_beside_a_liar("stale", alone=True)
    assert not [trace.event for trace in stage.traces[2] if trace.event == "state-fetched"]
    weaken(monkeypatch, state_transfer.take_root, "!= transfer.digest:", "== WRONG:")
    monkeypatch.setattr(state_transfer, "WRONG", WRONG, raising=False)
    stage = fetch_beside_a_liar("stale", alone=True)
    assert [trace.event for trace in stage.traces[2] if trace.event == "state-fetched"]
    assert total_of(stage.services[2]) != total_of(stage.services[0])


def test_scenario_15_b16_a_moving_target_of_one_liar_provokes_no_fetch() -> None:
    """The endless moving target: one replica vouches for ever later checkpoints, which do not exist. f claims alone are
    nobody's word: nobody fetches anything, and real checkpoints become stable as ever."""
    stage = Stage(liars=(3,))
    stage.add()
    for number in range(4, 4000, 4):
        stage.say(3, Checkpoint(number, WRONG, 3, 0))
    stage.advance(2000)
    stage.add(6)
    stage.advance(500)
    assert not [trace for traces in stage.traces for trace in traces if trace.event == "state-transfer"]
    assert {stage.core(number).log.low_watermark for number in stage.correct} == {8}
    assert len(stage.core(0).checkpoints.vouchers.signers) <= 4 * 4
    stage.assert_recovers()


def propose_shuffled(stage: Stage, digest_of: Callable[[bytes, bytes], bytes]) -> None:
    """The primary, a liar, gives 1 and 2 two requests in one order, 3 in the other; and helps both with its COMMIT."""
    stage.add()
    stage.stopped.add(0)
    frames = [stage.request((b"add 1",), stage._session, 2), stage.request((), 0, 1, client=1)]
    here = encode_batch(Batch(stage.wall, tuple(frames)))
    there = encode_batch(Batch(stage.wall, tuple(reversed(frames))))
    stage.asked += 1
    stage.submit(frames[0], 1, 2, 3)
    stage.submit(frames[1], 1, 2, 3)
    for receivers, data in (((1, 2), here), ((3,), there)):
        proposal = PrePrepare(0, 3, digest_of(here, data), 0)
        stage.say(0, proposal, *receivers, attachments=(data,))


@pytest.mark.parametrize("claims_one_digest", [False, True])
def test_scenario_16_a_shuffled_proposal(claims_one_digest: bool) -> None:
    """concord-bft's ShufflePrePrepare and MangledPreProcessResult: a primary that sends a batch in another order, or
    other contents, to some. The digest covers the order and every byte of the requests, so a shuffled batch is another
    proposal (at most one of the two prepares), or does not have the digest that it claims. There is no pre-execution
    here: what is executed is what was ordered."""
    stage = Stage(liars=(0,))
    propose_shuffled(stage, lambda here, data: open_batch(here if claims_one_digest else data).digest)
    phases = [stage.core(number).log.slots[3].phase for number in (1, 2)]
    assert max(phases) <= Phase.PREPARED
    if claims_one_digest:
        slot = stage.core(3).log.slots.get(3)
        assert slot is None or slot.digest is None
    stage.assert_recovers()


def test_scenario_16_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A digest that does not cover the order: both batches are one proposal, executed in two orders."""
    honest = log.batch_digest
    monkeypatch.setattr(log, "batch_digest", lambda time, digests: honest(time, sorted(digests)))
    monkeypatch.setattr("quorate.core.normal_case.batch_digest", log.batch_digest)
    stage = Stage(liars=(0,))
    propose_shuffled(stage, lambda here, data: open_batch(data).digest)
    assert {stage.core(number).log.slots[3].phase >= Phase.PREPARED for number in (1, 2, 3)} == {True}
    orders = {tuple(request.session for request in body_of(stage, number)) for number in (1, 2, 3)}
    assert len(orders) == 2


def body_of(stage: Stage, number: int) -> tuple[Message, ...]:
    """The requests that a replica would execute at 3."""
    digest = stage.core(number).log.slots[3].digest
    assert digest is not None
    batch = stage.core(number).log.batch(digest)
    assert batch is not None
    return batch.requests


@pytest.mark.parametrize("liar", [0, 3])
def test_scenario_16_b11_corrupt_checkpoints_of_one_liar(liar: int) -> None:
    """concord-bft's CorruptCheckpoint: one replica vouches for wrong digests, before the others vouch for right ones.
    Stability needs a quorum of equal votes, which the three others are; nobody thinks itself damaged for one liar."""
    stage = Stage(liars=(liar,))
    stage.open()
    stage.reaches = lambda sender, receiver, message: not (sender == liar and isinstance(message, Checkpoint))
    for number in (4, 8, 12):
        stage.say(liar, Checkpoint(number, WRONG, liar, 0))
        stage.add(4)
        assert {stage.core(other).log.low_watermark for other in stage.correct} == {number}
    events = {trace.event for other in stage.correct for trace in stage.traces[other]}
    assert "state-diverged" not in events
    stage.assert_recovers()
