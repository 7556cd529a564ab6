"""The token bucket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from quorate.net.limits import Meter, Rate

RATE = Rate(bytes_per_second=1000, frames_per_second=100, burst_seconds=1.0)


def test_a_burst_is_free() -> None:
    meter = Meter(RATE)

    assert meter.charge(1000, 1, now=5.0) <= 0


def test_what_is_above_the_burst_has_to_wait_for_its_time() -> None:
    meter = Meter(RATE)
    meter.charge(1000, 1, now=5.0)

    assert meter.charge(500, 1, now=5.0) == 0.5


def test_frames_are_charged_where_they_are_scarcer_than_bytes() -> None:
    meter = Meter(RATE)

    assert meter.charge(200, 200, now=5.0) == 1.0


def test_time_pays_the_debt_but_saves_no_more_than_the_burst() -> None:
    meter = Meter(RATE)
    meter.charge(3000, 1, now=5.0)

    assert meter.charge(1000, 1, now=100.0) <= 0
    assert meter.charge(1, 0, now=100.0) > 0


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 50)), max_size=50))
def test_a_peer_that_waits_as_told_never_exceeds_its_rate(charges: list[tuple[int, int]]) -> None:
    meter, now, size, frames = Meter(RATE), 0.0, 0, 0
    for more_bytes, more_frames in charges:
        now += max(0.0, meter.charge(more_bytes, more_frames, now))
        size += more_bytes
        frames += more_frames
    assert size <= RATE.bytes_per_second * (now + RATE.burst_seconds) + 1e-6
    assert frames <= RATE.frames_per_second * (now + RATE.burst_seconds) + 1e-6
