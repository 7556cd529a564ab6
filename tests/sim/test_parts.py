"""The network and the clocks, each by itself."""

from __future__ import annotations

from random import Random

from quorate.sim.clock import WALL_START, Clock
from quorate.sim.network import Network, one_way_cut, star_cut, two_way_cut
from quorate.sim.plan import ClockPlan, NetworkPlan, SatellitePlan


def network(**plan: object) -> Network:
    return Network(NetworkPlan(**plan), 4, Random(1))  # type: ignore[arg-type]


def test_delays_lie_in_their_range() -> None:
    arrivals = [network(delay=100, spread=50).arrivals(0, 1, 1000) for _ in range(100)]
    assert all(len(copies) == 1 and 1100 <= copies[0] < 1150 for copies in arrivals)


def test_distance_adds_to_the_delay() -> None:
    far = network(delay=100, spread=1, distances=(0, 5000, 0, 0))
    assert far.arrivals(0, 1, 0) == [5100]
    assert far.arrivals(0, 2, 0) == [100]


def test_a_heavy_tail_has_its_median_and_rare_long_delays() -> None:
    busy = network(delay=0, spread=4000, tail=1.0)
    delays = sorted(busy.arrivals(0, 1, 0)[0] for _ in range(10_000))
    assert 3800 < delays[5000] < 4200
    assert 60_000 < delays[9990] < 160_000, "exp(3.09) is 22"


def test_a_satellite_is_far_from_all_others_and_near_its_own_site() -> None:
    site = SatellitePlan((0, 1), delay=270_000, jitter=1000, loss=0.2)
    linked = network(delay=100, spread=1, satellite=site)
    assert linked.arrivals(0, 1, 0) == linked.arrivals(2, 3, 0) == [100]
    up = [arrivals for _ in range(1000) if (arrivals := linked.arrivals(0, 2, 0))]
    down = [arrivals for _ in range(1000) if (arrivals := linked.arrivals(2, 1, 0))]
    assert all(270_100 <= arrival < 271_100 for (arrival,) in up + down)
    assert 1500 < len(up + down) < 1700
    linked.heal()
    assert all(linked.arrivals(0, 2, 0)[0] >= 270_100 for _ in range(1000)), "what is far away stays there"


def test_loss_and_duplication_have_their_shares() -> None:
    rough = network(loss=0.2, duplication=0.3, duplicate_delay=10)
    copies = [len(rough.arrivals(0, 1, 0)) for _ in range(2000)]
    assert 300 < copies.count(0) < 500
    assert 500 < copies.count(2) < 700
    assert (rough.lost, rough.duplicated) == (copies.count(0), copies.count(2))


def test_a_link_in_order_keeps_its_order() -> None:
    ordered = network(spread=10_000, in_order=True)
    arrivals = [ordered.arrivals(0, 1, now)[0] for now in range(0, 1000, 10)]
    assert arrivals == sorted(set(arrivals))


def test_cuts_are_one_way_nest_and_heal() -> None:
    plain = network()
    links = one_way_cut([0], [1])
    plain.cut(links)
    plain.cut(links)
    plain.mend(links)
    assert plain.arrivals(0, 1, 0) == []
    assert plain.arrivals(1, 0, 0) != []
    plain.heal()
    assert plain.arrivals(0, 1, 0) != []


def test_shapes_of_partitions() -> None:
    assert set(two_way_cut([0], [1, 2])) == {(0, 1), (0, 2), (1, 0), (2, 0)}
    assert set(star_cut(0, 4)) == {(a, b) for a in (1, 2, 3) for b in (1, 2, 3) if a != b}


def test_a_clock_drifts_and_tells_when_a_deadline_comes() -> None:
    for drift in (-500, 0, 500):
        clock = Clock(ClockPlan(offset=-7, drift=drift))
        for deadline in (1, 999_999, 123_456_789):
            time = clock.time_of(deadline)
            assert clock.monotonic(time) >= deadline
            assert time == 0 or clock.monotonic(time - 1) < deadline


def test_a_wall_clock_jumps_and_the_monotonic_one_does_not() -> None:
    clock = Clock(ClockPlan())
    clock.jump(-5)
    assert clock.wall(1000) == WALL_START + 995
    assert clock.monotonic(1000) == 1000
