"""Laboratories for the tests. Whatever a test does, its processes end with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quorate.cli.addresses import LOOPBACK, free_ports
from quorate.config import Settings
from quorate.folder import ClusterFolder, create_cluster
from quorate.lab.dialects import REGISTER_SERVICE
from quorate.lab.members import make_laboratory


@pytest.fixture
def cluster(tmp_path: Path) -> ClusterFolder:
    """A laboratory's folder of four replicas. Nothing runs."""
    addresses = [(LOOPBACK, port) for port in free_ports(4)]
    return make_laboratory(create_cluster(tmp_path / "cluster", addresses, REGISTER_SERVICE, Settings()))


class Running:
    """A `quorate up --lab` in a process of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "quorate", "up", "--lab", "--no-redis", "--dir", str(directory)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            if line.startswith("Ctrl-C stops everything"):
                return
        raise AssertionError("it ended at once:\n" + "".join(self.lines))

    def end(self) -> None:
        """Stop it, and everything with it."""
        self.process.terminate()
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A laboratory of four replicas that serves Redis, for one module."""
    lab = Running(tmp_path_factory.mktemp("lab") / "cluster")
    yield lab
    lab.end()


@pytest.fixture
def quorate() -> Any:
    """Runs a command to its end."""

    def run(*arguments: str, seconds: float = 300.0, **environment: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "quorate", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=False, env=os.environ | environment
        )

    return run
