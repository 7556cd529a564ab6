"""What a worker does: run a range of seeds for some seconds, and say what they brought."""

from __future__ import annotations

import time
from contextlib import nullcontext
from traceback import format_exc

import msgspec

from quorate.campaign.observation import can_observe, run_observed, traced
from quorate.campaign.selection import Seeds, Selection
from quorate.campaign.sources import sources_digest, sources_version
from quorate.campaign.summary import Summary
from quorate.sim.explore import run_seed


class Chunk(msgspec.Struct, frozen=True):
    """A range of seeds for one worker."""

    selection: Selection
    seeds: Seeds
    seconds: float
    """After so long no further seed is begun."""
    is_sample: bool = False
    """Whether the seeds are run under observation."""


def run_chunk(chunk: bytes) -> bytes:
    """Run the seeds of an encoded chunk, at least one; the encoded summary says how far that went.

    Both are JSON, so that what comes from another machine is checked when it is read.
    """
    return msgspec.json.encode(run(msgspec.json.decode(chunk, type=Chunk)))


def run(chunk: Chunk) -> Summary:
    """Run the seeds of a chunk until its time is up."""
    started = time.monotonic()
    summary = Summary(seeds=chunk.seeds, selection=chunk.selection, sources=sources_digest(), version=sources_version())
    if not can_observe():
        chunk = msgspec.structs.replace(chunk, is_sample=False)
    with traced(summary.arcs) if chunk.is_sample else nullcontext():
        for seed in range(*chunk.seeds):
            _run_seed(seed, chunk, summary)
            if time.monotonic() - started >= chunk.seconds:
                summary.seeds = Seeds(chunk.seeds.first, seed + 1)
                break
    if chunk.is_sample:
        summary.sampled = len(summary.seeds)
    summary.elapsed = round(time.monotonic() - started, 3)
    return summary


def _run_seed(seed: int, chunk: Chunk, summary: Summary) -> None:
    campaign = chunk.selection.world_of(seed)
    started = time.thread_time()
    try:
        if chunk.is_sample:
            report = run_observed(seed, campaign, summary.checks)
        else:
            report = run_seed(seed, campaign)
    except Exception:  # noqa: BLE001 - a seed that breaks the simulator is a finding, and the other seeds go on
        summary.count_raised(campaign, campaign.plan(seed), format_exc()[-2000:])
    else:
        summary.count(report, time.thread_time() - started)
