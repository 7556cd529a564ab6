"""Targets: the files of a member. They load, or one error names the file and what is wrong with it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

from fuzz.source import Source
from quorate.config import Settings
from quorate.errors import ConfigurationError
from quorate.folder import CLUSTER_FILE, KEY_FILE, REPLICA_FILE, create_cluster, load_client, load_replica

VALUES = [b"0", b"-1", b'""', b'"x"', b"true", b"1.5", b"[]", b"{}", b"9" * 30, b"nan", b"1979-05-27", b"'''\n'''", b""]


@cache
def template() -> Path:
    """A folder of a replica as `quorate init` makes it; it goes when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="quorate-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    cluster = create_cluster(folder / "cluster", [("127.0.0.1", 7100)] * 1, "redis", Settings())
    return cluster.replica(0)


def cluster_file(data: bytes) -> None:
    """cluster.toml: the bytes, or the real file with some lines changed."""
    _load(CLUSTER_FILE, data)


def replica_file(data: bytes) -> None:
    """replica.toml."""
    _load(REPLICA_FILE, data)


def key_file(data: bytes) -> None:
    """private.key."""
    _load(KEY_FILE, data)


def _load(name: str, data: bytes) -> None:
    folder = template()
    path = folder / name
    original = path.read_bytes()
    try:
        for content in (data, _edited(original, Source(data))):
            path.write_bytes(content)
            for load in (load_replica, load_client):
                try:
                    load(folder)
                except ConfigurationError as error:
                    text = str(error)
                    assert str(folder) in text, text
                    assert len(text) < 600 + 3 * len(str(folder)) + len(content), text
                    if name == KEY_FILE:
                        assert not content.strip() or len(content) < 8 or content.strip().hex() not in text
    finally:
        path.write_bytes(original)


def _edited(content: bytes, source: Source) -> bytes:
    """A file with lines left out, doubled, with other values, or with other bytes."""
    lines = content.splitlines(keepends=True)
    while not source.is_empty and lines:
        at = source.below(len(lines))
        name, equals, _ = lines[at].partition(b"=")
        match source.below(5):
            case 0:
                del lines[at]
            case 1:
                lines.insert(at, lines[source.below(len(lines))])
            case 2:
                lines[at] = source.piece(20) + b"\n"
            case _:
                lines[at] = name + equals + b" " + source.choose(VALUES) + b"\n"
    return b"".join(lines)
