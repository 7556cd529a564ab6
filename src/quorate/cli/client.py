"""`quorate client`: who may use the cluster (docs/ACCESS.md)."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, TypeVar

import click
from msgspec.structs import replace

from quorate.auth.certificates import AUTHORITY_FILE, open_authority, renew_certificate
from quorate.auth.files import write_new
from quorate.auth.keyfile import read_seed
from quorate.auth.keys import KeyPair
from quorate.cli.options import Seconds
from quorate.cli.output import own_name, print_json, print_table, say
from quorate.cli.passphrase import ask_passphrase, choose_passphrase, passphrase_option
from quorate.client.administration import Administration
from quorate.client.aio import connect
from quorate.config import KEY_PREFIX_MAX, ClientEntry
from quorate.errors import ConfigurationError, PermissionDenied, RequestTimeout
from quorate.folder import AUTHORITY_FOLDER, KEY_FILE, client_folder_of, create_client, load_client
from quorate.messages.access import CLIENT_NAME, PREFIXES_MAX, AccessRow

_Answer = TypeVar("_Answer")
_NO_KEY: Final = "0" * 64
KEY_DIGITS: Final = 16
"""So many digits of a key are shown, and are enough to name it."""

_timeout = click.option(
    "--timeout", default=10.0, show_default=True, type=Seconds(), help="Seconds to wait for an answer."
)
_directory = click.argument("directory", type=click.Path(path_type=Path))


@click.group()
def client() -> None:
    """Let clients into the cluster, list them, and shut them out.

    DIRECTORY is the folder of a client that is an administrator, or a whole cluster's folder, whose client is one. All
    replicas change at the same sequence number.

    \b
    Example:  quorate client add quorate-data reports --out reports --read-only
              quorate client list quorate-data
              quorate client revoke quorate-data reports
    """


@client.command()
@_directory
@click.argument("name")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Where the new client's folder is made, with its key."
)
@click.option("--read-only", is_flag=True, help="It may only read.")
@click.option(
    "--prefix",
    "prefixes",
    multiple=True,
    help="It may only use keys that begin with this; the option may be repeated.",
)
@click.option("--admin", is_flag=True, help="It may let clients in and shut them out.")
@click.option(
    "--encrypt-keys",
    is_flag=True,
    help="Encrypt its private key: with the passphrase of yours, where that is encrypted.",
)
@click.option(
    "--authority",
    type=click.Path(path_type=Path),
    help="With TLS, the folder of what signs its certificate; the cluster's own, if it is beside the client's folder.",
)
@_timeout
@passphrase_option
def add(
    directory: Path,
    name: str,
    out: Path,
    read_only: bool,
    prefixes: tuple[str, ...],
    admin: bool,
    encrypt_keys: bool,
    authority: Path | None,
    timeout: float,
) -> None:
    """Let the client NAME in: make its folder, with a new key pair, and submit the public key.

    The private key is made here and never leaves the folder. When no answer came in time, the same command again
    submits the key that is in the folder.

    \b
    Example:  quorate client add quorate-data shop --out shop --prefix cart: --prefix stock:

    Exit codes: 0 it may use the cluster; 1 it was refused, or no answer came in time; 2 an option or a folder is wrong.
    """
    _, configuration = load_client(directory, ask_passphrase)
    if not re.match(CLIENT_NAME, name):
        raise ConfigurationError(f"{name!r} is no client's name: up to 63 letters, digits, and _ . - inside")
    wanted = ClientEntry(name, _NO_KEY, admin, read_only, _checked(prefixes))
    is_new = not (out / KEY_FILE).exists()
    if is_new:
        certify = None if configuration.settings.transport == "tcp" else _certifier(directory, authority, name)
        passphrase = choose_passphrase() if encrypt_keys else None
        entry = create_client(out, configuration, wanted, passphrase, certify)
    else:
        entry = _present(out, wanted)
    try:
        number = _administer(directory, timeout, lambda access: access.add(entry.grant()))
    except PermissionDenied:
        if is_new:
            shutil.rmtree(out)
        raise
    except RequestTimeout as error:
        raise RequestTimeout(f"{error}; {out} is kept: the same command again submits its key") from error
    say(f"{name} may use the cluster since sequence number {number}: it may {describe(AccessRow(entry.grant()))}")
    say(f"  {out}  its folder; for example: {own_name()} status {out}")


def _certifier(directory: Path, authority: Path | None, name: str) -> Callable[[Path, KeyPair], None]:
    """What gives the new client a certificate, and the authorities that the administrator believes."""
    administrator = client_folder_of(directory)
    place = authority or administrator.parent / AUTHORITY_FOLDER
    if not (place / KEY_FILE).exists():
        raise ConfigurationError(
            f"{place / KEY_FILE} does not exist: this cluster uses TLS; name with --authority the folder `authority` "
            "that `quorate init` made, whose key signs the new client's certificate"
        )
    signs = open_authority(place, read_seed(place / KEY_FILE, ask_passphrase))
    signs.refuse_unless_believed(administrator / AUTHORITY_FILE)
    believed = (administrator / AUTHORITY_FILE).read_text(encoding="utf-8")

    def certify(folder: Path, key_pair: KeyPair) -> None:
        write_new(folder / AUTHORITY_FILE, believed, 0o644)
        renew_certificate(folder, signs, f"client {name}", None, key_pair)

    return certify


def _checked(prefixes: tuple[str, ...]) -> tuple[str, ...]:
    for prefix in prefixes:
        if not 1 <= len(prefix) <= KEY_PREFIX_MAX:
            raise ConfigurationError(f"--prefix {prefix!r}: a prefix has 1 to {KEY_PREFIX_MAX} characters")
    if len(prefixes) > PREFIXES_MAX:
        raise ConfigurationError(f"--prefix was given {len(prefixes)} times: up to {PREFIXES_MAX} are possible")
    return prefixes


def _present(folder: Path, wanted: ClientEntry) -> ClientEntry:
    """The entry in a folder that an earlier command made, if it is the one that is wanted."""
    key_pair, configuration = load_client(folder, ask_passphrase)
    public_key = key_pair.public_key.hex()
    entry = next(client for client in configuration.clients if client.public_key == public_key)
    if replace(entry, public_key=wanted.public_key) != wanted:
        raise ConfigurationError(f"{folder} is a client's with another name or other permissions: choose another place")
    return entry


@client.command("list")
@_directory
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@_timeout
@passphrase_option
def list_clients(directory: Path, as_json: bool, timeout: float) -> None:
    """List the clients that may use the cluster, and those that were revoked.

    \b
    Example:  quorate client list quorate-data

    Exit codes: 0 listed; 1 it was refused, or no answer came in time; 2 DIRECTORY is wrong.
    """
    rows = _administer(directory, timeout, lambda access: access.rows())
    rows.sort(key=lambda row: (bool(row.revoked_at), row.grant.name))
    if as_json:
        print_json([_as_object(row) for row in rows])
        return
    cells = [[row.grant.name, row.grant.public_key.hex()[:KEY_DIGITS], describe(row)] for row in rows]
    print_table(["client", "key", "may"], cells)


@client.command()
@_directory
@click.argument("name_or_key")
@_timeout
@passphrase_option
def revoke(directory: Path, name_or_key: str, timeout: float) -> None:
    """Shut a client out, for good: by its name, or by the first digits of its public key.

    From one sequence number on, every replica refuses its requests, closes its sessions and its links. Its key never
    comes back; its name may be given to another.

    \b
    Example:  quorate client revoke quorate-data reports

    Exit codes: 0 it is shut out; 1 it was refused, or no answer came in time; 2 there is no such client.
    """

    async def find_and_revoke(access: Administration) -> tuple[AccessRow, int]:
        row = _find(await access.rows(), name_or_key)
        return row, await access.revoke(row.grant.public_key)

    row, number = _administer(directory, timeout, find_and_revoke)
    key = row.grant.public_key.hex()[:KEY_DIGITS]
    say(f"{row.grant.name}, key {key}…, is shut out since sequence number {number}")


def _find(rows: list[AccessRow], name_or_key: str) -> AccessRow:
    """The client with this name that was not revoked, else the one whose key begins so."""
    found = [row for row in rows if row.grant.name == name_or_key and not row.revoked_at]
    if not found and len(name_or_key) >= KEY_DIGITS:
        found = [row for row in rows if row.grant.public_key.hex().startswith(name_or_key.lower())]
    if not found:
        raise ConfigurationError(f"there is no client {name_or_key}: quorate client list shows them")
    if len(found) > 1:
        raise ConfigurationError(f"{name_or_key} names {len(found)} clients: write more digits of the key")
    return found[0]


def describe(row: AccessRow) -> str:
    """What a client may do, in words."""
    grant = row.grant
    if row.revoked_at:
        return f"nothing: revoked at sequence number {row.revoked_at}"
    what = "read" if grant.is_read_only else "read and write"
    if grant.prefixes:
        what += " keys that begin with " + ", ".join(
            prefix.decode(errors="backslashreplace") for prefix in grant.prefixes
        )
    return what + ("; administrator" if grant.is_administrator else "")


def _as_object(row: AccessRow) -> dict[str, object]:
    grant = row.grant
    return {
        "name": grant.name,
        "public_key": grant.public_key.hex(),
        "administrator": grant.is_administrator,
        "read_only": grant.is_read_only,
        "prefixes": [prefix.decode(errors="backslashreplace") for prefix in grant.prefixes],
        "revoked_at": row.revoked_at or None,
    }


def _administer(directory: Path, timeout: float, ask: Callable[[Administration], Awaitable[_Answer]]) -> _Answer:
    """Ask as the client of *directory*."""
    load_client(directory, ask_passphrase)

    async def connected() -> _Answer:
        async with connect(directory) as client:
            try:
                async with asyncio.timeout(timeout):
                    return await ask(client.access)
            except TimeoutError:
                raise RequestTimeout(
                    f"no answer that enough replicas vouch for came within {timeout:g} seconds"
                ) from None

    return asyncio.run(connected())
