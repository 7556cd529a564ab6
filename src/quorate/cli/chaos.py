"""`quorate chaos`: a cluster of ordinary processes, maltreated from a seed, and a verdict."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import SystemRandom
from typing import Final, NamedTuple

import click
import msgspec

from quorate.cli.addresses import LOOPBACK, free_ports
from quorate.cli.machines import LocalMachines
from quorate.cli.options import Seconds
from quorate.cli.output import print_json, say
from quorate.cli.stopping import until_stopped
from quorate.client.aio import AsyncClient, connect
from quorate.core.quorum import Quorums, quorums_of
from quorate.errors import ConfigurationError, QuorateError
from quorate.lab import namespaces
from quorate.lab.chaos.course import Course
from quorate.lab.chaos.members import CLIENTS, GATEWAYS, make_members
from quorate.lab.chaos.plan import WORDS, Step, draw_plan
from quorate.lab.chaos.verdict import Verdict
from quorate.lab.chaos.watch import Watch
from quorate.messages.protocol import REPLICAS_MAX

BAD: Final = 1
_SEEDS: Final = 1_000_000_000
_START_SECONDS: Final = 120.0
_NAMESPACE_PORT: Final = 7000


class Terms(NamedTuple):
    """How a run is made."""

    seconds: float
    seed: int
    replicas: int
    why_no_partitions: str | None

    @property
    def quorums(self) -> Quorums:
        """The group's thresholds."""
        return quorums_of(self.replicas)

    def plan(self) -> list[Step]:
        """What is done."""
        return draw_plan(self.seed, self.quorums, self.seconds)


@click.command()
@click.option("--seconds", type=Seconds(1), default=60.0, show_default=True, help="How long faults are begun for.")
@click.option("--seed", type=click.IntRange(0), help="Of the plan and of the callers; by default a new one.")
@click.option(
    "--replicas", type=click.IntRange(4, REPLICAS_MAX), default=4, show_default=True, help="How many there are."
)
@click.option("--plan", "plans", is_flag=True, help="Print what a seed does to whom, and do nothing.")
@click.option("--output", type=click.Path(path_type=Path), help="A new folder for everything that there is to see.")
@click.option("--json", "as_json", is_flag=True, help="Print the verdict as one JSON document, for programs.")
@click.option("--inside-namespaces", is_flag=True, hidden=True)
def chaos(
    seconds: float,
    seed: int | None,
    replicas: int,
    plans: bool,
    output: Path | None,
    as_json: bool,
    inside_namespaces: bool,
) -> None:
    """Maltreat a cluster of its own on this machine while clients work, and judge.

    From a seed replicas are killed, stopped, paused, cut off and damaged, up to f at a time, those that have not
    recovered counted in; and now and then all of them are killed. Meanwhile callers read, write and transfer, through
    two gateways and with the library. Then: nothing acknowledged is lost, nothing was executed twice, what callers saw
    is linearizable, and all replicas come to one state without help.

    Links are cut between network namespaces; where this user may not make some, that is left out, and said.
    When something is broken, the folder with the logs, the history and the replicas' files stays.

    \b
    Example:  quorate chaos --seconds 600
              quorate chaos --seed 7 --plan

    Exit codes: 0 nothing was broken; 1 something was, or it was stopped before the verdict; 2 the command line is
    wrong.
    """
    seed = SystemRandom().randrange(_SEEDS) if seed is None else seed
    if plans:
        _print_plan(Terms(seconds, seed, replicas, None))
        return
    if output is not None and output.exists():
        raise ConfigurationError(f"--output {output} exists; name a new folder")
    why_not = None if inside_namespaces else namespaces.why_not()
    if why_not is None and not inside_namespaces:
        _enter_namespaces(seconds, seed, replicas, output, as_json)
    terms = Terms(seconds, seed, replicas, why_not)
    verdict = until_stopped(_run(terms, output))
    print_json(msgspec.to_builtins(verdict)) if as_json else _print(verdict)
    sys.exit(BAD if verdict.problems else 0)


def _enter_namespaces(seconds: float, seed: int, replicas: int, output: Path | None, as_json: bool) -> None:
    """Go on as the same process, where it may do as it likes with the network."""
    arguments = ["--seconds", str(seconds), "--seed", str(seed), "--replicas", str(replicas), "--inside-namespaces"]
    arguments += ["--output", str(output)] if output is not None else []
    arguments += ["--json"] if as_json else []
    command = [*namespaces.entering(), sys.executable, "-m", "quorate", "chaos", *arguments]
    sys.stdout.flush()
    os.execvp(command[0], command)


async def _run(terms: Terms, output: Path | None) -> Verdict:
    """A run in a folder of its own, which stays when it was asked for or there is something to see."""
    folder = output or Path(tempfile.mkdtemp(prefix="quorate-chaos-"))
    stays = output is not None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        verdict = await _run_in(folder, terms)
        stays = stays or bool(verdict.problems)
    finally:
        if not stays:
            shutil.rmtree(folder, ignore_errors=True)
    if stays:
        click.echo(f"the replicas' files, the logs, the history and the verdict are in {folder}", err=True)
    return verdict


