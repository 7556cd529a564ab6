"""All targets by name. Each takes any bytes, and raises where something is wrong with what it tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fuzz import access, backups, folders, hostile, ports, reading, resp

TARGETS: dict[str, Callable[[bytes], None]] = {
    "codec": reading.codec,
    "authentication": reading.authentication,
    "sealed": reading.sealed,
    "framing": reading.framing,
    "handshake": reading.handshake,
    "listener": ports.listener,
    "replica": hostile.replica,
    "padded": hostile.padded,
    "access": access.access,
    "scanner": resp.scanner,
    "connection": resp.connection,
    "parser": resp.parser,
    "service": resp.service,
    "cluster-file": folders.cluster_file,
    "replica-file": folders.replica_file,
    "key-file": folders.key_file,
    "backup": backups.backup,
}
CORPUS = Path(__file__).parent / "corpus"


def corpus_of(target: str) -> list[Path]:
    """The inputs that are kept for a target."""
    return sorted(path for path in (CORPUS / target).glob("*") if path.is_file())
