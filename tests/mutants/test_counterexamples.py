"""Cases that seeds draw too rarely, played by hand: the weakened rule is wrong there, the real one is not. And of rules
that another one covers, that it does."""

from __future__ import annotations

from itertools import chain, combinations, product
from math import inf

import pytest
from msgspec.structs import replace

from bugs_of_others.staging import Stage
from bugs_of_others.test_environment import new_primary_behind
from core.group import Group, key_pair
from mutants.catalogue import named
from mutants.mutation import mutated
from paper.test_epochs import recover, recovery_of
from paper.test_epochs import view_change as knowing_nothing
from paper.test_recovery import await_recovery, in_view_1, lose_votes
from paper.test_session_keys import SOMETIMES, opens, started
from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.auth.keys import Half
from quorate.config import Settings
from quorate.core.new_view import Choice, Undecided, compute_new_view
from quorate.core.quorum import quorums_of
from quorate.core.recoveries import Recoveries, recovery_point
from quorate.errors import InvariantViolation
from quorate.messages.protocol import (
    Checkpoint,
    CheckpointClaim,
    Commit,
    Decided,
    NewKey,
    NewView,
    Prepare,
    PreparedClaim,
    PrePreparedClaim,
    StatePieces,
    Status,
    ViewChange,
)
from quorate.sim.plan import ClientPlan
from quorate.sim.small_worlds.bounds import Bounds
from quorate.sim.small_worlds.search import Limits, World, search
from quorate.sim.world import World as SimulatedWorld
from sim.test_limits import BIG_MAC

X, Y, START, LATER = b"x" * 32, b"y" * 32, b"0" * 32, b"1" * 32
RECOVERING = Settings(checkpoint_interval=4, recovery_pause_ms=60_000)
FORGOTTEN = (CheckpointClaim(8, LATER),)


def view_change(replica: int, low: int, *, knows_x: bool = False) -> ViewChange:
    """A VIEW-CHANGE for view 1 of a replica whose stable checkpoint is *low*."""
    claims = ((1, X, 0),) if knows_x else ()
    return ViewChange(
        1,
        low,
        (CheckpointClaim(low, LATER if low else START),),
        tuple(PreparedClaim(*claim) for claim in claims),
        tuple(PrePreparedClaim(*claim) for claim in claims),
        replica,
        0,
    )


def test_null_needs_a_quorum_that_remembers_the_number() -> None:
    """Facts 2.6, 2: seven replicas, x is committed at 1. A has it stable already, B has prepared it, C1 and C2 saw
    nothing, the traitors D1 and D2 claim nothing, E is not heard yet. Only the guard h < n saves x."""
    heard = [view_change(0, 1), view_change(1, 0, knows_x=True), *(view_change(replica, 0) for replica in range(2, 6))]
    assert isinstance(compute_new_view(heard, quorums_of(7), 2), Undecided)
    with mutated(named("null though some forgot")):
        lost = compute_new_view(heard, quorums_of(7), 2)
    assert lost == Choice(CheckpointClaim(0, START), ()), "null at 1, at the end and therefore left out"


def advance_to(stage: Stage, view: int) -> None:
    """Let time pass until all correct replicas are on their way to a view, or in it."""
    while min(stage.views()) < view:
        stage.advance(10)


# Q has to outlive the view


def prepared_alone() -> Stage:
    """Replica 0 alone prepares a request in view 0. View 1 begins without hearing it; then replica 3 is heard no more,
    so view 2 needs what replica 0 claims, and a witness in Q of somebody else."""
    stage = Stage(liars=(3,))
    stage.open()
    stage.reaches = lambda sender, receiver, message: (
        not isinstance(message, Commit) and (receiver == 0 or not isinstance(message, Prepare))
    )
    stage.add()
    assert [sorted(stage.core(number).log.prepared_claims) for number in range(3)] == [[1, 2], [1], [1]]
    stage.reaches = lambda sender, receiver, message: (
        sender != 0 and (receiver != 0 or isinstance(message, NewView)) and isinstance(message, ViewChange | NewView)
    )
    advance_to(stage, 1)
    stage.stopped.add(3)
    stage.reaches = lambda sender, receiver, message: isinstance(message, ViewChange | NewView)
    advance_to(stage, 2)
    return stage


