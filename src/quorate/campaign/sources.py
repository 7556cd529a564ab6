"""Which sources are running: results of others are told apart by their digest."""

from __future__ import annotations

import subprocess
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Final

import quorate

ROOT: Final = Path(quorate.__file__).parent


@cache
def sources_digest() -> str:
    """A digest of every Python file of this package, once a process: what changes later was not run by it."""
    digest = sha256()
    for path in sorted(ROOT.rglob("*.py")):
        name, content = path.relative_to(ROOT).as_posix().encode(), path.read_bytes()
        digest.update(b"%d %b %d " % (len(name), name, len(content)) + content)
    return digest.hexdigest()[:16]


@cache
def sources_version() -> str:
    """The version, and the commit with whether the sources differ from it, where Git can say so."""
    try:
        commit = _git("log", "-1", "--format=%h", "--", ".")
        changed = " with changes" if _git("status", "--porcelain", "--", ".") else ""
    except (OSError, subprocess.SubprocessError):
        commit = changed = ""
    return f"{version('quorate')}{' at ' + commit + changed if commit else ''}"


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, capture_output=True, text=True, timeout=10, check=True, stdin=subprocess.DEVNULL
    )
    return done.stdout.strip()
