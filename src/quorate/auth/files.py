"""Files that are written whole, and that nobody but their owner could read at any instant."""

from __future__ import annotations

import os
from pathlib import Path


def write_new(path: Path, text: str, mode: int) -> None:
    """Make a file; on disk when this returns."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with open(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def replace_file(path: Path, text: str, mode: int) -> None:
    """Put a new file in the place of the one that is there, if there is one: at every instant one of them is whole."""
    replacement = path.with_name(f"{path.name}.new")
    replacement.unlink(missing_ok=True)
    write_new(replacement, text, mode)
    replacement.replace(path)