def test_a_witness_is_needed_in_later_views_too() -> None:
    """What view 1 did not choose stays in Q: without it nobody vouches for what one replica prepared, and with f silent
    replicas no later view is determined."""
    prepared_alone().assert_recovers()
    with mutated(named("Q is dropped")), pytest.raises(AssertionError):
        prepared_alone().assert_recovers()


# One impossible VIEW-CHANGE


def recovers_among_lies() -> bool:
    """All prepared a request, nobody committed it. As a view change begins, replica 3 is the first that is heard: it
    says that it has forgotten the number, and that it prepared another digest there. Whether the others get on in one
    of eight views."""
    stage = Stage(liars=(3,))
    stage.open()
    stage.cut(Commit, ViewChange)
    stage.add()
    stage.stopped.add(3)
    for view in range(1, 9):
        advance_to(stage, view)
        stage.say(
            3, stage.blank(3, view, low_watermark=8, checkpoints=FORGOTTEN, prepared=(PreparedClaim(2, Y, view),))
        )
        stage.mend()
        stage.advance(500)
        if stage.is_level():
            return True
        stage.cut(Commit, ViewChange)
    return False


def test_an_impossible_view_change_would_stop_every_view() -> None:
    """It counts among those that forgot and among those that contradict; so one liar takes away two of four."""
    assert recovers_among_lies()
    with mutated(named("VIEW-CHANGEs with any contents")):
        assert not recovers_among_lies()


# Votes that were lost


def gets_on_in_its_view() -> bool:
    """One replica is silent, so every vote is needed; the first PREPAREs are lost. Half a time-out later the request is
    executed, in view 0."""
    stage = Stage(liars=(3,))
    stage.open()
    stage.stopped.add(3)
    stage.cut(Prepare)
    stage.add()
    stage.mend()
    stage.advance(500)
    return stage.is_level() and stage.views() == [0, 0, 0]


def test_a_lost_vote_would_cost_a_view() -> None:
    assert gets_on_in_its_view()
    with mutated(named("votes are sent once")):
        assert not gets_on_in_its_view()


# The order in which claims are looked at


def possible_claims() -> list[tuple[bytes, int] | None]:
    """What P may say of one number after views 0, 1 and 2."""
    return [None, *product((X, Y), (0, 1, 2))]


def told(replica: int, claim: tuple[bytes, int] | None, named_too: dict[bytes, int]) -> ViewChange:
    """A VIEW-CHANGE for view 3 with one claim in P, which is in Q as well, and more in Q."""
    prepared = () if claim is None else (PreparedClaim(1, *claim),)
    names = named_too | ({} if claim is None else dict([claim]))
    pre_prepared = tuple(PrePreparedClaim(1, digest, view) for digest, view in names.items())
    return ViewChange(3, 0, (CheckpointClaim(0, START),), prepared, pre_prepared, replica, 0)


def choices(view_changes: list[ViewChange]) -> set[bytes]:
    """What any quorum of them may choose at the number."""
    chosen = set()
    for said in chain(combinations(view_changes, 3), combinations(view_changes, 4)):
        choice = compute_new_view(said, quorums_of(4), 2)
        if isinstance(choice, Choice):
            chosen.add(choice.chosen[0].digest if choice.chosen else b"")
    return chosen


