"""How fast the simulator is: `python -m benchmarks.simulator`, from the root of the checkout.

Whole worlds on one core with every check on: delivered messages a second of processor time. The worlds are those of
`quorate sim --seeds A:B`, so the figure is of the mixture of profiles that campaigns run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import NamedTuple

from quorate.errors import ConfigurationError
from quorate.sim.explore import Campaign, Totals, run_seed


class Speed(NamedTuple):
    """What some worlds took."""

    seeds: int
    messages: int
    seconds: float
    """Processor time."""
    failed: int

    @property
    def rate(self) -> float:
        """Delivered messages a second."""
        return self.messages / self.seconds


def measure(seeds: Sequence[int], campaign: Campaign) -> Speed:
    """Run seeds one after the other, after one more that warms everything up."""
    run_seed(seeds[0], campaign)
    totals = Totals()
    started = time.process_time()
    for seed in seeds:
        totals.add(run_seed(seed, campaign))
    return Speed(len(seeds), totals.messages, time.process_time() - started, len(totals.failed))


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line for each size of cluster."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.simulator", description=__doc__)
    parser.add_argument("--seeds", type=int, default=100, help="how many worlds of each size")
    parser.add_argument("--profile", default="mixed")
    parser.add_argument("--replicas", type=int, nargs="+", default=[4, 7, 10])
    parser.add_argument("--service", default="")
    chosen = parser.parse_args(arguments)
    for replicas in chosen.replicas:
        campaign = Campaign(chosen.profile, replicas, (), chosen.service)
        try:
            campaign.check()
        except ConfigurationError as error:
            parser.error(str(error))
        speed = measure(range(5000, 5000 + chosen.seeds), campaign)
        print(
            f"n = {replicas}: {speed.rate:,.0f} delivered messages a second on one core "
            f"({speed.messages:,} in {speed.seconds:.1f} s of processor time, {speed.seeds} worlds, "
            f"profile {chosen.profile}, {speed.failed} failed)"
        )


if __name__ == "__main__":
    main()
