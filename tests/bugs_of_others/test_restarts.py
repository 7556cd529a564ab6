"""Processes that die at the worst moment (scenarios 9 to 12; facts 7.4, N5). The records that a replica
persisted stand for its disk: files and their compaction come with durable storage."""

from __future__ import annotations

from collections.abc import Callable, Collection

import pytest

from bugs_of_others.staging import CAUGHT, Stage, weaken
from core.group import KeptCounter, total_of
from quorate.config import Settings
from quorate.core import checkpoints, execution, restart
from quorate.core.effects import Effect, SendReply
from quorate.core.ports import Context
from quorate.core.replica import Replica
from quorate.errors import InvariantViolation
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import Checkpoint, Commit, Decided
from quorate.messages.protocol import Status as StatusMessage
from quorate.storage.memory import MemoryJournal

EVERY_ONE = Settings(checkpoint_interval=1)


class FragileStage(Stage):
    """A stage on which one replica dies after a number of its effects."""

    victim = -1
    effects_left = 0

    def perform(self, sender: int, effects: list[Effect]) -> None:
        """Do what a replica wants done, as far as it gets."""
        if sender == self.victim and sender not in self.stopped:
            if self.effects_left < len(effects):
                effects = effects[: self.effects_left]
                self.stopped.add(sender)
            self.effects_left -= len(effects)
        super().perform(sender, effects)

    def kill(self, victim: int, after_effects: int) -> None:
        """Let a replica die after so many more effects."""
        self.victim, self.effects_left = victim, after_effects


def die_in_the_middle_of_a_batch(number: int, executed_before: int) -> tuple[Stage, Callable[[bytes, Context], bytes]]:
    """A replica's service has applied the first of a request's two operations when its process dies."""
    stage = Stage()
    stage.add(executed_before)
    service = stage.services[number]
    execute = service.execute
    calls: list[bytes] = []

    def die(operation: bytes, context: Context) -> bytes:
        calls.append(operation)
        if len(calls) == 2:
            raise MemoryError("the process dies")
        return execute(operation, context)

    service.execute = die  # type: ignore[method-assign]
    stage.asked += 1
    frame = stage.request((b"add 1", b"add 0"), stage._session, stage.asked)
    with pytest.raises(MemoryError):
        stage.submit(frame, *range(4))
    stage.stopped.add(number)
    stage.run()
    stage.submit(frame)
    return stage, execute


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("executed_before", [1, 4])
def test_scenario_9_the_service_dies_in_the_middle_of_an_execution(number: int, executed_before: int) -> None:
    """Tendermint #3388, #243, #350: application and engine are two processes, and when the application dies alone the
    two disagree about what was executed. Here they are one process: it comes back from its last checkpoint and its
    records, half of the batch is not there twice, and the others did not wait."""
    stage, _ = die_in_the_middle_of_a_batch(number, executed_before)
    stage.advance(3000)
    others = [other for other in range(4) if other != number]
    assert [total_of(stage.services[other]) for other in others] == [stage.asked] * 3
    stage.restart(number)
    stage.add()
    stage.assert_recovers()


def test_scenario_9_would_be_caught() -> None:
    """An application that outlived its engine: the first operation of the batch is in it already."""
    stage, execute = die_in_the_middle_of_a_batch(2, 1)
    service = stage.services[2]
    service.execute = execute  # type: ignore[method-assign]
    stage.referee.see_start(2)
    records = MemoryJournal(stage.records[2]).records()
    stage.replicas[2] = Replica(2, stage.configuration, service, stage.authenticators[2], records)
    stage.stopped.discard(2)
    stage.settle(2)
    stage.advance(1000)
    with pytest.raises(CAUGHT):
        stage.add(4)


@pytest.mark.parametrize("victim", [0, 2])
def test_scenario_10_a_crash_at_any_point_of_a_checkpoint(victim: int) -> None:
    """etcd #14685, #17780: a crash during compaction or defragmentation left revisions that did not agree. A replica is
    killed after each effect around a checkpoint in turn (the state, the vote, stability, the cut of the log), and
    starts again from what it had persisted: equal digests, nothing twice, everything there."""
    deaths = 0
    for effects in range(40):
        stage = FragileStage(4, EVERY_ONE)
        stage.add(2)
        stage.kill(victim, effects)
        stage.add()
        deaths += victim in stage.stopped
        stage.restart(victim)
        stage.victim = -1
        stage.retry()
        stage.advance(3000)
        stage.add()
        stage.assert_recovers()
    assert 10 <= deaths < 40