async def _run_in(folder: Path, terms: Terms) -> Verdict:
    plan = terms.plan()
    progress = _Progress(folder)
    again = f"quorate chaos --seed {terms.seed} --seconds {terms.seconds:g} --replicas {terms.replicas}"
    progress.tell(0, f"seed {terms.seed}; the same plan again: {again}")
    if terms.why_no_partitions is not None:
        progress.tell(0, f"no partitions, for there can be no network namespaces here: {terms.why_no_partitions}")
    gateways = [(LOOPBACK, port) for port in free_ports(len(GATEWAYS))]
    async with _cluster(folder, terms, gateways) as (machines, clients):
        course = Course(machines, clients, gateways, progress.tell)
        try:
            await course.run(plan, terms.seed, terms.seconds)
        finally:
            _write_lines(folder / "history.jsonl", course.deeds)
        verdict = course.judge(terms.seed, terms.seconds)
        (folder / "verdict.json").write_bytes(msgspec.json.format(msgspec.json.encode(verdict)))
        (folder / "reports.json").write_text(json.dumps(course.reports(), indent=1, default=dict))
        return verdict


@asynccontextmanager
async def _cluster(
    folder: Path, terms: Terms, gateways: Sequence[tuple[str, int]]
) -> AsyncIterator[tuple[LocalMachines, list[AsyncClient]]]:
    """A cluster that is up, with clients; it ends with this."""
    if terms.why_no_partitions is None:
        namespaces.set_up(terms.replicas)
        addresses = [(namespaces.address_of(replica), _NAMESPACE_PORT) for replica in range(terms.replicas)]
    else:
        addresses = [(LOOPBACK, port) for port in free_ports(terms.replicas)]
    cluster = make_members(folder / "cluster", addresses)
    logs = folder / "logs"
    logs.mkdir()
    machines = LocalMachines(cluster, gateways, logs, terms.why_no_partitions)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(machines.close)
        await machines.start_all()
        clients = [await stack.enter_async_context(connect(cluster.path / name, wait_seconds=0)) for name in CLIENTS]
        if not await Watch(clients[0], terms.quorums).all_executed_equally(_START_SECONDS):
            raise QuorateError(f"the cluster did not come up in {_START_SECONDS:.0f} seconds")
        yield machines, clients


class _Progress:
    """Tells what happens, on standard error and in the folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "events.jsonl"
        self._began = time.monotonic()

    def tell(self, step: int, text: str) -> None:
        """One line. *step* is 0 where it is about none."""
        passed = time.monotonic() - self._began
        click.echo(f"{passed:7.1f}  {f'{step}: ' if step else ''}{text}", err=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([round(passed, 3), step, text]) + "\n")


def _write_lines(path: Path, values: Sequence[msgspec.Struct]) -> None:
    path.write_bytes(msgspec.json.Encoder().encode_lines(values))


# ----------------------------------------------------------------------------------------------- printing


def _print_plan(terms: Terms) -> None:
    passed = 0.0
    say(f"seed {terms.seed}, {terms.replicas} replicas; seconds after the begin, if nobody had to recover first:")
    for step in terms.plan():
        passed += step.pause
        say(f"{passed:7.1f}  {step.number}: {step}  ({WORDS[step.fault]})")


def _print(verdict: Verdict) -> None:
    faults = ", ".join(f"{name} {count}" for name, count in verdict.faults.items()) or "none"
    recoveries = ", ".join(f"{name} {seconds:.1f}" for name, seconds in verdict.slowest_recoveries.items())
    say(f"seed:          {verdict.seed}, {verdict.replicas} replicas, {verdict.seconds:g} seconds")
    say(f"faults:        {faults}")
    if verdict.skipped:
        skipped = ", ".join(f"{name} {count}" for name, count in verdict.skipped.items())
        say(f"skipped:       {skipped}: {verdict.why_skipped}")
    say(f"operations:    {verdict.operations} answered, on {verdict.keys} keys; {verdict.unknown_outcomes} unknown")
    for reason, count in verdict.failures.items():
        say(f"               {count} {reason}")
    say(f"longest gaps:  {verdict.longest_outage_seconds:.1f} s without any answer when all had been killed,")
    say(f"               {verdict.longest_gap_seconds:.1f} s otherwise")
    say(f"slowest back:  {recoveries or '-'} (seconds)")
    apart = "".join(f"; replica {replica} waits alone for a later one" for replica in verdict.apart)
    say(f"views:         up to {verdict.views}{apart}")
    for problem in verdict.problems:
        say(problem)
    say("BROKEN" if verdict.problems else "nothing was broken")
