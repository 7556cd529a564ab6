"""Log lines: for people and for programs, each with the replica's id, view and status."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator

import pytest

from quorate.core.effects import Trace
from quorate.runtime.telemetry import JsonFormatter, Telemetry, TextFormatter, is_watching


class Listing(logging.Handler):
    """Keeps the records."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.fixture
def logged() -> Iterator[list[logging.LogRecord]]:
    logger = logging.getLogger("quorate")
    handler = Listing()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler.records
    logger.removeHandler(handler)
    logger.setLevel(level)


def telemetry_at(times: list[int]) -> Telemetry:
    return Telemetry(2, lambda: times[0], lambda: {"view": 5, "status": "normal"})


def test_a_line_for_people(logged: list[logging.LogRecord]) -> None:
    telemetry_at([0]).trace(Trace("view-change", {"reason": "it was silent", "digest": b"\x0a\x0b", "empty": ""}))

    time, _, line = TextFormatter().format(logged[0]).partition(" ")

    assert time.endswith("+00:00")
    assert line == 'info view-change replica=2 view=5 status=normal reason="it was silent" digest=0a0b empty=""'


def test_a_line_cannot_be_forged_by_what_it_tells(logged: list[logging.LogRecord]) -> None:
    telemetry_at([0]).say(logging.INFO, "event", {"peer": 'x\n2026 info forged replica=0 "'})

    assert "\n" not in TextFormatter().format(logged[0])
    assert "\n" not in JsonFormatter().format(logged[0])


def test_a_line_for_programs(logged: list[logging.LogRecord]) -> None:
    telemetry_at([0]).say(logging.WARNING, "event", {"digest": b"\x0a", "count": 3})

    content = json.loads(JsonFormatter().format(logged[0]))

    del content["time"]
    assert content == {
        "level": "warning",
        "event": "event",
        "replica": 2,
        "view": 5,
        "status": "normal",
        "digest": "0a",
        "count": 3,
    }


def test_an_exception_is_told_in_both(logged: list[logging.LogRecord]) -> None:
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("quorate").critical("defect", exc_info=sys.exc_info())

    assert "ValueError: broken" in TextFormatter().format(logged[0])
    assert "ValueError: broken" in json.loads(JsonFormatter().format(logged[0]))["exception"]


def test_a_flood_of_refusals_makes_a_line_now_and_then(logged: list[logging.LogRecord]) -> None:
    times = [0]
    telemetry = telemetry_at(times)

    for total in range(1, 1001):
        telemetry.refused("client x", "malformed", total)
    telemetry.refused("client y", "malformed", 1)
    times[0] = 20_000_000
    telemetry.refused("client x", "malformed", 1001)

    assert [TextFormatter().format(record).split()[-1] for record in logged] == ["total=1", "total=1", "total=1001"]


def test_ordinary_steps_are_watched_at_debug_only(logged: list[logging.LogRecord]) -> None:
    assert not is_watching()

    logging.getLogger("quorate").setLevel(logging.DEBUG)

    assert is_watching()
