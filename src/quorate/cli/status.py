"""`quorate status`: what each replica thinks."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from quorate.cli.health import LOST_VOTES, RECOVERING, UNREACHABLE, Answer, NoAnswer, assess, describe_cluster
from quorate.cli.options import Seconds
from quorate.cli.output import counted, print_json, print_table, say
from quorate.cli.passphrase import ask_passphrase, passphrase_option
from quorate.cli.renewal import REMEDY
from quorate.client.aio import AsyncClient, connect
from quorate.config import ClusterConfiguration
from quorate.errors import RequestFailed
from quorate.folder import load_client
from quorate.lab.control import tell
from quorate.lab.members import is_laboratory

UNHEALTHY: Final = 1
_COLUMNS: Final = {
    "id": "id",
    "pid": "pid",
    "address": "address",
    "reachable": "reachable",
    "view": "view",
    "role": "role",
    "status": "status",
    "last_executed": "last\nexecuted",
    "low_watermark": "low\nwatermark",
    "stable_checkpoint": "stable\ncheckpoint",
    "state_digest": "state\ndigest",
    "view_changes": "view\nchanges",
}
_TEXTS: Final = frozenset({"address", "reachable", "role", "status", "state_digest"})
_DIGEST_SHOWN: Final = 8


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path("quorate-data"))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
@click.option(
    "--timeout", default=2.0, show_default=True, type=Seconds(), help="Seconds to wait for each replica's answer."
)
@passphrase_option
def status(directory: Path, as_json: bool, timeout: float) -> None:
    """Ask every replica of the cluster in DIRECTORY how it is: each answers for itself.

    DIRECTORY is the cluster's folder or a client's; by default ./quorate-data.

    \b
    Example:  quorate status quorate-data --json

    Exit codes: 0 all replicas are well; 1 one is unreachable or unwell; 2 DIRECTORY is no client's folder.
    """
    _, configuration = load_client(directory, ask_passphrase)
    report = assess(configuration, asyncio.run(_ask(directory, configuration, timeout)))
    report["laboratory"] = asyncio.run(_ask_laboratory(directory, configuration, timeout))
    if as_json:
        print_json(report)
    else:
        _print(report)
    sys.exit(0 if report["healthy"] else UNHEALTHY)


async def _ask(directory: Path, configuration: ClusterConfiguration, timeout: float) -> list[Answer | NoAnswer]:
    async with connect(directory, wait_seconds=0) as client:
        return await ask_all(client, configuration.replica_count, timeout)


async def _ask_laboratory(
    directory: Path, configuration: ClusterConfiguration, timeout: float
) -> list[dict[str, Any]] | None:
    """How the replicas of a laboratory were turned and hindered, told by their own sockets; None if it is none."""
    if not is_laboratory(directory):
        return None
    folders = [directory / f"replica-{replica_id}" for replica_id in range(configuration.replica_count)]
    told = await asyncio.gather(*(tell(folder, timeout) for folder in folders))
    return [
        {
            "id": one.replica_id,
            "has_lied": one.has_lied,
            "lies": list(one.lies),
            "failure": one.failure,
            "deaf_to": sorted(one.deaf_to),
            "clock_offset_us": one.clock_offset,
        }
        for one in told
        if one is not None
    ]


async def ask_all(client: AsyncClient, replica_count: int, timeout: float) -> list[Answer | NoAnswer]:
    """What every replica answers to INSPECT, or why it did not in time."""
    return await asyncio.gather(*(_ask_one(client, replica_id, timeout) for replica_id in range(replica_count)))


async def _ask_one(client: AsyncClient, replica_id: int, timeout: float) -> Answer | NoAnswer:
    try:
        return await client.inspect(replica_id, timeout)
    except RequestFailed as error:
        return NoAnswer(str(error))


def _print(report: dict[str, Any]) -> None:
    rows = [[_cell(name, replica) for name in _COLUMNS] for replica in report["replicas"]]
    numbers = frozenset(title for name, title in _COLUMNS.items() if name not in _TEXTS)
    print_table(list(_COLUMNS.values()), rows, numbers)
    say(describe_cluster(report["faults_left"], report["n"], report["f"]))
    if report["has_lost_its_votes"]:
        say(f"so many have lost their votes that it never goes on: {REMEDY}")
    if report["laboratory"] is not None:
        say(
            "a laboratory" + ("" if report["laboratory"] else ", of which no replica was started by `quorate up --lab`")
        )
        for replica in report["laboratory"]:
            for line in _turns(replica):
                say(f"replica {replica['id']} {line}")
    for replica in report["replicas"]:
        for line in _remarks(replica):
            say(f"replica {replica['id']} {line}")


def _cell(name: str, replica: Mapping[str, Any]) -> str:
    value = replica[name]
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)[:_DIGEST_SHOWN] if name == "state_digest" else str(value)


def _turns(replica: Mapping[str, Any]) -> list[str]:
    """What was done to a laboratory's replica."""
    turns = []
    if replica["lies"]:
        turns.append(f"is a traitor now: {', '.join(replica['lies'])}")
    elif replica["has_lied"]:
        turns.append("was a traitor, follows the rules again, and counts as faulty until `quorate up --lab --fresh`")
    if replica["failure"]:
        turns.append(f"was stopped by its own lies: {replica['failure']}")
    if replica["deaf_to"]:
        turns.append(f"hears nothing from {', '.join(map(str, replica['deaf_to']))}: its links are cut")
    if replica["clock_offset_us"]:
        turns.append(f"has a clock that is {replica['clock_offset_us'] / 1_000_000:+g} seconds wrong")
    return turns


def _fetching(sequence_number: int, nodes: int, size: int, outstanding: int) -> str:
    so_far = f"{counted(nodes, 'node')} of its tree, {size:,} bytes"
    return f"fetches the state at {sequence_number} from the others: {so_far} so far, {outstanding} more differ"


def _remarks(replica: Mapping[str, Any]) -> list[str]:
    """What an operator has to know besides."""
    remarks = []
    if replica["status"] == UNREACHABLE:
        remarks.append(f"is unreachable: {replica['reason']}")
    if replica["status"] == LOST_VOTES:
        remarks.append(f"has lost its votes: {replica['votes_lost']}; it stays silent and counts as failed")
    if replica["status"] == RECOVERING:
        point = replica["recovery_point"]
        way = f"it is at {replica['low_watermark']} of {point}" if point else "its request is not executed yet"
        remarks.append(f"recovers, for it has lost its votes: {replica['votes_lost']}; {way}, and it counts as failed")
    if replica["storage_trouble"] is not None:
        remarks.append(f"does not vote: {replica['storage_trouble']}; once that is mended, it goes on by itself")
    if replica["transfer"] is not None:
        remarks.append(_fetching(**replica["transfer"]))
    elif replica["needs_state"]:
        remarks.append("is too far behind to catch up by messages: it needs a checkpoint from the others")
    remarks.extend(
        f"noticed {counted(count, 'time')}: {what}" for what, count in sorted((replica["incidents"] or {}).items())
    )
    remarks.extend(
        f"refused {refusal['count']} from {refusal['peer']}: {refusal['reason']}"
        for refusal in replica["refused"] or ()
    )
    return remarks