def test_scenario_10_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is cut at a checkpoint whose tables are not on disk."""
    weaken(monkeypatch, checkpoints.vouch, "core.persist(CheckpointRecord(", "print(end='') or (lambda *_: None)((")
    with pytest.raises(InvariantViolation):
        test_scenario_10_a_crash_at_any_point_of_a_checkpoint(2)


def acknowledged(stage: Stage) -> set[int]:
    """The requests that some client may believe: f + 1 replicas answered."""
    answers: dict[int, set[int]] = {}
    for replica, reply in stage.replies:
        if reply.session:
            answers.setdefault(reply.timestamp, set()).add(replica)
    return {timestamp for timestamp, replicas in answers.items() if len(replicas) >= stage.core(0).quorums.weak}


def crash_all(stage: FragileStage, victim: int, effects: int) -> None:
    """One replica dies after so many effects, the others die right after it; all start from what they persisted. What
    was acknowledged is there, before anybody asks again."""
    stage.open()
    stage.kill(victim, effects)
    stage.add(3)
    believed = acknowledged(stage)
    for number in range(len(stage.replicas)):
        stage.restart(number)
    stage.victim = -1
    stage.wire.clear()
    stage.advance(5000)
    assert min(total_of(service) for service in stage.services) >= max(believed, default=0), (effects, believed)
    for timestamp in range(1, 4):
        stage.submit(stage.request((b"add 1",), stage._session, timestamp))
    stage.assert_recovers()


def crash_all_everywhere(kind: type[FragileStage], replica_count: int, most: int) -> None:
    """At each of the first effects in turn."""
    for effects in range(most):
        crash_all(kind(replica_count), 0, effects)


@pytest.mark.parametrize(("replica_count", "most"), [(1, 40), (4, 60)])
def test_scenario_11_no_acknowledgement_before_it_is_on_disk(replica_count: int, most: int) -> None:
    """etcd #14370: a cluster of one acknowledged writes before they were synced, and lost them in a crash. For a group
    of one and of four: whenever the power goes, what a client was told is there afterwards; and asked again, it is not
    executed again. (What `persisted` means on a disk comes with durable storage.)"""
    crash_all_everywhere(FragileStage, replica_count, most)


class HastyStage(FragileStage):
    """A driver that answers clients before it writes."""

    def perform(self, sender: int, effects: list[Effect]) -> None:
        """Replies first."""
        super().perform(sender, sorted(effects, key=lambda effect: not isinstance(effect, SendReply)))


def test_scenario_11_would_be_caught() -> None:
    """Replies that leave before the records of the same turn are written."""
    with pytest.raises(AssertionError):
        crash_all_everywhere(HastyStage, 1, 40)


class SlowlyHashed(KeptCounter):
    """A counter whose checkpoints take a while to hash."""

    def __init__(self, kept: dict[int, int]) -> None:
        super().__init__(kept)
        self.looks: dict[int, int] = {}

    def checkpoint(self, sequence_number: int) -> bytes | None:  # type: ignore[override]
        """Freeze only."""
        super().checkpoint(sequence_number)
        self.looks[sequence_number] = 0
        return None

    def digest(self, sequence_number: int) -> bytes | None:
        """Known at the third look."""
        self.looks[sequence_number] += 1
        return super().digest(sequence_number) if self.looks[sequence_number] >= 3 else None

    def install(self, sequence_number: int, leaves: object) -> None:
        """A fetched state is hashed."""
        super().install(sequence_number, leaves)  # type: ignore[arg-type]
        self.looks[sequence_number] = 3


def test_scenario_12_checkpoints_in_quick_succession(monkeypatch: pytest.MonkeyPatch) -> None:
    """etcd #18055: two snapshots in quick succession, and the second one was made of the first one's state. Here
    several checkpoints fall due in one turn, each while the hashing of the one before is under way: every digest is
    that of its own number at every replica (the referee compares them), and all become stable."""
    monkeypatch.setattr("core.group.KeptCounter", SlowlyHashed)
    stage = Stage(4, Settings(checkpoint_interval=1, batches_in_flight=2))
    stage.open()
    stage.advance(100)
    for _ in range(10):
        stage.cut(Commit, Decided, StatusMessage)
        stage.asked += 1
        stage.submit(stage.request((b"add 1",), stage._session, stage.asked))
        opened = stage.request((), 0, 100 + stage.asked, client=1)
        stage.submit(opened)
        stage.mend()
        before = stage.core(3).last_executed
        for peer in range(4):
            for number in (before + 1, before + 2):
                slot = stage.core(peer).log.slots[number]
                for receiver in range(4):
                    if receiver != peer and slot.digest is not None:
                        frame = stage.authenticators[peer].seal(Commit(0, number, slot.digest, peer))
                        stage.replicas[receiver].receive(
                            stage.authenticators[receiver].open(frame), stage.now, stage.wall
                        )
        for number in range(4):
            stage.settle(number)
        stage.run()
        stage.advance(50)
        assert stage.core(3).last_executed == before + 2
    stage.assert_recovers()
    assert {stage.core(number).log.low_watermark for number in range(4)} == {21}
    for traces in stage.traces:
        taken = [trace.details["sequence_number"] for trace in traces if trace.event == "checkpoint"]
        assert taken == list(range(1, 22))


def test_scenario_12_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint that falls due takes the place of the one that is being hashed."""
    weaken(monkeypatch, execution.execute_ready, "checkpoints.has_to_wait(core, sequence_number)", "False")
    weaken(monkeypatch, checkpoints.take, "core.checkpoints.hashing is None", "True")
    with pytest.raises((*CAUGHT, AssertionError)):
        test_scenario_12_checkpoints_in_quick_succession(monkeypatch)


