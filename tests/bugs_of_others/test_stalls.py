"""Stalls that nobody could explain: pauses, partitions, view votes without end, races (scenarios 1 and 3
to 6; facts 7.4, N3)."""

from __future__ import annotations

from itertools import product

import pytest

from bugs_of_others.staging import CAUGHT, SECOND, SMALL, Stage, plan_of, play, play_judged, weaken
from quorate.config import Settings
from quorate.core import admission, normal_case, retransmission, state_transfer, view_change
from quorate.core.context import Status
from quorate.core.replica import Replica
from quorate.messages.protocol import Commit, Decided
from quorate.messages.protocol import Status as StatusMessage
from quorate.sim.network import two_way_cut
from quorate.sim.plan import ClientPlan, Crash, Cut, Pause, Plan
from quorate.sim.world import World
from quorate.storage.memory import MemoryJournal

MINUTE = 60 * SECOND
SLOW = Settings(checkpoint_interval=4, view_change_timeout_ms=5000, status_interval_ms=500)
Views = list[tuple[int, bool]]


def views_of(world: World) -> Views:
    """The view of each replica that runs, and whether it is in it."""
    reports = [node.report() for node in world.replicas]
    return [(report.view, report.status == "normal") for report in reports if report is not None]


def two_of_four_paused() -> tuple[Plan, list[tuple[int, Views]]]:
    """Two of four stand still for half an hour, while clients go on asking."""
    plan = plan_of(
        SLOW,
        faults=(Pause(SECOND // 10, 30 * MINUTE, 2), Pause(SECOND // 10, 30 * MINUTE, 3)),
        safety=40 * MINUTE,
    )
    return plan, []


def test_scenario_1_two_of_four_paused_for_half_an_hour() -> None:
    """indy-plenum #1488: a pool whose nodes were paused changed views for ever once they went on. Here those who wait
    send one VIEW-CHANGE and wait for a quorum; the pause over, one view is entered, and kept."""
    plan, seen = two_of_four_paused()
    times = (29 * MINUTE, 31 * MINUTE, 35 * MINUTE, 39 * MINUTE)
    world, outcome = play(plan, *((time, lambda w: seen.append((w.now, views_of(w)))) for time in times))
    before, *after = [views for _, views in seen]
    assert max(view for view, _ in before) <= 1
    assert after[0] == after[1] == after[2]
    assert len(set(after[0])) == 1
    assert after[0][0][1]
    assert outcome.views <= 3
    assert outcome.completed >= 80
    assert {node.incarnation for node in world.replicas} == {1}


def test_scenario_1_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer of the new view started by the own VIEW-CHANGE, without a quorum: the views run away."""
    weaken(monkeypatch, view_change.conclude, "elif wanted >= core.quorums.quorum and core", "elif core")
    plan, seen = two_of_four_paused()
    play_judged(plan, (29 * MINUTE, lambda w: seen.append((w.now, views_of(w)))))
    assert max(view for view, _ in seen[0][1]) > 10


def asleep(number: int) -> Stage:
    """A replica's process stops while its timer runs for a request, and goes on half an hour later, with all that was
    sent to it meanwhile: the request is long done."""
    stage = Stage()
    stage.add()
    stage.cut(Commit, only_to=(number,))
    stage.add()
    assert stage.core(number).timers.timed is not None
    stage.mend()
    slot = stage.core(number).log.slots[stage.core(number).last_executed + 1]
    assert slot.digest is not None
    stage.now += 30 * MINUTE
    replica = stage.replicas[number]
    for peer in range(4):
        if peer != number:
            commit = Commit(0, slot.sequence_number, slot.digest, peer)
            frame = stage.authenticators[peer].seal(commit)
            replica.receive(stage.authenticators[number].open(frame), stage.now, stage.wall)
    stage.settle(number)
    return stage


@pytest.mark.parametrize("number", [0, 2])
def test_scenario_1_who_slept_blames_nobody_for_it(number: int) -> None:
    """As above, for one of four: when it wakes, its timer has expired, and what it waited for is in its inbox. It takes
    that in before it judges the primary; else it would leave the view alone, and not vote until the others left too."""
    stage = asleep(number)
    assert stage.core(number).status is Status.NORMAL
    assert stage.is_level()


def test_scenario_1_who_slept_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timer is looked at first."""
    first = "view_change.start(core, core.view + 1, 'asleep') if timers.expired(core) else None"
    weaken(monkeypatch, Replica.settle, "reconsider_parked(core)", f"{first}; reconsider_parked(core)")
    assert asleep(2).core(2).status is Status.VIEW_CHANGE


def flooded(views: int) -> Stage:
    """A liar says VIEW-CHANGE for view after view, and for the last one that there is."""
    stage = Stage(liars=(3,))
    stage.add()
    for view in [*range(1, views), 2**62]:
        stage.say(3, stage.blank(3, view))
    return stage


def test_scenario_3_votes_for_views_are_bounded_and_the_view_does_not_run_away() -> None:
    """indy-plenum #1542: nodes held votes for the views 8,044 to 10,931, seven megabytes of them, and persisted them.
    Here each sender's newest VIEW-CHANGE is kept, in memory, and one liar moves nobody; nothing of it is on disk."""
    stage = flooded(1000)
    for number in stage.correct:
        assert len(stage.core(number).views.view_changes) == 1
        journal = MemoryJournal(stage.records[number])
        assert len(journal.records()) <= 4 * 2
    assert stage.views() == [0, 0, 0]
    stage.advance(3000)
    stage.assert_recovers()
    assert stage.views() == [0, 0, 0]


def test_scenario_3_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """One voice is enough to leave a view: the view is where the liar wants it."""
    weaken(monkeypatch, view_change.join, "len(wanted) >= core.quorums.weak", "wanted")
    assert max(flooded(20).views()) > 10**6


def test_scenario_3_an_hour_alone_costs_one_view() -> None:
    """As above, from the other side: a replica that nobody hears does not count views up while it waits, so it never
    gets far from the others; its journal holds one view."""
    stage = Stage()
    stage.open()
    stage.cut(only_to=(2,))
    stage.submit(stage.request((), 0, 2), 2)
    for _ in range(3600):
        stage.now += SECOND
        stage.settle(2)
        stage.wire.clear()
    assert stage.core(2).view == 1
    assert len(MemoryJournal(stage.records[2]).records()) <= 5


def disconnected(*faults: Crash) -> Plan:
    """Replica 2 hears nobody and is heard by nobody, clients included, for 30 s of load."""
    others = [0, 1, 3, 4, 5]
    return plan_of(
        SMALL,
        clients=(ClientPlan(requests=600, think=200_000), ClientPlan(requests=600, think=200_000)),
        faults=(Cut(SECOND, 31 * SECOND, "30 s", two_way_cut([2], others)), *faults),
        safety=45 * SECOND,
        liveness=10 * SECOND,
    )


def test_scenario_4_thirty_seconds_without_a_link() -> None:
    """indy-node #1700: a node that was disconnected for half a minute never took part again until it was restarted.
    Here it fetches what it missed, without a restart; and it votes: with the primary dead its vote is needed."""
    executed: list[list[int]] = []

    def look(world: World) -> None:
        executed.append([report.last_executed for node in world.replicas if (report := node.report()) is not None])

    world, outcome = play(
        disconnected(Crash(35 * SECOND, 44 * SECOND, 0)), (30 * SECOND, look), (34 * SECOND, look), (43 * SECOND, look)
    )
    lagging, caught_up, led_by_another = executed
    assert lagging[2] < min(lagging[0], lagging[1], lagging[3]) - SMALL.window
    assert max(caught_up) - min(caught_up) <= 2
    assert min(led_by_another) > max(caught_up)
    assert world.replicas[2].incarnation == 1
    assert outcome.views >= 1


def test_scenario_4_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """It never fetches a checkpoint: the replica stays where it was."""
    weaken(monkeypatch, state_transfer.is_needed, "return", "return False and")
    _, outcome = play_judged(disconnected())
    assert [verdict.rule for verdict in outcome.verdicts] == ["liveness"]


@pytest.mark.parametrize("first", ["decision", "abort"])
def test_scenario_5_decision_and_abort_in_the_same_instant(first: str) -> None:
    """SmartBFT #622, seen on a bench: the decision and the abort of the view came at once, each waited for the other,
    and the node hung. Here, for every subset of the replicas whose timer expires in the turn that brings the last
    COMMITs, whichever of the two is looked at first, the request is executed once by all, and the group goes on."""
    for aborting in product((False, True), repeat=4):
        stage = Stage()
        stage.open()
        stage.cut(Commit, Decided, StatusMessage)
        stage.add()
        slot = stage.core(0).log.slots[2]
        assert slot.digest is not None
        deadline = stage.core(0).timers.started + stage.core(0).timers.timeout
        for number, replica in enumerate(stage.replicas):
            opened = [
                stage.authenticators[number].open(stage.authenticators[peer].seal(Commit(0, 2, slot.digest, peer)))
                for peer in range(4)
                if peer != number
            ]
            now = deadline if aborting[number] else deadline - 1
            if aborting[number] and first == "abort":
                stage.perform(number, replica.settle(now, stage.wall))
            for commit in opened:
                replica.receive(commit, now, stage.wall)
            stage.perform(number, replica.settle(now, stage.wall))
            has_left = aborting[number] and first == "abort"
            assert replica.core.status is (Status.VIEW_CHANGE if has_left else Status.NORMAL)
            assert replica.core.last_executed == (1 if has_left else 2)
        stage.now = deadline
        stage.run()
        stage.add()
        settle_or_stay(stage)


def settle_or_stay(stage: Stage) -> None:
    """All execute everything. One replica alone in a view change waits there for the others' next one; two are
    joined."""
    stage.mend()
    for _ in range(200):
        stage.advance(50)
        if stage.totals() == [stage.asked] * 4:
            break
    assert stage.totals() == [stage.asked] * 4
    ready = [number for number in range(4) if stage.core(number).status is Status.NORMAL]
    assert len(ready) >= 3
    assert len({stage.core(number).view for number in ready}) == 1


def test_scenario_5_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that left the view still counts the COMMITs of it, and concludes from them, as if it were in it."""
    weaken(monkeypatch, admission.accept_vote, "if message.view != core.view or core", "if False and core")
    weaken(monkeypatch, normal_case.advance, "if core.status is not Status.NORMAL:", "if False:")
    with pytest.raises((*CAUGHT, AssertionError)):
        test_scenario_5_decision_and_abort_in_the_same_instant("abort")


@pytest.mark.parametrize("requests", [2, 30], ids=["recent log", "log cut"])
def test_scenario_6_the_old_primary_learns_the_new_view_without_traffic(requests: int) -> None:
    """SmartBFT #337, #350: after a partition without traffic the old leader went on believing that it led, and a state
    transfer without recent decisions left it ignorant of the new view. Here it learns view and state from STATUS alone:
    with the decisions still in the others' logs, and when those are cut and it has to fetch a checkpoint."""
    stage = Stage()
    stage.open()
    stage.reaches = lambda sender, receiver, message: 0 not in (sender, receiver)
    stage.stopped.add(0)
    stage.add(1, 1, 2, 3)
    stage.advance(1500)
    stage.add(requests - 1, 1, 2, 3)
    stage.advance(500)
    assert stage.views() == [0, 1, 1, 1]
    assert (stage.core(1).log.low_watermark > SMALL.window) == (requests > 10)
    stage.stopped.clear()
    assert stage.core(0).is_primary
    stage.mend()
    stage.advance(5000)
    assert stage.views() == [1] * 4
    assert stage.is_level()
    fetched = [trace for trace in stage.traces[0] if trace.event == "state-fetched"]
    assert bool(fetched) == (requests > 10)


def test_scenario_6_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that lacks nothing says nothing: then nobody learns that it lags."""
    weaken(monkeypatch, retransmission.settle, "if is_stuck or core.now >= core.timers.status_forced:", "if is_stuck:")
    with pytest.raises(AssertionError):
        test_scenario_6_the_old_primary_learns_the_new_view_without_traffic(2)


def star() -> Stage:
    """Only the primary has links to all; the three others have none to each other, for 20 s in which a view ends."""
    stage = Stage()
    stage.open()
    stage.reaches = lambda sender, receiver, message: 0 in (sender, receiver)
    stage.add()
    stage.advance(20_000)
    return stage


def test_n3_a_star_heals_without_an_operator() -> None:
    """Fabric #1917 and #1927: with links to the primary alone VIEW-CHANGEs were lost; afterwards three replicas sat
    below 2f + 1 of them with no timer running, for ever. Here they are repeated until a NEW-VIEW comes (and any peer
    passes on what others said)."""
    stage = star()
    stage.assert_recovers()
    stage.add(3)
    stage.assert_recovers()


def test_n3_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """VIEW-CHANGEs are sent once."""
    weaken(monkeypatch, retransmission.help_with_views, "if not is_behind:", "if True:")
    stage = star()
    with pytest.raises(AssertionError):
        stage.assert_recovers(120_000)
