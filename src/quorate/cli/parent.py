"""A process that `quorate up` started ends with it, however that ends: also by SIGKILL."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Final

VARIABLE: Final = "QUORATE_PARENT"
"""The environment variable in which a parent gives its children its process id."""
_PR_SET_PDEATHSIG: Final = 1


def environment_of_child() -> dict[str, str]:
    """The environment for a child that shall end with this process."""
    return os.environ | {VARIABLE: str(os.getpid())}


def end_with_parent() -> None:
    """Where a parent asked for it: have the system send SIGTERM to this process when the parent ends."""
    parent = os.environ.pop(VARIABLE, "")
    if not parent.isdecimal() or not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(parent):  # it ended before the system knew
        sys.exit(1)
