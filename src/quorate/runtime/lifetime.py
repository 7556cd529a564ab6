"""One process a replica, and what a restart means: a lock and a marker in the replica's folder."""

from __future__ import annotations

import fcntl
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NoReturn

from quorate.errors import ConfigurationError
from quorate.storage.log_file import replace_file

LOCK_FILE: Final = "lock"
MARKER_FILE: Final = "started"
_INCARNATION: Final = re.compile("[0-9a-f]{32}")


class AlreadyRunning(ConfigurationError):
    """Another process holds the folder."""


@contextmanager
def hold_folder(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder. For a replica's: two processes with one identity would contradict each other's votes.

    The system gives the lock back when the process ends, however it ends; the file stays.
    """
    path = folder / LOCK_FILE
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be opened: {error.strerror}; a replica writes to its folder"
        ) from error
    with open(descriptor, "r+", encoding="ascii") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = file.read().strip() or "unknown"
            raise AlreadyRunning(f"{folder} runs already (pid {holder}); stop that process first") from None
        file.truncate()
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def begin_anew() -> NoReturn:
    """Replace this process by a new one with the same arguments: the program is read from disk again, and nothing is
    left in memory of what ran before."""
    os.execv(sys.executable, [sys.executable, "-m", "quorate", *sys.argv[1:]])


def is_running(folder: Path) -> bool:
    """Whether a process holds the folder. Raises ConfigurationError when that cannot be told."""
    if not (folder / LOCK_FILE).exists():
        return False
    try:
        with hold_folder(folder):
            return False
    except AlreadyRunning:
        return True


def has_started(folder: Path, incarnation: str) -> bool:
    """Whether a replica was started from this folder in this incarnation of the cluster: it may have voted.

    A marker that names no incarnation at all is damaged, and might have named this one.
    """
    path = folder / MARKER_FILE
    try:
        marked = path.read_text(encoding="ascii", errors="replace").strip()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; mend it or its folder") from error
    return marked == incarnation or not _INCARNATION.fullmatch(marked)


def mark_started(folder: Path, incarnation: str) -> None:
    """Note, on disk before the first vote leaves, that this incarnation was started from this folder.

    A marker that is there already is not touched, and an older one is replaced whole: at no instant is there none.
    """
    if has_started(folder, incarnation):
        return
    path = folder / MARKER_FILE
    replacement = path.with_suffix(".new")
    try:
        with replacement.open("w", encoding="ascii") as file:
            file.write(f"{incarnation}\n")
            file.flush()
            os.fsync(file.fileno())
        replace_file(replacement, path)
    except OSError as error:
        raise ConfigurationError(
            f"{path} cannot be written: {error.strerror}; a replica writes to its folder"
        ) from error


def forget_start(folder: Path) -> None:
    """Remove the marker: the cluster has a new incarnation, in which nobody has voted."""
    path = folder / MARKER_FILE
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be removed: {error.strerror}; remove it yourself") from error
