"""Runs a service in two processes and compares what they did."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import msgspec

from quorate.errors import ConfigurationError
from quorate.services.conformance.plan import Finding, Plan, Step, Transcript, new_service, with_garbage

_HASH_SEEDS = ("1", "2")


def check(
    service: str, operations: Sequence[bytes | Step], *, checkpoint_interval: int = 16, garbage: bool = True
) -> list[Finding]:
    """What is wrong with the service at *service* (`module:Class`), the earliest operation first; nothing is good.

    *garbage* adds bytes that are no operations, or bent ones, to the end.
    """
    steps = [step if isinstance(step, Step) else Step(step) for step in operations]
    if not steps:
        raise ConfigurationError("give the conformance kit some operations to run")
    new_service(service)  # a service that cannot be made is better reported from here
    plan = Plan(service, with_garbage(steps) if garbage else steps, checkpoint_interval)
    with ThreadPoolExecutor(len(_HASH_SEEDS)) as pool:
        first, second = pool.map(partial(_run, plan), _HASH_SEEDS)
    findings = dict.fromkeys([*_compare(first, second), *first.findings, *second.findings])
    return sorted(findings, key=lambda finding: finding.index)


def assert_conforms(
    service: str, operations: Sequence[bytes | Step], *, checkpoint_interval: int = 16, garbage: bool = True
) -> None:
    """For tests: AssertionError with all findings, the earliest operation first."""
    findings = check(service, operations, checkpoint_interval=checkpoint_interval, garbage=garbage)
    if findings:
        first = findings[0].index
        shown = operations[first] if first < len(operations) else "(garbage that the kit has added)"
        lines = "\n".join(f"  {finding}" for finding in findings)
        raise AssertionError(f"{service} does not conform:\n{lines}\nthe first of these operations: {shown!r}")


def _run(plan: Plan, hash_seed: str) -> Transcript:
    """What the service does in a process of its own."""
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "quorate.services.conformance"]
    child = subprocess.run(
        command, env=environment, input=msgspec.msgpack.encode(plan), capture_output=True, check=False
    )
    if child.returncode:
        raise ConfigurationError(f"the service could not be run: {child.stderr.decode(errors='replace')}")
    return msgspec.msgpack.decode(child.stdout, type=Transcript)


def _compare(first: Transcript, second: Transcript) -> list[Finding]:
    """How two processes differ: the first of each kind, since what follows may be a consequence."""
    findings = []
    pairs = zip(first.results, second.results, strict=False)
    for index, (one, other) in enumerate(pairs):
        if one != other:
            findings.append(Finding(index, f"two processes answer {one!r} and {other!r}"))
            break
    for index, digest in first.digests.items():
        if second.digests.get(index, digest) != digest:
            findings.append(Finding(index, "two processes have different digests of the checkpoint after it"))
            break
    for index, (one_deadline, other_deadline) in enumerate(zip(first.deadlines, second.deadlines, strict=False)):
        if one_deadline != other_deadline:
            findings.append(Finding(index, f"two processes wait for {one_deadline} and {other_deadline}"))
            break
    return findings
