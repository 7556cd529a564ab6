"""Processes that the suite starts, on ports that were free, in folders of its own; and that all end with it."""

from __future__ import annotations

import random
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType

from benchmarks.measurement import MeasurementFailed

ROOT = Path(__file__).parent.parent
"""The root of the checkout: `benchmarks` can be imported from there."""
LOOPBACK = "127.0.0.1"
_PORTS = range(12_000, 20_000)
"""Below the range that the system takes the ports of outgoing connections from."""
_STOP_SECONDS = 10.0
_LOG_LINES = 5


def free_ports(count: int) -> int:
    """The first of *count* consecutive ports that nobody listens on."""
    for _ in range(1000):
        first = random.SystemRandom().randrange(_PORTS.start, _PORTS.stop - count)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise MeasurementFailed(f"no {count} ports in a row are free between {_PORTS.start} and {_PORTS.stop}")


def _is_free(port: int) -> bool:
    with closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def is_listening(port: int) -> bool:
    """Whether connections to the port are accepted."""
    with closing(socket.socket()) as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOOPBACK, port)) == 0


def python_module(*arguments: str) -> list[str]:
    """The command that runs a module with this Python."""
    return [sys.executable, "-m", *arguments]


class Processes:
    """A folder and the processes that live in it. Leaving the context stops them, the last started first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._started: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None, *, piped: bool = False
    ) -> subprocess.Popen[bytes]:
        """Start a command; what it prints goes to a log file, but its standard output to a pipe if that is asked for.

        It is in a session of its own, so that Ctrl-C reaches the suite alone, which then stops it.
        """
        log = self.log_of(name)
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*_tie_to_parent(), *command],
                stdin=subprocess.PIPE if piped else subprocess.DEVNULL,
                stdout=subprocess.PIPE if piped else output,
                stderr=output,
                env=environment,
                cwd=ROOT,
                start_new_session=True,
            )
        self._started.append((name, process))
        return process

    def named(self, name: str) -> subprocess.Popen[bytes]:
        """A process that was started."""
        return next(process for each, process in self._started if each == name)

    def running(self) -> list[tuple[str, int]]:
        """The names and ids of all that were started and not ended."""
        return [(name, process.pid) for name, process in self._started]

    def kill(self, pid: int) -> None:
        """SIGKILL to one process, which has ended as it should then."""
        process = next(process for _, process in self._started if process.pid == pid)
        process.kill()
        self.end(process)

    def end(self, process: subprocess.Popen[bytes]) -> None:
        """End one process before the others, or note that it has ended as it should."""
        self._started = [(name, each) for name, each in self._started if each is not process]
        _stop([process])

    def log_of(self, name: str) -> Path:
        """Where a process writes."""
        return self.folder / f"{name}.log"

    def wait_until(self, is_ready: Callable[[], bool], seconds: float, what: str) -> None:
        """Ask again and again; MeasurementFailed when time is up or a process has ended."""
        deadline = time.monotonic() + seconds
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise MeasurementFailed(f"{what} took longer than {seconds:g} s{self._last_words()}")
            time.sleep(0.05)

    def check(self) -> None:
        """MeasurementFailed when a process has ended."""
        for name, process in self._started:
            if process.poll() is not None:
                raise MeasurementFailed(f"{name} ended with exit code {process.returncode}{self._last_words(name)}")

    def _last_words(self, name: str | None = None) -> str:
        names = [name] if name else [each for each, _ in self._started]
        words = []
        for each in names:
            lines = self.log_of(each).read_text(errors="replace").strip().splitlines()
            words += [f"\n  {each}: {line}" for line in lines[-_LOG_LINES:]]
        return "".join(words)

    def stop(self) -> None:
        """End all processes."""
        _stop([process for _, process in reversed(self._started)])
        self._started.clear()


def _stop(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask processes to end; what does not end in time is killed."""
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + _STOP_SECONDS
    for process in processes:
        try:
            process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _tie_to_parent() -> list[str]:
    """A prefix that has the system kill the process when the suite is killed and can no longer stop it."""
    command = shutil.which("setpriv")
    return [command, "--pdeathsig", "KILL"] if command else []
