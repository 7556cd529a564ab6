"""Clusters of real processes. Whatever a test does, its processes end with it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis

from end_to_end.calling import Caller
from quorate.cli.addresses import LOOPBACK, free_ports

START_SECONDS = 40.0
_POLL_SECONDS = 0.02


def eventually(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """The first true value of *condition*; the test fails when none comes in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds} seconds"
        time.sleep(_POLL_SECONDS)
    return value


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False


def run_quorate(*arguments: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "quorate", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


class RunningCluster:
    """A `quorate up` in a process of its own."""

    def __init__(self, directory: Path, *options: str, redis_port: int | None = None) -> None:
        self.directory = directory
        self.redis_port = redis_port
        gateway = ["--no-redis"] if redis_port is None else ["--redis", f"{LOOPBACK}:{redis_port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quorate", "up", "--dir", str(directory), *gateway, *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=pair, daemon=True)
            for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))
        ]
        for reader in self._readers:
            reader.start()

    @staticmethod
    def _read(stream: Any, lines: list[str]) -> None:
        for line in stream:
            lines.append(line.rstrip("\n"))

    def _read_to_the_end(self) -> None:
        """It has ended; what it printed may not have been read yet."""
        for reader in self._readers:
            reader.join(5)

    @property
    def output(self) -> str:
        """What it printed until now."""
        return "\n".join([*self.lines, *self.errors])

    def line(self, pattern: str, seconds: float = START_SECONDS) -> re.Match[str]:
        """The first line that matches *pattern*, once it is there."""

        def find() -> re.Match[str] | None:
            has_ended = self.process.poll() is not None
            if has_ended:
                self._read_to_the_end()
            found = next((match for line in list(self.lines) if (match := re.search(pattern, line))), None)
            assert found or not has_ended, f"it ended before {pattern!r}:\n{self.output}"
            return found

        match: re.Match[str] = eventually(find, f"{pattern!r} in the output of quorate up", seconds)
        return match

    def wait_until_up(self) -> RunningCluster:
        """Until it says what to try."""
        self.line(r"^Ctrl-C stops everything")
        return self

    def pids(self) -> dict[int, int]:
        """The process ids of the replicas that came up."""
        found = (re.match(r"replica (\d+) is up: .* pid (\d+)$", line) for line in list(self.lines))
        return dict(sorted((int(match[1]), int(match[2])) for match in found if match))

    def gateway_pids(self) -> list[int]:
        """The process id of the gateway, if it came up."""
        found = (re.match(r"the gateway is up: .* pid (\d+)$", line) for line in list(self.lines))
        return [int(match[1]) for match in found if match]

    def all_pids(self) -> list[int]:
        """All children that are known."""
        return [*self.pids().values(), *self.gateway_pids()]

    def kill_replica(self, replica_id: int) -> None:
        """`kill -9`, and wait until it is gone."""
        pid = self.pids()[replica_id]
        os.kill(pid, signal.SIGKILL)
        eventually(lambda: not is_alive(pid), f"the end of replica {replica_id}")

    def redis(self, **options: Any) -> redis.Redis:
        """A new client of the gateway."""
        assert self.redis_port is not None
        return redis.Redis(host=LOOPBACK, port=self.redis_port, **options)

    def status(self) -> dict[str, Any]:
        """What `quorate status --json` prints, whatever it thinks of it."""
        return Helpers.status(self.directory)

    def end(self, number: int = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Signal it and wait for its end: the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(seconds)
        self._read_to_the_end()
        return code

    def destroy(self) -> None:
        """End everything, by force where it does not go otherwise."""
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        for pid in self.all_pids():
            if is_alive(pid):
                os.kill(pid, signal.SIGKILL)
        self._read_to_the_end()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


Start = Callable[..., RunningCluster]


def _starter(folder: Path) -> Iterator[Start]:
    running: list[RunningCluster] = []

    def start(*options: str, with_redis: bool = True, directory: Path | None = None) -> RunningCluster:
        port = free_ports(1)[0] if with_redis else None
        place = directory or folder / f"cluster-{len(running)}"
        cluster = RunningCluster(place, *options, redis_port=port)
        running.append(cluster)
        return cluster

    yield start
    for cluster in running:
        cluster.destroy()


@pytest.fixture
def start_cluster(tmp_path: Path) -> Iterator[Start]:
    """Starts clusters that end with the test."""
    yield from _starter(tmp_path)


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningCluster]:
    """A cluster of four with a gateway, for tests that leave it whole."""
    starter = _starter(tmp_path_factory.mktemp("shared"))
    yield next(starter)("--replicas", "4").wait_until_up()
    next(starter, None)


class Helpers:
    """What tests use besides fixtures; they cannot import this module."""

    eventually = staticmethod(eventually)
    is_alive = staticmethod(is_alive)
    quorate = staticmethod(run_quorate)

    @staticmethod
    def kill(pid: int) -> None:
        """End a process at once, if it still runs."""
        if is_alive(pid):
            os.kill(pid, signal.SIGKILL)

    @staticmethod
    def status(directory: Path) -> dict[str, Any]:
        """What `quorate status --json` prints."""
        completed = run_quorate("status", str(directory), "--json")
        assert completed.returncode in (0, 1), completed.stderr
        report: dict[str, Any] = json.loads(completed.stdout)
        return report

    def __init__(self) -> None:
        self.background: list[subprocess.Popen[bytes]] = []

    def quorate_in_background(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a command that ends with the test."""
        process = subprocess.Popen(
            [sys.executable, "-m", "quorate", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.background.append(process)
        return process


@pytest.fixture
def helpers() -> Iterator[Helpers]:
    """The functions above."""
    helpers = Helpers()
    yield helpers
    for process in helpers.background:
        process.kill()
        process.wait()


@pytest.fixture
def callers() -> Iterator[list[Caller]]:
    """Client processes that end with the test."""
    started: list[Caller] = []
    yield started
    for caller in started:
        caller.destroy()
