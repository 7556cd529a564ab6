"""Target: the file of a backup. Whatever it holds, it is the backup that was made, or one error names the file."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple
from zlib import crc32

from backup.making import Made, make_backup, make_cluster
from fuzz.source import Source
from quorate.backup.file import HEADER, MAGIC, TRAILER_BYTES, BackupReader
from quorate.backup.verification import anchor_of, open_backup, verify
from quorate.errors import BackupRefused, ConfigurationError, InvariantViolation

MESSAGE_MAX = 2000


class Template(NamedTuple):
    """A small backup, and a folder for what is made of it."""

    folder: Path
    made: Made


@cache
def template() -> Template:
    """It goes when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix="quorate-fuzz-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Template(folder, make_backup(make_cluster(folder / "cluster")))


def backup(data: bytes) -> None:
    """The bytes; the real file with some bytes changed; and that with checksums that fit, as a forger makes it."""
    folder, made = template()
    changed = edited(made.data, Source(data))
    for content in (data, changed, with_checksums(changed)):
        path = folder / "file"
        path.write_bytes(content)
        try:
            with open_backup(path) as reader:
                verify(reader, anchor_of(reader, made.cluster.path, None), take, tell)
        except (BackupRefused, ConfigurationError) as error:
            text = str(error)
            assert str(path) in text
            assert len(text) < MESSAGE_MAX
        else:
            assert content == made.data
        read_without_keys(path)


def read_without_keys(path: Path) -> None:
    """What a forger's own keys would vouch for: nothing else is raised, and nothing large is made of a small file."""
    try:
        with path.open("rb") as file:
            reader = BackupReader(file, str(path))
            size = sum(len(leaf) for _, leaf in reader.leaves())
            assert size <= reader.size == reader.position
    except (BackupRefused, ConfigurationError) as error:
        text = str(error)
        assert str(path) in text
    except InvariantViolation as error:
        raise AssertionError("a file is no defect of ours") from error


def edited(content: bytes, source: Source) -> bytes:
    """Some bytes are changed, left out or put in."""
    result = bytearray(content)
    while not source.is_empty:
        at = source.below(len(result) + 1) if len(result) < 256 else source.below(1 << 16) % (len(result) + 1)
        match source.below(3):
            case 0:
                del result[at : at + source.below(9)]
            case 1:
                result[at:at] = source.piece(8)
            case _:
                piece = source.piece(4)
                result[at : at + len(piece)] = piece
    return bytes(result)


def with_checksums(content: bytes) -> bytes:
    """The same with a header and a trailer that say that it is whole."""
    if len(content) < HEADER.size + TRAILER_BYTES:
        return content
    _, _, version, length = HEADER.unpack(content[: HEADER.size])
    blank = HEADER.pack(MAGIC, 0, version, length)
    description = content[HEADER.size : HEADER.size + length]
    head = HEADER.pack(MAGIC, crc32(blank + description), version, length)
    body = head + content[HEADER.size : -TRAILER_BYTES]
    return body + sha256(body).digest()


def take(path: object, leaf: bytes) -> None:
    """A leaf."""


def tell(position: int) -> None:
    """How far it is."""