def test_scenario_12_a_checkpoint_that_is_overtaken_while_it_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    """As above, for who receives them: while a laggard fetches one checkpoint, the others take newer ones and forget it
    several times over. It ends at a state that is some checkpoint's, whole, not a mixture of two."""
    stage = Stage(4, EVERY_ONE)
    stage.add()
    stage.stopped.add(2)
    stage.add(10, 0)
    stage.advance(200)
    stage.stopped.clear()
    for _ in range(60):
        stage.add(1, 0)
        stage.advance(20)
    stage.assert_recovers()
    fetched = [trace for trace in stage.traces[2] if trace.event == "state-fetched"]
    assert fetched


def commit_nulls(settings: Settings) -> Stage:
    """A request is proposed at 5, with a gap below it; the next view fills 2 to 4 with null requests."""
    stage = Stage(4, settings)
    stage.open()
    stage.core(0).next_sequence_number = 5
    stage.cut(Commit, Decided)
    stage.add(1, 0)
    stage.stopped.add(0)
    stage.mend()
    stage.cut(Checkpoint)
    stage.advance(2500)
    assert [stage.core(1).log.decided_digest(number) for number in (2, 3, 4)] == [NULL_DIGEST] * 3
    assert stage.executed()[1:] == [5, 5, 5]
    return stage


@pytest.mark.parametrize("restarted", [(1,), (1, 2), (1, 2, 3), (0, 1, 2, 3)])
def test_n5_restarts_after_null_requests(restarted: Collection[int]) -> None:
    """Fabric #1731: the sequence number of a null request was not persisted, so a restarted replica fell back below it
    and could not go on. Here any number of replicas restart from their records: what they executed, null requests
    included, they have executed; no number is given twice; and the service goes on."""
    stage = commit_nulls(Settings(checkpoint_interval=8))
    for number in restarted:
        stage.restart(number)
        stage.settle(number)
    assert all(stage.core(number).last_executed == 5 for number in restarted if number)
    stage.add(3)
    stage.assert_recovers()
    executed = [trace.details["sequence_number"] for trace in stage.traces[3] if trace.event == "executed"]
    assert max(executed) >= 8
    assert not stage.waiting(1)


def test_n5_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fabric's rule: nothing is kept of what executes nothing."""
    weaken(
        monkeypatch,
        restart.restore_log,
        "log.slot(record.sequence_number).decided = record.digest",
        "log.slot(record.sequence_number).decided = record.digest if record.digest[:4] != NULL[:4] else None",
    )
    monkeypatch.setattr(restart, "NULL", NULL_DIGEST, raising=False)
    with pytest.raises(AssertionError):
        test_n5_restarts_after_null_requests((1,))
