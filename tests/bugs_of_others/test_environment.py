"""The environment rows of the catalogue (facts 7.4): N1, N2, N4, N6, N7 and N8. N3 is in `test_stalls`, N5 in
`test_restarts`; N9 is about performance, and measured by the benchmarks."""

from __future__ import annotations

import pytest

from bugs_of_others.staging import CAUGHT, SECOND, SMALL, Broken, Stage, plan_of, play, weaken
from quorate.config import Settings
from quorate.core import view_change
from quorate.core.context import Status
from quorate.core.log import open_batch
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import Batch, Commit, Decided, Prepare, PrePrepare, StatePieces
from quorate.messages.protocol import Status as StatusMessage
from quorate.messages.records import PrePreparedRecord
from quorate.sim.network import two_way_cut
from quorate.sim.plan import ClientPlan, Cut, NetworkPlan
from quorate.sim.world import World
from quorate.storage.memory import MemoryJournal


@pytest.mark.parametrize("replicas", [4, 7])
def test_n1_loss_duplication_reordering_and_long_delays(replicas: int) -> None:
    """N1: a fifth of the messages is lost, a fifth comes twice, up to a second later, a fifth is late by as much.
    Always safe; and when the network is well again every request is answered."""
    network = NetworkPlan(
        spread=5000,
        loss=0.2,
        duplication=0.2,
        duplicate_delay=SECOND,
        straggler_share=0.2,
        straggler_delay=SECOND,
    )
    world, outcome = play(plan_of(SMALL, replicas=replicas, network=network, safety=5 * SECOND))
    assert world.network.lost > 300
    assert world.network.duplicated > 300
    assert outcome.completed >= 10


def executed_by(world: World) -> list[int]:
    """What each replica executed last."""
    return [report.last_executed for node in world.replicas if (report := node.report()) is not None]


