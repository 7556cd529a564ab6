"""Fuzzing for longer than the test suite has time: `make fuzz`, or `python -m fuzz.run --seconds 600 [TARGET ...]`.

With `atheris` each target is steered by the branches of Quorate that it takes; what it learns is kept in build/fuzz.
Without it, the tests of the suite are repeated with fresh inputs until the time is up. An input that breaks something
is put into tests/fuzz/corpus, where the suite finds it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

TESTS = Path(__file__).parent.parent
LEARNT = TESTS.parent / "build" / "fuzz"
INPUT_BYTES_MAX = 1024
INPUT_SECONDS_MAX = 20
MEMORY_MB_MAX = 2048


def main() -> int:
    """Share the time among the targets, one after the other."""
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description="Fuzz what reads bytes.")
    parser.add_argument("--seconds", type=float, default=600, help="for all targets together")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    arguments = parser.parse_args()
    from fuzz.targets import TARGETS

    unknown = set(arguments.targets) - set(TARGETS)
    if unknown:
        parser.error(f"there is no target {', '.join(sorted(unknown))}; there are {', '.join(TARGETS)}")
    targets = arguments.targets or list(TARGETS)
    if find_spec("atheris") is None:
        print("atheris is not installed: fresh inputs of hypothesis, not steered by coverage", flush=True)
        return repeat_the_tests(targets, arguments.seconds)
    failed = [target for target in targets if not guided(target, arguments.seconds / len(targets))]
    for target in failed:
        print(f"{target} failed: the input is in {TESTS / 'fuzz' / 'corpus' / target}; run pytest tests/fuzz")
    return 1 if failed else 0


def guided(target: str, seconds: float) -> bool:
    """Run one target with atheris, in a process of its own; whether nothing was found."""
    from fuzz.targets import CORPUS

    learnt = LEARNT / target
    for folder in (learnt, CORPUS / target):
        folder.mkdir(parents=True, exist_ok=True)
    options = [f"-max_total_time={max(1, round(seconds))}", f"-max_len={INPUT_BYTES_MAX}", "-print_final_stats=1"]
    options += [f"-timeout={INPUT_SECONDS_MAX}", f"-rss_limit_mb={MEMORY_MB_MAX}"]
    options += [f"-artifact_prefix={CORPUS / target}{os.sep}", str(learnt), str(CORPUS / target)]
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "fuzz.guided", target, *options],
        cwd=TESTS,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    runs = [line.split()[-1] for line in done.stdout.splitlines() if "number_of_executed_units" in line]
    kept = len(list(learnt.iterdir()))
    print(f"{target}: {''.join(runs) or 'no'} inputs in {time.monotonic() - began:.0f} s, {kept} kept", flush=True)
    if done.returncode:
        print(done.stdout[done.stdout.find("=== ") :][:4000], flush=True)
    return done.returncode == 0


def repeat_the_tests(targets: list[str], seconds: float) -> int:
    """Run the tests of these targets again and again."""
    until = time.monotonic() + seconds
    chosen = [f"fuzz/test_fuzz.py::test_fresh_bytes[{target}]" for target in targets]
    environment = os.environ | {"QUORATE_FUZZ_TIMES": "10"}
    while time.monotonic() < until:
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", *chosen], cwd=TESTS, env=environment, check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
