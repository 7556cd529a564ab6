"""A service that raises: the rules go on as ever, and the log has the traceback."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from quorate.config import Settings
from quorate.core.ports import Context
from quorate.core.requests import run
from quorate.folder import create_cluster, load_replica
from quorate.messages.protocol import Request
from quorate.runtime.bootstrap import Assembly
from quorate.runtime.telemetry import Telemetry, TextFormatter
from quorate.runtime.watched import WatchedService
from quorate.services.counter import CounterService


class Broken(CounterService):
    """A counter that divides by zero, and looks for what is not there."""

    def execute(self, operation: bytes, context: Context) -> bytes:
        if operation == b"divide":
            return b"%d" % (1 // 0)
        if operation.startswith(b"find"):
            raise KeyError(operation.decode())
        return super().execute(operation, context)


def watched_at(times: list[int]) -> WatchedService:
    return WatchedService(Broken(), Telemetry(1, lambda: times[0], lambda: {"view": 3, "status": "normal"}))


def context_at(sequence_number: int) -> Context:
    return Context(b"\xab" * 32, 1, bytes(32), sequence_number)


def raised(service: WatchedService, operation: bytes, sequence_number: int) -> None:
    with pytest.raises((ZeroDivisionError, KeyError)):
        service.execute(operation, context_at(sequence_number))


def test_what_a_service_raises_is_in_the_log_with_its_traceback(caplog: pytest.LogCaptureFixture) -> None:
    raised(watched_at([0]), b"divide", 17)

    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    line, *traceback = TextFormatter().format(record).splitlines()
    assert "error service-raised replica=1 view=3 status=normal" in line
    assert "sequence_number=17 operation_bytes=6 client=abababab total=1" in line
    assert 'error="ZeroDivisionError: ' in line
    assert any("test_watched.py" in part for part in traceback)
    assert traceback[-1].startswith("ZeroDivisionError")


def test_each_kind_has_its_traceback_once_and_a_line_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    times = [0]
    service = watched_at(times)

    for sequence_number in range(1, 101):
        raised(service, b"divide", sequence_number)
        raised(service, b"find %d" % sequence_number, sequence_number)
    times[0] = 11_000_000
    raised(service, b"divide", 101)

    fields = [(record.__dict__["fields"]["error"], record.__dict__["fields"]["total"]) for record in caplog.records]
    assert [(error.partition(":")[0], total) for error, total in fields] == [
        ("ZeroDivisionError", 1),
        ("KeyError", 1),
        ("ZeroDivisionError", 101),
    ]
    assert [record.exc_info is not None for record in caplog.records] == [True, True, False]


def test_a_replica_watches_its_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own_raising_service.py").write_text(
        "from quorate.services.counter import CounterService\n"
        "class Mine(CounterService):\n"
        "    def execute(self, operation, context):\n"
        "        raise RuntimeError('mine')\n"
    )
    service = "own_raising_service:Mine"
    cluster = create_cluster(tmp_path / "cluster", [("127.0.0.1", 7300)], service, Settings())
    assembly = Assembly(load_replica(cluster.replica(0)))

    client = bytes.fromhex(cluster.configuration.clients[0].public_key)
    _, results = run(assembly.replica.core, Request(client, 1, 1, (b"a",)), 5)

    assert results == (None,)
    assert [record.getMessage() for record in caplog.records] == ["service-raised"]
    assert "RuntimeError: mine" in TextFormatter().format(caplog.records[0])
