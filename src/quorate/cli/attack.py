"""`quorate attack`: traitors, liars and perturbations on real processes, and what came of it."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec
import uvloop
from rich.table import Table
from rich.text import Text

from quorate.cli.addresses import LOOPBACK, free_ports
from quorate.cli.health import NORMAL
from quorate.cli.output import console, print_json, say
from quorate.cli.parent import environment_of_child
from quorate.cli.processes import Child, Children
from quorate.cli.status import ask_all
from quorate.client.aio import connect
from quorate.config import Settings
from quorate.errors import ConfigurationError, QuorateError
from quorate.folder import create_cluster
from quorate.lab import namespaces
from quorate.lab.catalogue import ATTACKS, Attack, find_attack
from quorate.lab.course import Course
from quorate.lab.dialects import REGISTER_SERVICE
from quorate.lab.hands import Cutter
from quorate.lab.members import Laboratory, load_laboratory, make_laboratory
from quorate.lab.verdict import Verdict
from quorate.runtime.inspection import CONNECTED

BAD: Final = 1
REPLICAS: Final = 4
DEFAULT_DIRECTORY: Final = "quorate-data"
SETTINGS: Final = Settings(checkpoint_interval=32, view_change_timeout_ms=500)
"""Of a cluster of its own: quick to checkpoint and to suspect, so that a few seconds show something."""
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_ANSWER_SECONDS: Final = 1.0
_NAMESPACE_PORT: Final = 7000
_WORDS: Final = ("attack", "row", "by", "safety", "linear-\nizable", "served\nafter")
_NUMBERS: Final = ("op/s", "op/s\nbefore", "longest\ngap s", "recovery\ns", "views")


class Terms(NamedTuple):
    """How attacks are run."""

    seconds: float
    seed: int
    inside_namespaces: bool = False


@click.command()
@click.argument("what", nargs=-1, metavar="[STRATEGY [DIR]]")
@click.option("--replica", "replicas", type=click.IntRange(0), multiple=True, help="Who attacks; by default who suits.")
@click.option("--all", "whole_matrix", is_flag=True, help="Every attack, or those named, each on a cluster of its own.")
@click.option("--list", "lists", is_flag=True, help="List the attacks, and what to expect of each.")
@click.option("--seconds", type=click.FloatRange(0.1), default=3.0, show_default=True, help="How long an attack lasts.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the attackers' chance.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
@click.option("--inside-namespaces", is_flag=True, hidden=True)
def attack(
    what: tuple[str, ...],
    replicas: tuple[int, ...],
    whole_matrix: bool,
    lists: bool,
    seconds: float,
    seed: int,
    as_json: bool,
    inside_namespaces: bool,
) -> None:
    """Attack the laboratory in DIR while a workload runs, and say what came of it: safety, linearizability,
    availability, time to recover.

    STRATEGY is a traitor's, a lying client's, or a perturbation; a replica's may be joined by +. DIR is the folder of
    a cluster that `quorate up --lab` runs; by default ./quorate-data. A replica that lied follows the rules again
    afterwards, and stays counted as faulty. More than f at once are refused.

    \b
    Example:  quorate up --lab --dir quorate-lab
              quorate attack equivocate quorate-lab
              quorate attack --all --json

    Exit codes: 0 nothing was broken; 1 something was, or the cluster failed; 2 the command line or DIR is wrong.
    """
    terms = Terms(seconds, seed, inside_namespaces)
    if lists:
        _list(as_json)
    elif whole_matrix:
        if replicas:
            raise ConfigurationError("--all chooses who attacks: leave out --replica")
        chosen = [find_attack(name) for name in what or ATTACKS]
        verdicts = _until_stopped(_run_matrix(chosen, terms))
        print_json(msgspec.to_builtins(verdicts)) if as_json else _print_matrix(verdicts)
        sys.exit(BAD if any(verdict.is_bad for verdict in verdicts) else 0)
    else:
        verdict = _until_stopped(_run_one(*_target(what), replicas, terms))
        print_json(msgspec.to_builtins(verdict)) if as_json else _print_one(verdict)
        sys.exit(BAD if verdict.is_bad else 0)


def _target(what: tuple[str, ...]) -> tuple[Attack, Path]:
    if not 1 <= len(what) <= 2:
        raise ConfigurationError("name a STRATEGY and a DIR, or give --all; `quorate attack --list` lists strategies")
    found = find_attack(what[0])
    if found.in_namespaces:
        raise ConfigurationError(
            f"{found.name} needs a cluster whose replicas are in network namespaces: quorate attack --all {found.name}"
        )
    return found, Path(what[1] if len(what) == 2 else DEFAULT_DIRECTORY)


def _until_stopped(work: Coroutine[Any, Any, Any]) -> Any:
    """Run; SIGTERM ends it as Ctrl-C does, so that nothing stays stopped or cut."""

    async def run() -> Any:
        task = asyncio.create_task(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await task

    try:
        return uvloop.run(run())
    except asyncio.CancelledError:
        raise QuorateError("stopped before there was a verdict") from None


async def _run_one(attack: Attack, directory: Path, replicas: Sequence[int], terms: Terms) -> Verdict:
    return await Course(load_laboratory(directory), attack, terms.seconds, terms.seed).run(replicas)


# ------------------------------------------------------------------------------------------- the whole matrix


async def _run_matrix(attacks: Sequence[Attack], terms: Terms) -> list[Verdict]:
    if terms.inside_namespaces:
        namespaces.set_up(REPLICAS)
    verdicts = []
    for number, one in enumerate(attacks, start=1):
        run = _run_in_namespaces if one.in_namespaces and not terms.inside_namespaces else _run_on_own_cluster
        try:
            verdict = await run(one, terms)
        except QuorateError as error:  # no cluster, or no workload: the other attacks are run all the same
            verdict = Verdict(
                attack=one.name, kind=one.kind.value, row=one.row, available=False, problems=(str(error),)
            )
        verdicts.append(verdict)
        if not terms.inside_namespaces:
            click.echo(f"{number} of {len(attacks)}: {one.name}: {_summary(verdict)}", err=True)
    return verdicts


async def _run_on_own_cluster(attack: Attack, terms: Terms) -> Verdict:
    cutter: Cutter | None = namespaces.NamespaceCutter() if attack.in_namespaces else None
    with tempfile.TemporaryDirectory(prefix="quorate-attack-") as folder:
        async with _own_cluster(Path(folder) / "cluster", attack.in_namespaces) as laboratory:
            return await Course(laboratory, attack, terms.seconds, terms.seed, cutter).run()


async def _run_in_namespaces(attack: Attack, terms: Terms) -> Verdict:
    """The same command, in a namespace in which it may do as it likes with the network."""
    reason = namespaces.why_not()
    if reason is not None:
        return Verdict(attack=attack.name, kind=attack.kind.value, row=attack.row, skipped=reason)
    command = [*namespaces.entering(), sys.executable, "-m", "quorate", "attack", "--all", attack.name, "--json"]
    command += ["--inside-namespaces", "--seconds", str(terms.seconds), "--seed", str(terms.seed)]
    process = await create_subprocess_exec(*command, stdout=PIPE, env=environment_of_child())
    try:
        output, _ = await process.communicate()
    except asyncio.CancelledError:
        process.terminate()
        await process.wait()
        raise
    if process.returncode not in (0, BAD) or not output:
        raise QuorateError(f"{attack.name} ended with exit code {process.returncode}; what it said stands above")
    return msgspec.convert(json.loads(output)[0], Verdict)


@asynccontextmanager
async def _own_cluster(directory: Path, in_namespaces: bool) -> AsyncIterator[Laboratory]:
    """A laboratory that runs, and ends with this."""
    if in_namespaces:
        addresses = [(namespaces.address_of(replica), _NAMESPACE_PORT) for replica in range(REPLICAS)]
    else:
        addresses = [(LOOPBACK, port) for port in free_ports(REPLICAS)]
    cluster = make_laboratory(create_cluster(directory, addresses, REGISTER_SERVICE, SETTINGS))
    children = Children()
    ended: asyncio.Future[Child] = asyncio.get_running_loop().create_future()

    def note(child: Child) -> None:
        if not ended.done():  # an attack may kill one later: the verdict says whether it should not have ended
            ended.set_result(child)

    try:
        for replica, folder in enumerate(cluster.replicas()):
            arguments = ["lab-replica", str(folder), "--log-level", "error"]
            inside = namespaces.inside(replica) if in_namespaces else ()
            await children.start(f"replica {replica}", arguments, note, inside)
        await _await_start(cluster.client(), ended)
        yield load_laboratory(directory)
    finally:
        await children.stop()


async def _await_start(client_folder: Path, ended: asyncio.Future[Child]) -> None:
    """Wait until the cluster is up. Raises QuorateError when it does not come up."""
    starting = asyncio.create_task(_until_up(client_folder))
    either: set[asyncio.Future[Any]] = {starting, ended}
    try:
        await asyncio.wait(either, timeout=_START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        if ended.done():
            child = ended.result()
            raise QuorateError(f"{child.name} ended while the cluster started ({child.how_it_ended()})")
        if not starting.done():
            raise QuorateError(f"the cluster did not come up in {_START_SECONDS:.0f} seconds")
        starting.result()
    finally:
        starting.cancel()
        await asyncio.wait([starting])


async def _until_up(client_folder: Path) -> None:
    """Until every replica answers and is connected to all others."""
    async with connect(client_folder, wait_seconds=0) as client:
        while True:
            answers = await ask_all(client, REPLICAS, _ANSWER_SECONDS)
            reports = [answer for answer in answers if isinstance(answer, dict)]
            links = [set(report["links"].values()) for report in reports if report["status"] == NORMAL]
            if len(links) == REPLICAS and all(states == {CONNECTED} for states in links):
                return
            await asyncio.sleep(_POLL_SECONDS)


# --------------------------------------------------------------------------------------------------- printing


def _list(as_json: bool) -> None:
    if as_json:
        fields = ("name", "row", "text", "expect")
        print_json(
            [{"kind": one.kind.value} | {name: getattr(one, name) for name in fields} for one in ATTACKS.values()]
        )
        return
    for one in ATTACKS.values():
        say(f"{one.name} ({one.kind.value}, {one.row}): {one.text}")
        say(f"    expect: {one.expect}")


def _summary(verdict: Verdict) -> str:
    if verdict.skipped:
        return f"skipped: {verdict.skipped}"
    return "\n".join(["BROKEN", *verdict.problems]) if verdict.is_bad else "nothing was broken"


def _print_matrix(verdicts: Sequence[Verdict]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in (*_WORDS, *_NUMBERS):
        table.add_column(column, justify="right" if column in _NUMBERS else "left", no_wrap=True)
    table.add_column("noticed as", overflow="fold")
    for verdict in verdicts:
        table.add_row(*map(Text, _cells(verdict)))
    console().print(table)
    for verdict in verdicts:
        for problem in verdict.problems:
            say(f"{verdict.attack}: {problem}")
    bad = sum(1 for verdict in verdicts if verdict.is_bad)
    skipped = sum(1 for verdict in verdicts if verdict.skipped)
    say(f"{len(verdicts) - skipped} attacks, {bad} broke something, {skipped} were skipped")


def _cells(verdict: Verdict) -> list[str]:
    if verdict.skipped:
        empty = ["-"] * (len(_WORDS) + len(_NUMBERS) - 2)
        return [verdict.attack, verdict.row, *empty, f"skipped: {verdict.skipped}"]
    return [
        verdict.attack,
        verdict.row,
        ", ".join(map(str, verdict.replicas)) or "client",
        "holds" if verdict.safe else "BROKEN",
        "yes" if verdict.linearizable else "NO",
        "yes" if verdict.available else "NO",
        f"{verdict.operations_per_second:.0f}",
        f"{verdict.operations_per_second_before:.0f}",
        f"{verdict.longest_gap_seconds:.2f}",
        _recovery(verdict),
        str(verdict.views),
        _noticed(verdict),
    ]


def _recovery(verdict: Verdict) -> str:
    return "never" if verdict.recovery_seconds is None else f"{verdict.recovery_seconds:.2f}"


def _noticed(verdict: Verdict) -> str:
    """What was noticed most, and how much else."""
    if not verdict.noticed:
        return "-"
    what, count = next(iter(verdict.noticed.items()))
    others = len(verdict.noticed) - 1
    return f"{what} ({count})" + (f"; {others} more kind{'s' * (others > 1)}" if others else "")


def _print_one(verdict: Verdict) -> None:
    found = find_attack(verdict.attack)
    who = ", ".join(f"replica {replica}" for replica in verdict.replicas) or "a client of the cluster"
    say(f"{verdict.attack} ({verdict.row}) by {who}: {found.text}")
    say(f"expected:      {found.expect}")
    say(f"safety:        {'holds' if verdict.safe else 'BROKEN'}")
    say(f"linearizable:  {'yes, and no acknowledged write is lost' if verdict.linearizable else 'NO'}")
    say(f"served after:  {'yes, every caller' if verdict.available else 'NO'}")
    rates = f"{verdict.operations_per_second:.0f} a second, {verdict.operations_per_second_before:.0f} before"
    say(f"operations:    {verdict.operations} ({rates}); {verdict.unknown_outcomes} with unknown outcome")
    say(f"longest gap:   {verdict.longest_gap_seconds:.2f} seconds")
    say(f"recovered:     {_recovery(verdict)} seconds after the attack began")
    say(f"views:         {verdict.views} further")
    for what, count in verdict.noticed.items():
        say(f"noticed:       {what} ({count} times)")
    for remark in (*verdict.remarks, *verdict.problems):
        say(remark)