def test_the_lowest_view_may_win_where_nothing_committed() -> None:
    """All worlds of four replicas, one number, two digests and three views in which X committed in one of them: two of
    the three correct replicas prepared X then or later, the third anything, the fourth lies. Whatever passes A1 and A2
    is X, so in which order claims are looked at loses nothing. (It is no equivalent mutant: where nothing committed it
    may choose another digest.)"""
    everything = {X: 2, Y: 2}
    differ = 0
    for committed in range(3):
        of_two = [(X, view) for view in range(committed, 3)]
        third = [claim for claim in possible_claims() if claim is None or claim[0] == X or claim[1] < committed]
        for one, two, other, lie in product(of_two, of_two, third, possible_claims()):
            before = {Y: committed - 1} if committed else {}
            said = [told(0, one, before), told(1, two, before), told(2, other, before), told(3, lie, everything)]
            with mutated(named("the lowest view wins")):
                assert choices(said) <= {X}
            assert choices(said) <= {X}
    for claims in product(possible_claims(), repeat=4):
        said = [told(replica, claim, everything) for replica, claim in enumerate(claims)]
        real = choices(said)
        with mutated(named("the lowest view wins")):
            differ += choices(said) != real
    assert differ > 0


@pytest.mark.parametrize("traitor", [0, 1])
def test_a_commit_may_name_any_digest_where_one_prepares(traitor: int) -> None:
    """Every state of the small worlds of one request and one view: whatever COMMITs are counted, one digest commits."""
    with mutated(named("COMMITs counted whatever")):
        report = search(World(Bounds(1, 1, (traitor,))), Limits(inf, inf), lambda progress: None)
    assert report.is_complete
    assert report.verdict is None


def test_who_entered_without_the_checkpoint_would_be_left_behind() -> None:
    """Replica 1 slept, and lacks the checkpoint that view 1 begins at, which it leads; nor do the others' CHECKPOINTs
    reach it. With the rule it waits for the checkpoint, and is level when it can fetch it. If it entered at once, it
    would end in a view of its own."""

    def play() -> Stage:
        stage = new_primary_behind()
        stage.cut(StatePieces, Status, Decided, Checkpoint, only_to=(1,))
        stage.advance(8000)
        return stage

    play().assert_recovers()
    with mutated(named("a view is entered without its checkpoint")):
        stage = play()
        with pytest.raises(AssertionError):
            stage.assert_recovers()
        assert stage.core(1).view > max(stage.core(replica).view for replica in (2, 3, 4, 5, 6))


def views_among_liars(seed: int, seconds: int) -> int:
    """How many views four clients cost whose authenticators hold at one replica only, or at all but one, and who go on
    for so long."""
    liars = tuple(ClientPlan(requests=10, strategies=("senseless-operations", "big-mac")) for _ in range(4))
    plan = replace(
        BIG_MAC,
        seed=seed,
        safety=seconds * 1_000_000,
        clients=(*BIG_MAC.clients[:2], *liars),
        settings=replace(BIG_MAC.settings, request_authentication="mac"),
    )
    return SimulatedWorld(plan).run().views


@pytest.mark.parametrize("seed", [1, 2, 4, 6])
def test_macs_that_cost_a_view_would_cost_every_view(seed: int) -> None:
    """Each liar ends at most one view of each replica, however long it goes on. Without the rule views end as long as
    the liars wish. Honest clients are answered in between, mostly in time: the judge need not notice."""
    at_most = 4 * 4
    assert views_among_liars(seed, 8) <= at_most
    with mutated(named("whose MACs cost a view")):
        assert views_among_liars(seed, 2) < at_most < views_among_liars(seed, 8)


# Session keys, epochs, recovery (docs/RECOVERY.md)


def thief_of(group: Group, victim: int, secret: bytes = b"") -> ReplicaAuthenticator:
    """Somebody with the session keys that a replica shares with replica 0: the first ones, or those of a half."""
    thief = ReplicaAuthenticator(victim, key_pair(victim + 1), group.configuration)
    if secret:
        said = group.core(0).keys.said
        assert said is not None
        thief.refresh(secret)
        thief.learn(0, said[0].half)
    return thief


def test_an_old_new_key_would_give_the_stolen_keys_back() -> None:
    """Somebody repeats the NEW-KEY of the time in which replica 1 was his."""

    def is_believed() -> bool:
        group = started(SOMETIMES)
        thief = thief_of(group, 1, b"s" * 32)
        past = NewKey(1, Half(b"s" * 32).public, 1)
        group.receive(0, group.authenticators[1].seal(past))
        return opens(group, 0, thief.seal(Commit(0, 1, X, 1)))

    assert not is_believed()
    with mutated(named("a NEW-KEY with any counter")):
        assert is_believed()


