"""`quorate attack`: traitors, liars and perturbations on real processes, and what came of it."""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from asyncio.subprocess import PIPE, create_subprocess_exec
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import click
import msgspec

from quorate.cli.addresses import LOOPBACK, free_ports
from quorate.cli.health import NORMAL
from quorate.cli.options import Seconds
from quorate.cli.output import print_json
from quorate.cli.parent import environment_of_child
from quorate.cli.processes import Child, Children
from quorate.cli.status import ask_all
from quorate.cli.stopping import until_stopped
from quorate.cli.verdicts import print_catalogue, print_matrix, print_matrix_as_markdown, print_one, summary
from quorate.client.aio import connect
from quorate.config import Settings
from quorate.errors import ConfigurationError, QuorateError
from quorate.folder import create_cluster
from quorate.lab import namespaces
from quorate.lab.catalogue import ATTACKS, Attack, find_attack
from quorate.lab.course import BEFORE_SECONDS, Course
from quorate.lab.dialects import REGISTER_SERVICE
from quorate.lab.hands import Cutter
from quorate.lab.members import Laboratory, load_laboratory, make_laboratory
from quorate.lab.verdict import Verdict
from quorate.runtime.inspection import CONNECTED

BAD: Final = 1
INCOMPLETE: Final = 4
REPLICAS: Final = 4
DEFAULT_DIRECTORY: Final = "quorate-data"
SETTINGS: Final = Settings(checkpoint_interval=32, view_change_timeout_ms=500)
"""Of a cluster of its own: quick to checkpoint and to suspect, so that a few seconds show something."""
_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.05
_ANSWER_SECONDS: Final = 1.0
_NAMESPACE_PORT: Final = 7000


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
@click.option("--seconds", type=Seconds(0.1), default=3.0, show_default=True, help="How long an attack lasts.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of the attackers' chance.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
@click.option("--markdown", is_flag=True, help="With --all: print the table in Markdown, for documents.")
@click.option("--inside-namespaces", is_flag=True, hidden=True)
def attack(
    what: tuple[str, ...],
    replicas: tuple[int, ...],
    whole_matrix: bool,
    lists: bool,
    seconds: float,
    seed: int,
    as_json: bool,
    markdown: bool,
    inside_namespaces: bool,
) -> None:
    """Attack the laboratory in DIR while a workload runs, and say what came of it: safety, linearizability,
    availability, time to recover.

    STRATEGY is a traitor's, a lying client's, or a perturbation; a replica's may be joined by +. DIR is the folder of
    a cluster that `quorate up --lab` runs; by default ./quorate-data. A replica that lied follows the rules again
    afterwards, and stays counted as faulty. More than f at once are refused.

    With --all, links are also cut between network namespaces, each with one replica: where the system does not let
    this user make some, those attacks are skipped, and the table says why.

    \b
    Example:  quorate up --lab --dir quorate-lab
              quorate attack equivocate quorate-lab
              quorate attack --all --json

    Exit codes: 0 nothing was broken; 1 something was, or the cluster failed; 2 the command line or DIR is wrong;
    4 nothing was broken, but attacks were skipped.
    """
    terms = Terms(seconds, seed, inside_namespaces)
    if markdown and (as_json or not whole_matrix):
        raise ConfigurationError("--markdown prints the table of --all, and without --json")
    if lists:
        print_catalogue(as_json)
    elif whole_matrix:
        if replicas:
            raise ConfigurationError("--all chooses who attacks: leave out --replica")
        verdicts = until_stopped(_run_matrix(_chosen(what), terms))
        if as_json:
            print_json(msgspec.to_builtins(verdicts))
        elif markdown:
            print_matrix_as_markdown(verdicts)
        else:
            print_matrix(verdicts)
        sys.exit(_exit_code(verdicts))
    else:
        verdict = until_stopped(_run_one(*_target(what), replicas, terms))
        print_json(msgspec.to_builtins(verdict)) if as_json else print_one(verdict)
        sys.exit(_exit_code([verdict]))


def _exit_code(verdicts: Sequence[Verdict]) -> int:
    if any(verdict.is_bad for verdict in verdicts):
        return BAD
    return INCOMPLETE if any(verdict.skipped for verdict in verdicts) else 0


def _chosen(names: tuple[str, ...]) -> list[Attack]:
    """What --all runs."""
    folders = [name for name in names if name not in ATTACKS and Path(name).is_dir()]
    if folders:
        raise ConfigurationError(f"--all makes clusters of its own: leave out {folders[0]}")
    return [find_attack(name) for name in names or ATTACKS]


def _target(what: tuple[str, ...]) -> tuple[Attack, Path]:
    if not 1 <= len(what) <= 2:
        raise ConfigurationError("name a STRATEGY and a DIR, or give --all; `quorate attack --list` lists strategies")
    found = find_attack(what[0])
    if found.in_namespaces:
        raise ConfigurationError(
            f"{found.name} needs a cluster whose replicas are in network namespaces: quorate attack --all {found.name}"
        )
    return found, Path(what[1] if len(what) == 2 else DEFAULT_DIRECTORY)


async def _run_one(attack: Attack, directory: Path, replicas: Sequence[int], terms: Terms) -> Verdict:
    line = f"{attack.name}: a workload, after {BEFORE_SECONDS:g} s the attack for {terms.seconds:g} s, then the verdict"
    course = Course(load_laboratory(directory), attack, terms.seconds, terms.seed)
    return await course.run(replicas, announce=lambda: click.echo(line, err=True))


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
            verdict = Verdict(attack=one.name, kind=one.kind.value, row=one.row, failed=str(error))
        verdicts.append(verdict)
        if not terms.inside_namespaces:
            click.echo(f"{number} of {len(attacks)}: {one.name}: {summary(verdict)}", err=True)
    return verdicts


async def _run_on_own_cluster(attack: Attack, terms: Terms) -> Verdict:
    cutter: Cutter | None = namespaces.NamespaceCutter() if attack.in_namespaces else None
    with tempfile.TemporaryDirectory(prefix="quorate-attack-") as folder:
        async with own_cluster(Path(folder) / "cluster", attack.in_namespaces) as laboratory:
            return await Course(laboratory, attack, terms.seconds, terms.seed, cutter).run()


async def _run_in_namespaces(attack: Attack, terms: Terms) -> Verdict:
    """The same command, in a namespace in which it may do as it likes with the network. It has a session of its own:
    Ctrl-C reaches this process alone."""
    reason = namespaces.why_not()
    if reason is not None:
        return Verdict(attack=attack.name, kind=attack.kind.value, row=attack.row, skipped=reason)
    command = [*namespaces.entering(), sys.executable, "-m", "quorate", "attack", "--all", attack.name, "--json"]
    command += ["--inside-namespaces", "--seconds", str(terms.seconds), "--seed", str(terms.seed)]
    process = await create_subprocess_exec(*command, stdout=PIPE, env=environment_of_child(), start_new_session=True)
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
async def own_cluster(directory: Path, in_namespaces: bool) -> AsyncIterator[Laboratory]:
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
