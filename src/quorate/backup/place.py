"""A file that is there whole, or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from quorate.errors import ConfigurationError
from quorate.storage.log_file import sync_folder


def refuse_existing(path: Path, may_replace: bool) -> None:
    """Raise ConfigurationError when *path* is not to be written to."""
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; name a file")
    if not may_replace and (path.exists() or path.is_symlink()):
        raise ConfigurationError(f"{path} exists; choose another name, or --replace it")


@contextmanager
def put_in_place(path: Path, may_replace: bool) -> Iterator[BinaryIO]:
    """A new file, readable by its owner alone, that takes the place of *path* when it is filled and on disk; when that
    fails, nothing is left of it."""
    refuse_existing(path, may_replace)
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with open(os.open(temporary, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "w+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if may_replace:
            temporary.replace(path)
        else:
            os.link(temporary, path)  # fails when something is there by now
            temporary.unlink()
        sync_folder(path.absolute().parent)
    except OSError as error:
        remedy = "make room, or choose a place that you may write to"
        raise ConfigurationError(f"{path} cannot be written: {error.strerror or error}; {remedy}") from error
    finally:
        temporary.unlink(missing_ok=True)