def test_what_was_signed_before_a_recovery_would_undo_what_committed_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """While replica 2 lied it signed a VIEW-CHANGE in which nothing prepared. It recovers, and votes for a request that
    replica 3 does not hear of and the others execute. The primary of view 1 lies now: replica 3 is to enter a view in
    which all numbers are free, and but for its own check would."""
    monkeypatch.setattr(Recoveries, "awaited", lambda recoveries, settings: 0)

    def view_of_3() -> int:
        group = Group(4, RECOVERING, has_entropy=True)
        past = group.authenticators[2].seal(knowing_nothing(group, 1, 2, 0))
        recover(group, 2, 77)
        group.reaches = lambda sender, receiver, message: receiver != 3
        group.submit(group.request((), 0, 2))
        assert [group.core(number).last_executed for number in range(4)] == [2, 2, 2, 1]
        others = [group.authenticators[number].seal(knowing_nothing(group, 1, number, 0)) for number in (1, 3)]
        start = CheckpointClaim(0, group.core(0).checkpoints.held[0].digest)
        group.reaches = lambda sender, receiver, message: False
        group.receive(3, group.authenticators[1].seal(NewView(1, (past, *others), start, (), 1, 0)))
        return group.core(3).view

    assert view_of_3() == 0
    with mutated(named("signatures of any epoch")), pytest.raises(InvariantViolation, match="covers what committed"):
        view_of_3()


def test_what_a_replica_said_before_it_recovered_would_count_afterwards() -> None:
    """Somebody has the session keys of the time in which replica 2 was his, and what it signed then: a VIEW-CHANGE far
    ahead. With one more liar that is f + 1."""

    def is_believed() -> tuple[bool, bool]:
        group = Group(4, RECOVERING, has_entropy=True)
        group.say(2, knowing_nothing(group, 5, 2, 0), 1, run=False)
        thief = thief_of(group, 2)
        recover(group, 2, 77)
        return opens(group, 1, thief.seal(Commit(0, 1, X, 2))), 2 in group.core(1).views.view_changes

    assert is_believed() == (False, False)
    with mutated(named("what is kept of older epochs")):
        assert is_believed() == (True, True)


def test_who_has_recovered_would_stay_out_of_the_view() -> None:
    """The NEW-VIEW of view 1 has a VIEW-CHANGE of replica 3, which then loses its votes and recovers."""

    def is_in_the_view() -> bool:
        group, _ = in_view_1()
        lose_votes(group, 3)
        await_recovery(group, 3)
        group.advance(3000)
        return group.core(3).view == group.core(1).view

    assert is_in_the_view()
    with mutated(named("a view that keeps a recovered replica out")):
        assert not is_in_the_view()


def test_what_a_replica_forgot_would_lie_above_its_recovery_point() -> None:
    """With its low watermark at h it may have voted for h + L, and its request is executed above h, at the earliest at
    h + 1."""

    def is_covered() -> bool:
        lows = range(0, 20, RECOVERING.checkpoint_interval)
        return all(recovery_point(low + 1, RECOVERING) >= low + RECOVERING.window for low in lows)

    assert is_covered()
    with mutated(named("the recovery point has no window")):
        assert not is_covered()


def test_a_liar_would_recover_without_end() -> None:
    """Each time it is executed, the group owes it a window of null requests."""

    def recoveries() -> set[int]:
        group = Group(4, RECOVERING, has_entropy=True)
        epochs: set[int] = set()
        for counter in range(1, 6):
            group.submit(recovery_of(group, 3, counter))
            epochs.add(group.core(0).tables.recoveries.epoch_of(3))
        return epochs

    assert len(recoveries()) == 1
    with mutated(named("a replica may recover as often")):
        assert len(recoveries()) == 5