@pytest.mark.parametrize(("replicas", "here"), [(4, [0, 1]), (4, [2, 3]), (7, [0, 1, 2, 3]), (7, [0, 1])])
def test_n2_a_partition_without_a_quorum(replicas: int, here: list[int]) -> None:
    """N2: while no side has a quorum nothing commits anywhere; healed, everything goes on without an operator. (A side
    of five of seven is a quorum, and goes on alone.)"""
    there = [replica for replica in range(replicas) if replica not in here]
    seen: list[list[int]] = []
    _, outcome = play(
        plan_of(
            SMALL,
            replicas=replicas,
            clients=(ClientPlan(requests=150, think=80_000),) * 2,
            faults=(Cut(SECOND, 21 * SECOND, "no quorum", two_way_cut(here, there)),),
            safety=25 * SECOND,
        ),
        (SECOND + SECOND // 10, lambda world: seen.append(executed_by(world))),
        (21 * SECOND - 1, lambda world: seen.append(executed_by(world))),
    )
    before, after = seen
    is_quorum = max(len(here), len(there)) >= {4: 3, 7: 5}[replicas]
    assert (max(after) > max(before)) == is_quorum
    assert outcome.executed > max(after)
    assert outcome.completed >= 200


@pytest.mark.parametrize("replicas", [4, 7, 10])
def test_n4_f_replicas_and_the_primary_among_them_are_cut_off(replicas: int) -> None:
    """N4: the primary and f - 1 backups hear nobody for a while. The others change view and go on; those who were cut
    off come back to a later state, which they fetch, and to a later view, whichever they had moved to themselves. (That
    took six seconds, because they first waited for the checkpoint that the NEW-VIEW names, which nobody held any
    more.)"""
    cut_off = list(range((replicas - 1) // 3))
    others = list(range(len(cut_off), replicas + 2))
    seen: list[list[int]] = []
    _, outcome = play(
        plan_of(
            SMALL,
            replicas=replicas,
            clients=(ClientPlan(requests=150, think=40_000),) * 2,
            faults=(Cut(SECOND, 6 * SECOND, "f and the primary", two_way_cut(cut_off, others)),),
            safety=10 * SECOND,
        ),
        (6 * SECOND - 1, lambda world: seen.append(executed_by(world))),
        (9 * SECOND, lambda world: seen.append(executed_by(world))),
    )
    apart, together = seen
    assert max(apart[: len(cut_off)]) + SMALL.window < min(apart[len(cut_off) :])
    assert max(together) - min(together) <= SMALL.checkpoint_interval
    assert outcome.views >= 1


def new_primary_behind() -> Stage:
    """Of seven, replica 1 slept; it is the primary of the next view, and lacks the checkpoint that this begins at."""
    stage = Stage(7)
    stage.add()
    stage.stopped.add(1)
    stage.add(14, 0)
    assert stage.core(2).log.low_watermark >= 12
    stage.stopped = {0}
    stage.correct.remove(0)
    stage.cut(StatePieces, StatusMessage, Decided, only_to=(1,))
    stage.add(1, 1, 2, 3, 4, 5, 6)
    return stage


@pytest.mark.parametrize("can_fetch", [False, True])
def test_n6_the_new_primary_lacks_the_checkpoint(can_fetch: bool) -> None:
    """Fabric #1111, concord-bft #1177: view change and state transfer waited for each other. When the replica whose
    turn it is has to fetch the checkpoint first, it either has it in time or the next one leads; who is fetching stays
    out of nobody's way, and enters whatever view there is once the state is here."""
    stage = new_primary_behind()
    if can_fetch:
        stage.mend()
    stage.advance(8000)
    assert stage.executed()[1:] == [17] * 5
    stage.assert_recovers()
    stage.add(3)
    stage.assert_recovers()


def test_n6_a_new_view_comes_while_a_checkpoint_is_fetched() -> None:
    """concord-bft #1177: a NEW-VIEW that was complete while the state was being fetched was never looked at again when
    the fetch ended. Two views pass while a laggard's fetch hangs; then it ends, and the laggard is in the second."""
    stage = Stage()
    stage.add()
    stage.stopped.add(3)
    stage.add(30, 0)
    stage.stopped.clear()
    stage.cut(StatePieces, only_to=(3,))
    stage.advance(1500)
    assert stage.core(3).transfer is not None
    for view in (1, 2):
        for number in (0, 1, 2):
            view_change.start(stage.core(number), view, "the test says so")
            stage.settle(number)
        stage.run()
        stage.advance(200)
        assert stage.views()[:3] == [view] * 3
    assert stage.core(3).transfer is not None
    stage.assert_recovers()
    assert stage.views() == [2] * 4
    stage.add(2)
    stage.assert_recovers()


def force_view_changes(times: int) -> Stage:
    """K = 2: at every checkpoint, with requests under way, everybody leaves the view, a different one first each
    time. The client signs, as one does whose requests had to be sent again."""
    stage = Stage(4, Settings(checkpoint_interval=2, request_authentication="mac"))
    stage.open()
    for round_ in range(times):
        for last in (False, True):
            stage.asked += 1
            frame = stage.request((b"add 1",), stage._session, stage.asked, is_signed=True)
            for number in range(4):
                stage.receive(number, frame)
            if last:
                for _ in range(round_ % 17):
                    if stage.wire:
                        _, receiver, sent = stage.wire.popleft()
                        stage.receive(receiver, sent)
                leave_view(stage, first=round_ % 4)
            stage.run()
        if not stage.is_level():
            stage.advance(500)
        assert stage.is_level(), round_
    return stage


def leave_view(stage: Stage, first: int) -> None:
    """All leave the view that they are in; what is on the wire arrives after that."""
    view = max(stage.views()) + 1
    for at in range(4):
        number = (first + at) % 4
        if stage.core(number).view < view:
            view_change.start(stage.core(number), view, "a checkpoint")
            stage.settle(number)


def test_n7_a_thousand_forced_view_changes_under_load() -> None:
    """Fabric #1877 ("busywork"): a view change at every checkpoint, for hours, ended in replicas that did not agree on
    the view any more. Here more than a thousand, one a checkpoint, each at another point of a request's way: everything
    is executed once, tables and journals do not grow, timers are what they were."""
    stage = force_view_changes(1001)
    assert min(stage.views()) >= 1001
    assert stage.totals() == [2002] * 4
    for number in range(4):
        core = stage.core(number)
        assert len(core.log.slots) <= core.log.window
        assert len(core.log.batches) <= 2 * core.log.window
        assert len(core.views.view_changes) <= 4
        assert core.timers.timeout <= core.timers.limit
        assert core.incidents == {}
    stage.advance(5000)
    stage.add(40)
    stage.assert_recovers()
    stage.advance(20_000)
    stage.add()
    assert stage.is_level()


def test_n7_the_journal_does_not_grow() -> None:
    """As above, for what is on disk: what fifty and what ten view changes leave is about as much."""
    sizes = []
    for times in (10, 50):
        stage = force_view_changes(times)
        records = [record for number in range(4) for record in MemoryJournal(stage.records[number]).records()]
        sizes.append(len(records))
        assert sum(isinstance(record, PrePreparedRecord) for record in records) <= 4 * 4 * 4
    assert sizes[1] <= sizes[0] + 16


def test_n7_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice is not pre-prepared: what was under way at a view change is ordered anew and may have executed."""
    weaken(monkeypatch, view_change.enter, "choose(core, choice, proposals)", "None")
    with pytest.raises((*CAUGHT, AssertionError)):
        force_view_changes(50)


def test_n8_f_plus_1_colluders_do_break_safety() -> None:
    """N8, the sanity of the stage: two liars of four, who tell one correct replica one thing and the other another,
    make them decide differently; and the referee sees it. With f liars the same script decides nothing wrong."""
    with pytest.raises(Broken, match=r"uniqueness|agreement"):
        collude((0, 3))
    collude((0,))


def collude(liars: tuple[int, ...]) -> None:
    """Two batches for number 1, one for replica 1, one for 2, each with the liars' votes for it."""
    stage = Stage(liars=liars)
    stage.stopped |= set(liars)
    stage.cut()
    for receiver, time in ((1, stage.wall), (2, stage.wall + 1)):
        data = encode_batch(Batch(time, ()))
        digest = open_batch(data).digest
        stage.say(0, PrePrepare(0, 1, digest, 0), receiver, attachments=(data,))
        for liar in liars:
            if liar:
                stage.say(liar, Prepare(0, 1, digest, liar), receiver)
        for liar in liars:
            stage.say(liar, Commit(0, 1, digest, liar), receiver)
    assert {stage.core(number).status for number in stage.correct} == {Status.NORMAL}
