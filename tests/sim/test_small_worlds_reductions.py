"""The reductions lose nothing: beside brute force where that is possible, and part by part."""

from __future__ import annotations

from itertools import permutations

import pytest

from quorate.core.replica import Replica
from quorate.errors import AuthenticationFailed
from quorate.messages.protocol import Prepare
from quorate.sim.small_worlds.alphabet import each
from quorate.sim.small_worlds.behaviour import TIME, Fact, run
from quorate.sim.small_worlds.bounds import Bounds
from quorate.sim.small_worlds.cluster import SymbolicAuthenticator, batches_of, replica_of, request_of
from quorate.sim.small_worlds.copying import copy_of, state_of
from quorate.sim.small_worlds.forgetting import forget, let_time_pass
from quorate.sim.small_worlds.search import Place, World

NULL = next(digest for digest, (name, _) in batches_of(Bounds()).items() if name == "null")


def reached(world: World) -> list[Place]:
    """All states of a world."""
    seen = {world.initial}
    places = [world.initial]
    for place in places:
        for position, transition in world.steps(place):
            then = world.after(place, position, transition.target)
            if then not in seen:
                seen.add(then)
                places.append(then)
    return places


def conclusions(world: World) -> set[tuple[frozenset[Fact], ...]]:
    """What the correct replicas may conclude, each with what the others conclude in the same run."""
    return {tuple(world.states[number].facts for number in place) for place in reached(world)}


@pytest.mark.parametrize(
    "bounds",
    [
        pytest.param(Bounds(views=1, traitors=(3,), clocks=1, powers=frozenset({"Prepare"})), id="lying-backup"),
        pytest.param(
            Bounds(views=1, traitors=(0,), clocks=1, powers=frozenset({"PrePrepare"})),
            id="lying-primary",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            Bounds(views=2, traitors=(3,), clocks=1, powers=frozenset()), id="view-change", marks=pytest.mark.slow
        ),
    ],
)
def test_brute_force_concludes_the_same(bounds: Bounds) -> None:
    """Each message delivered by itself, in any order, nothing forgotten: the same conclusions, no more and no fewer."""
    reduced = conclusions(World(bounds, use_symmetry=False))
    brute = conclusions(World(bounds._replace(is_reduced=False), use_symmetry=False))

    assert reduced == brute


def test_names_of_backups_say_nothing() -> None:
    """With the twins merged the same is concluded, but for their names."""
    bounds = Bounds(views=1, traitors=(1,))
    assert bounds.twins == (2, 3)

    merged, whole = conclusions(World(bounds)), conclusions(World(bounds, use_symmetry=False))

    both = {(first, *twins) for first, *pair in merged for twins in permutations(pair)}
    assert both == whole


def test_a_copy_is_exact_and_shares_nothing() -> None:
    replica = replica_of(0)
    before = state_of(replica)
    copied = copy_of(replica)
    assert state_of(copied) == before

    effects = run(copied, request_of(0), Bounds().wall_of(0))

    assert effects
    assert state_of(copied) != before
    assert state_of(replica) == before
    assert run(replica, request_of(0), Bounds().wall_of(0)) == effects
    assert state_of(replica) == state_of(copied)


def test_what_is_delivered_again_changes_nothing() -> None:
    """Duplication is no bound: in every state a replica is reached in, what brought it there has no effect again."""
    world = World(Bounds(traitors=(2,)), use_symmetry=False)
    frontier = [world.initial]
    for _ in range(7):
        frontier = list(
            {world.after(place, at, transition.target) for place in frontier for at, transition in world.steps(place)}
        )
    checked = 0
    for behaviour in world.behaviours:
        own = [state for state in world.states if state.replica.core.replica_id == behaviour.owner]
        for state in own:
            for transition in state.transitions:
                raw = copy_of(state.replica)
                deliver_bundle(world, raw, behaviour.owner, transition.bundle)
                concluded = reduced(raw)
                deliver_bundle(world, raw, behaviour.owner, tuple(at for at in transition.bundle if at != TIME))
                assert reduced(raw) == concluded
                checked += 1
    assert checked > 100


def test_what_was_forgotten_can_come_again() -> None:
    """A message that is only counted is forgotten, and comes again: the replica is where it was with it."""
    world = World(Bounds(views=1, traitors=(3,)), use_symmetry=False)
    reached(world)
    behaviour = world.behaviours[0]
    counted = 0
    for state in [state for state in world.states if state.replica.core.replica_id == behaviour.owner]:
        for at in each(state.offered):
            counting = copy_of(state.replica)
            deliver_bundle(world, counting, behaviour.owner, (at,))
            if reduced(counting) != state.value:
                continue
            again = copy_of(counting)
            forget(again.core)
            deliver_bundle(world, again, behaviour.owner, (at,))
            assert state_of(again) == state_of(counting)
            counted += state_of(counting) != state.value
    assert counted > 50


def reduced(replica: Replica) -> object:
    """The state in the form in which states are kept."""
    copied = copy_of(replica)
    forget(copied.core)
    return state_of(copied)


def deliver_bundle(world: World, replica: Replica, owner: int, bundle: tuple[int, ...]) -> None:
    """Give a replica the messages of a bundle."""
    for at in bundle:
        if at == TIME:
            let_time_pass(replica.core)
        opened = None if at == TIME else world.alphabet.letters[at].opened
        run(replica, opened, world.bounds.wall_of(owner))


def test_nobody_seals_for_another() -> None:
    with pytest.raises(AuthenticationFailed):
        SymbolicAuthenticator(2).seal(Prepare(0, 1, NULL, 1))


def test_a_forged_frame_does_not_open() -> None:
    frame = SymbolicAuthenticator(2).seal(Prepare(0, 1, NULL, 2))
    forged = frame.replace(b"replica 2", b"replica 1")
    assert forged != frame

    with pytest.raises(AuthenticationFailed):
        SymbolicAuthenticator(0).open(forged)
