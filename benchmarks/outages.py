"""The primary is killed under load: how long until the first reply of the next view, and until all is as before."""

from __future__ import annotations

import time
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

from benchmarks.load.order import Order
from benchmarks.measurement import MeasurementFailed
from benchmarks.plan import C64, Load
from benchmarks.results import Outage
from benchmarks.started import started
from benchmarks.systems.quorate import QUORATE_MACS
from quorate.config import Settings

TIMEOUT_MS: Final = Settings().view_change_timeout_ms
OUTSTANDING: Final = C64.outstanding
BACK_SHARE: Final = 0.95
_SECONDS_BEFORE: Final = 2.0
_SECONDS_AFTER: Final = 4.0
_WARM_UP: Final = 1.0
_WINDOW_MS: Final = 200
"""Throughput is judged over so long: shorter than what it is to be judged by, longer than what scheduling does."""


def measure(directory: Path) -> Outage:
    """Start a cluster and a load, and kill the primary."""
    with started(QUORATE_MACS, directory, Load.CLIENT) as (processes, running):
        load = running.load
        if load is None:
            raise MeasurementFailed("it has no load process")
        (pid,) = running.roles["primary"]
        rest = {role: pids for role, pids in running.roles.items() if role != "primary"}
        seconds = _SECONDS_BEFORE + TIMEOUT_MS / 1000 + _SECONDS_AFTER
        order = Order(outstanding=OUTSTANDING, seconds=seconds, warm_up=_WARM_UP, roles=rest, is_outage=True)
        load.begin(order)
        time.sleep(_WARM_UP + _SECONDS_BEFORE)
        killed = time.perf_counter()
        processes.kill(pid)
        measured = load.finish(order)
        processes.check()
    return judge(measured.moments, 1000 * killed, TIMEOUT_MS, measured.others_share)


def judge(moments: Mapping[int, int], killed_ms: float, timeout_ms: int, others_share: float = 0.0) -> Outage:
    """What an outage cost, from the answers by millisecond."""
    relative = {int(moment - killed_ms): count for moment, count in sorted(moments.items())}
    before = sum(count for moment, count in relative.items() if -_WINDOW_MS * 5 <= moment < 0)
    rate_before = before / (_WINDOW_MS * 5 / 1000)
    after = [0, *(moment for moment in relative if moment >= 0)]
    if before == 0:
        raise MeasurementFailed("there were no answers in the second before the primary was killed")
    if len(after) == 1:
        raise MeasurementFailed(
            f"there were no answers after the primary was killed, within the time-out and {_SECONDS_AFTER:g} s"
        )
    gaps = [(later - earlier, later) for earlier, later in pairwise(after)]
    first = max(gaps)[1]
    return Outage(
        timeout_ms=timeout_ms,
        outstanding=OUTSTANDING,
        rate_before=rate_before,
        silent_ms=first,
        back_ms=_back(relative, first, rate_before),
        moments=relative,
        others_share=others_share,
    )


def _back(moments: Mapping[int, int], first: int, rate_before: float) -> float | None:
    """When the first window begins, counted from the first reply, in which the throughput is as before."""
    wanted = BACK_SHARE * rate_before * _WINDOW_MS / 1000
    for begin in range(first, max(moments) - _WINDOW_MS + 1):
        if sum(moments.get(moment, 0) for moment in range(begin, begin + _WINDOW_MS)) >= wanted:
            return float(begin - first)
    return None
