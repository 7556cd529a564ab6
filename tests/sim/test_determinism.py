"""Everything follows from the seed: in another process, whatever the hash seed, the same bytes travel."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from quorate.sim.explore import Campaign, run_seed
from quorate.sim.plan import decode_plan, encode_plan
from quorate.sim.profiles import PROFILES, draw_plan
from quorate.sim.world import World

SCRIPT = """
import sys
from quorate.sim.explore import Campaign, run_seed
for profile in sys.argv[2:]:
    print(run_seed(int(sys.argv[1]), Campaign(profile)).outcome.fingerprint)
"""


def fingerprints(seed: int, profiles: list[str], hash_seed: str) -> list[str]:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
    command = [sys.executable, "-c", SCRIPT, str(seed), *profiles]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split()


def test_equal_in_processes_with_other_hash_seeds() -> None:
    profiles = ["crashes", "churn", "everything"]
    one, other = (fingerprints(3, profiles, hash_seed) for hash_seed in ("1", "271828"))
    here = [run_seed(3, Campaign(profile)).outcome.fingerprint for profile in profiles]
    assert one == other == here


@pytest.mark.parametrize("profile", PROFILES)
def test_a_plan_is_drawn_alike_and_survives_its_file(profile: str) -> None:
    plan = draw_plan(11, profile)
    assert plan == draw_plan(11, profile)
    assert decode_plan(encode_plan(plan)) == plan


def test_a_plan_from_a_file_runs_as_its_seed_does() -> None:
    plan = draw_plan(5, "traitors")
    assert World(decode_plan(encode_plan(plan))).run().fingerprint == World(plan).run().fingerprint


def test_different_seeds_differ() -> None:
    assert run_seed(1, Campaign("calm")).outcome.fingerprint != run_seed(2, Campaign("calm")).outcome.fingerprint
