"""Work that signals end in order: whichever comes, however often, and also where Ctrl-C would be ignored."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

PATIENCE = 60.0
STOPPED = "stopped in order\nstopped before there was a verdict\n"
NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WORK = """
import asyncio, signal, sys
from quorate.cli.stopping import until_stopped
from quorate.errors import QuorateError

async def work():
    try:
        print("begun", flush=True)
        await asyncio.Event().wait()
    finally:
        print("stopping", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        print("stopped in order", flush=True)

if "ignored" in sys.argv:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
try:
    until_stopped(work())
except QuorateError as error:
    print(error)
"""


@contextmanager
def working(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """Work that has begun."""
    command = [sys.executable, "-c", WORK, *arguments]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "begun\n"
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("second", NUMBERS)
@pytest.mark.parametrize("first", NUMBERS)
def test_what_ends_in_order_is_not_interrupted(first: signal.Signals, second: signal.Signals) -> None:
    with working() as process:
        process.send_signal(first)
        assert process.stdout is not None
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(second)
        assert process.communicate("go on\n", PATIENCE) == (STOPPED, "")

    assert process.returncode == 0


def test_what_a_shell_started_in_its_background_is_stopped_too() -> None:
    """Where nobody controls jobs, it starts with SIGINT ignored."""
    with working("ignored") as process:
        process.send_signal(signal.SIGINT)
        assert process.communicate("go on\n", PATIENCE) == ("stopping\n" + STOPPED, "")
