"""`quorate backup`, `quorate verify`, `quorate restore` (docs/BACKUP.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import click
from msgspec.structs import replace
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

from quorate.backup.certificate import fingerprint
from quorate.backup.file import BackupReader
from quorate.backup.live import LiveBackup, Result, Tell
from quorate.backup.live import Progress as Step
from quorate.backup.offline import back_up_folder, is_replicas_folder
from quorate.backup.place import put_in_place, refuse_existing
from quorate.backup.restore import Restored, Restorer, Wanted
from quorate.backup.verification import Anchor, Summary, anchor_of, configuration_at, open_backup, verify
from quorate.cli.init import addresses_of, describe_group
from quorate.cli.options import Seconds
from quorate.cli.output import counted, print_json, say
from quorate.cli.passphrase import ask_passphrase, choose_passphrase, passphrase_option
from quorate.client.aio import connect
from quorate.core.quorum import quorums_of
from quorate.errors import ConfigurationError
from quorate.folder import load_client
from quorate.messages.protocol import REPLICAS_MAX

_SECOND: Final = 1_000_000
_KILOBYTE: Final = 1000

_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document, for programs.")
_keys = click.option(
    "--keys",
    type=click.Path(path_type=Path),
    help="Whose backup it has to be: a folder of the cluster or of one of its members, or a cluster.toml.",
)
_fingerprint = click.option(
    "--fingerprint", "wanted", metavar="HEX", help="The same, where the keys are lost: what `quorate backup` printed."
)


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--stable",
    is_flag=True,
    help="Take the newest stable checkpoint as it is: a cluster that orders nothing any more can be backed up so; "
    "the latest operations may be missing.",
)
@click.option(
    "--replace", "may_replace", is_flag=True, help="FILE may exist; it is replaced once the new one is whole."
)
@click.option(
    "--timeout", default=60.0, show_default=True, type=Seconds(), help="Seconds for which nothing may come, at most."
)
@_json
@passphrase_option
def backup(directory: Path, file: Path, stable: bool, may_replace: bool, timeout: float, as_json: bool) -> None:
    """Write a checkpoint of the running cluster, with the signatures that vouch for it, to FILE.

    DIRECTORY is the folder of a client that is an administrator, or a whole cluster's folder, whose client is one. All
    that was acknowledged before is in it. No replica is believed: what is fetched is verified against what a quorum
    signed. Or DIRECTORY is the folder of one stopped replica, and what it kept is backed up.

    FILE holds all data, and is readable by you alone. No private key is in it.

    \b
    Example:  quorate backup quorate-data shop.backup
              quorate verify shop.backup --keys quorate-data

    Exit codes: 0 made; 1 it was refused, or nothing came in time; 2 DIRECTORY or FILE is wrong.
    """
    refuse_existing(file, may_replace)
    is_offline = is_replicas_folder(directory)
    configuration = configuration_at(directory) if is_offline else load_client(directory, ask_passphrase)[1]
    with put_in_place(file, may_replace) as out, _steps(not as_json) as tell:
        if is_offline:
            result = back_up_folder(directory, out, tell, ask_passphrase)
        else:
            result = asyncio.run(_back_up(directory, out, tell, timeout, stable))
        out.seek(0)
        anchor = Anchor(configuration, f"the public keys in {directory}")
        summary = verify(BackupReader(out, str(file)), anchor, _nothing, lambda position: None)
    if as_json:
        print_json({**_summary_as_object(file, summary), "liars": result.liars})
        return
    say(f"{file}: {_size(summary.file_bytes)}, read back and verified; signed by {_replicas(summary.signers)}")
    _print_summary(summary, anchor)
    say("Note the fingerprint down: it is whom to believe should all folders of the cluster be lost.")
    if result.liars:
        say(f"  {_replicas(result.liars)} sent something else than what was signed: see `quorate status`")


def _nothing(path: object, data: bytes) -> None:
    """Nobody wants the leaves: they are only verified."""


async def _back_up(directory: Path, out: Any, tell: Tell, timeout: float, stable: bool) -> Result:
    async with connect(directory) as client:
        return await LiveBackup(client, tell, timeout).run(out, stable)


@click.command("verify")
@click.argument("file", type=click.Path(path_type=Path))
@_keys
@_fingerprint
@_json
def verify_backup(file: Path, keys: Path | None, wanted: str | None, as_json: bool) -> None:
    """Check, without a cluster, that a quorum's signatures vouch for every byte of the backup in FILE.

    Whose signatures is for you to say: --keys or --fingerprint. The keys in the file alone prove nothing.

    \b
    Example:  quorate verify shop.backup --keys quorate-data

    Exit codes: 0 it holds; 1 it is damaged, or not vouched for by these keys; 2 it is no backup, or an option is wrong.
    """
    with open_backup(file) as reader, _bar("verifying", reader.size, not as_json) as tell:
        anchor = anchor_of(reader, keys, wanted)
        summary = verify(reader, anchor, _nothing, tell)
    if as_json:
        print_json(_summary_as_object(file, summary))
        return
    say(f"{file}: whole, and signed by {_replicas(summary.signers)}")
    _print_summary(summary, anchor)


@click.command("restore")
@click.argument("file", type=click.Path(path_type=Path))
@click.argument("directory", type=click.Path(path_type=Path))
@_keys
@_fingerprint
@click.option(
    "--replace", "may_replace", is_flag=True, help="DIRECTORY holds a cluster that has run: replace its state."
)
@click.option("--replicas", type=click.IntRange(1, REPLICAS_MAX), help="How many, in a new folder.  [as before]")
@click.option("--host", "hosts", multiple=True, help="Where they listen, in a new folder; as `quorate init` takes it.")
@click.option("--port-base", type=int, help="Replica i listens on this port plus i, in a new folder.")
@click.option("--durability", type=click.Choice(["sync", "async"]), help="In a new folder.  [as before]")
@click.option("--encrypt-keys", is_flag=True, help="Encrypt the private keys of a new folder with a passphrase.")
@_json
@passphrase_option
def restore(
    file: Path,
    directory: Path,
    keys: Path | None,
    wanted: str | None,
    may_replace: bool,
    as_json: bool,
    **new: Any,
) -> None:
    """Make a cluster whose replicas all begin with the backup in FILE, which is verified first.

    Where there is no DIRECTORY, it is made, as `quorate init` does, with new keys. Where it is the folder of a whole
    cluster that is stopped, its keys, addresses and settings stay, it gets a new incarnation, and what it held is gone:
    --replace, if it has run. Without --keys and --fingerprint the keys of that cluster are asked for.

    Whoever could use the cluster that was backed up can use the restored one, with the key that they have and the new
    cluster.toml; so can the client in DIRECTORY, as an administrator. What was executed after the backup is gone.

    \b
    Example:  quorate restore shop.backup shop --replace
              quorate restore shop.backup new-shop --keys shop/client --port-base 7200

    Exit codes: 0 made; 1 the backup is damaged or not vouched for; 2 a file, a folder or an option is wrong, or the
    cluster runs.
    """
    wishes = _Wishes(**new)
    exists = directory.is_dir() and any(directory.iterdir())
    if exists and any(wishes):
        raise ConfigurationError(
            f"{directory} has its keys, addresses and settings: leave out what is for a new folder"
        )
    if exists and keys is None and wanted is None:
        keys = directory
    with open_backup(file) as reader, _bar("restoring", reader.size, not as_json) as tell:
        anchor = anchor_of(reader, keys, wanted)
        restorer = Restorer(reader, anchor, tell, ask_passphrase)
        if exists:
            restored = restorer.into_cluster(directory, may_replace)
        else:
            restored = restorer.into_new_folder(directory, _wanted(reader, anchor, wishes))
    if as_json:
        print_json(_restored_as_object(file, restored))
    else:
        _print_restored(file, restored, anchor, not exists)


class _Wishes(NamedTuple):
    """What the command line asks of a new folder."""

    replicas: int | None
    hosts: tuple[str, ...]
    port_base: int | None
    durability: Literal["sync", "async"] | None
    encrypt_keys: bool


def _wanted(reader: BackupReader, anchor: Anchor, wishes: _Wishes) -> Wanted:
    configuration = anchor.configuration
    addresses = [(member.host, member.port) for member in configuration.replicas]
    if wishes.replicas or wishes.hosts or wishes.port_base:
        count = wishes.replicas or configuration.replica_count
        addresses = addresses_of(count, wishes.hosts or ("127.0.0.1",), wishes.port_base or 7100)
    settings = configuration.settings
    if wishes.durability is not None:
        settings = replace(settings, durability=wishes.durability)
    if settings.durability == "memory":
        raise ConfigurationError(
            "the cluster kept its state in memory; the restored one needs --durability sync or async"
        )
    return Wanted(addresses, settings, choose_passphrase() if wishes.encrypt_keys else None)


# ------------------------------------------------------------------------------------------------- for people


def _print_summary(summary: Summary, anchor: Anchor) -> None:
    configuration = summary.configuration
    say(f"  checked with     {summary.source}")
    if anchor.configuration.incarnation != configuration.incarnation:
        say(f"  incarnation      {configuration.incarnation}; the cluster has another one by now")
    say(f"  cluster          {describe_group(configuration.replica_count)}; service {configuration.service}")
    say(f"  sequence number  {summary.sequence_number:,}")
    say(f"  time             {_time(summary.time)}")
    held = counted(summary.keys, "key") + ", " if summary.keys is not None else ""
    say(f"  state            {held}{_size(summary.state_bytes)} in {counted(summary.leaves, 'partition')}")
    live = sum(not row.revoked_at for row in summary.clients)
    say(f"  clients          {counted(live, 'client')}, {counted(summary.sessions, 'open session')}")
    say(f"  digest           {summary.digest.hex()}")
    say(f"  fingerprint      {fingerprint(configuration)}")


def _print_restored(file: Path, restored: Restored, anchor: Anchor, is_new: bool) -> None:
    cluster = restored.cluster
    say(f"{cluster.path}: begins with {file}, which is whole and signed by {_replicas(restored.summary.signers)}")
    _print_summary(restored.summary, anchor)
    say(f"  begins with      digest {restored.digest.hex()[:16]}…, equal at all replicas")
    if restored.administrator is not None:
        say(f"{cluster.client()} was let in as the administrator {restored.administrator}")
    for name in restored.left_out:
        say(f"client {name} may use the cluster, but cannot be written into cluster.toml: its prefixes are no text")
    what = "folder" if is_new else "folder, with `storage` and the new `cluster.toml`,"
    say(f"Nothing of the old cluster may run. On other machines, put each {what} in the place of the old one:")
    for replica_id, (folder, member) in enumerate(zip(cluster.replicas(), cluster.configuration.replicas, strict=True)):
        say(f"  {folder}  replica {replica_id} at {member.host}:{member.port}; start it: quorate replica {folder}")
    say("Clients and gateways keep their private.key, and take the new cluster.toml.")


def _replicas(ids: list[int]) -> str:
    return ("replica " if len(ids) == 1 else "replicas ") + ", ".join(map(str, ids))


def _size(count: int) -> str:
    size = float(count)
    for unit in ("bytes", "kB", "MB"):
        if size < _KILOBYTE:
            return f"{size:.3g} {unit}" if unit != "bytes" else counted(count, "byte")
        size /= _KILOBYTE
    return f"{size:,.1f} GB"


def _time(microseconds: int) -> str:
    try:
        return datetime.fromtimestamp(microseconds / _SECOND, UTC).isoformat(timespec="seconds")
    except (OverflowError, ValueError, OSError):
        return f"{microseconds} µs since 1970"


@contextmanager
def _steps(visible: bool) -> Iterator[Tell]:
    """What is being done, on standard error where somebody looks."""
    console = Console(stderr=True)
    hidden = not (visible and console.is_terminal)
    with Progress(TextColumn("{task.description}"), console=console, disable=hidden, transient=True) as progress:
        task = progress.add_task("asking the cluster")

        def tell(step: Step) -> None:
            size = f": {counted(step.nodes, 'piece')}, {_size(step.written)}" if step.nodes else ""
            progress.update(task, description=step.what + size)

        yield tell


@contextmanager
def _bar(what: str, total: int, visible: bool) -> Iterator[Callable[[int], None]]:
    """How much of a file was read."""
    console = Console(stderr=True)
    hidden = not (visible and console.is_terminal)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, console=console, disable=hidden, transient=True) as progress:
        task = progress.add_task(what, total=total)
        yield lambda position: progress.update(task, completed=position)


# ----------------------------------------------------------------------------------------------- for programs


def _summary_as_object(file: Path, summary: Summary) -> dict[str, object]:
    configuration = summary.configuration
    quorums = quorums_of(configuration.replica_count)
    return {
        "file": str(file),
        "checked_with": summary.source,
        "n": configuration.replica_count,
        "f": quorums.faults,
        "quorum": quorums.quorum,
        "signers": summary.signers,
        "cluster_id": configuration.cluster_id,
        "incarnation": configuration.incarnation,
        "service": configuration.service,
        "sequence_number": summary.sequence_number,
        "digest": summary.digest.hex(),
        "time": summary.time,
        "keys": summary.keys,
        "leaves": summary.leaves,
        "state_bytes": summary.state_bytes,
        "clients": sum(not row.revoked_at for row in summary.clients),
        "sessions": summary.sessions,
        "file_bytes": summary.file_bytes,
        "fingerprint": fingerprint(configuration),
    }


def _restored_as_object(file: Path, restored: Restored) -> dict[str, object]:
    return {
        "directory": str(restored.cluster.path),
        "cluster_id": restored.cluster.configuration.cluster_id,
        "incarnation": restored.cluster.configuration.incarnation,
        "digest": restored.digest.hex(),
        "administrator": restored.administrator,
        "left_out": restored.left_out,
        "backup": _summary_as_object(file, restored.summary),
    }
