"""Logs: one line an event, as key=value or as JSON, with the replica's id, view and status in each. Nothing secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, Literal

from quorate.core.effects import Trace
from quorate.runtime.ports import Peer

LogFormat = Literal["text", "json"]
Fields = Mapping[str, object]

_NAME: Final = "quorate"
_REPEAT_US: Final = 10_000_000
_KINDS_MAX: Final = 512


class _Formatter(logging.Formatter):
    """The common part of both formats: time, level, event and fields as one flat mapping."""

    def flatten(self, record: logging.LogRecord) -> dict[str, object]:
        moment = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        fields: dict[str, object] = {"time": moment, "level": record.levelname.lower(), "event": record.getMessage()}
        fields.update(getattr(record, "fields", {}))
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return fields


class TextFormatter(_Formatter):
    """`time level event key=value ...`; values with spaces in them are quoted."""

    def format(self, record: logging.LogRecord) -> str:
        fields = self.flatten(record)
        exception = fields.pop("exception", None)
        head = [str(fields.pop("time")), str(fields.pop("level")), str(fields.pop("event"))]
        line = " ".join([*head, *(f"{key}={_text(value)}" for key, value in fields.items())])
        return line if exception is None else f"{line}\n{exception}"


class JsonFormatter(_Formatter):
    """One JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(self.flatten(record), default=_plain, ensure_ascii=False)


def _plain(value: object) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _text(value: object) -> str:
    text = _plain(value)
    return text if text and text.isprintable() and not set(text) & set(' "=') else json.dumps(text)


def configure_logging(log_format: LogFormat, level: str) -> None:
    """Send all logs of this process to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter())
    logging.basicConfig(handlers=[handler], level=level.upper(), force=True)


def is_watching() -> bool:
    """Whether the ordinary steps of the protocol are logged too: at level debug."""
    return logging.getLogger(_NAME).isEnabledFor(logging.DEBUG)


class Telemetry:
    """What a replica says of itself while it runs. `standing` gives the view and the status, for every line."""

    def __init__(self, replica_id: int, now: Callable[[], int], standing: Callable[[], Fields]) -> None:
        self._logger = logging.getLogger(_NAME)
        self._replica_id = replica_id
        self._now = now
        self._standing = standing
        self._last: dict[tuple[str, ...], int] = {}

    def say(self, level: int, event: str, fields: Fields | None = None, error: BaseException | None = None) -> None:
        """Log one line, with the traceback of *error* behind it."""
        if self._logger.isEnabledFor(level):
            own = {"replica": self._replica_id, **self._standing()}
            self._logger.log(level, event, exc_info=error, extra={"fields": own | dict(fields or {})})

    def say_now_and_then(
        self, level: int, event: str, kind: tuple[str, ...], fields: Fields, error: BaseException | None = None
    ) -> None:
        """Log one line, unless one of this event and kind was logged in the last ten seconds."""
        key = (event, *kind)
        now = self._now()
        last = self._last.get(key)
        if last is not None and now - last < _REPEAT_US:
            return
        if len(self._last) >= _KINDS_MAX:
            self._last.clear()
        self._last[key] = now
        self.say(level, event, fields, error)

    def trace(self, trace: Trace) -> None:
        """Log what the core tells."""
        self.say(logging.INFO, trace.event, trace.details)

    def link_changed(self, event: str, peer: Peer, fields: Fields) -> None:
        """Log that a link opened or closed. Clients come and go; for each of them a line now and then is enough."""
        fields = {"peer": peer.name, **fields}
        if peer.replica_id is None:
            self.say_now_and_then(logging.INFO, event, (peer.name,), fields)
        else:
            self.say(logging.INFO, event, fields)

    def handshake_refused(self, end: str, peer: str, reason: str) -> None:
        """Log, now and then, that a handshake was refused here or there: a line for each *end* of ours and reason."""
        kind = (end, reason.partition(":")[0])
        self.say_now_and_then(logging.WARNING, "handshake-refused", kind, {"peer": peer, "reason": reason})

    def refused(self, peer: str, reason: str, total: int) -> None:
        """Log, now and then, that a frame was refused."""
        fields = {"peer": peer, "reason": reason, "total": total}
        self.say_now_and_then(logging.WARNING, "frame-refused", (peer, reason), fields)

    def service_failed(self, kind: tuple[str, ...], fields: Fields, error: BaseException | None) -> None:
        """Log, now and then, that the service raised; with a traceback when there is an *error*."""
        self.say_now_and_then(logging.ERROR, "service-raised", kind, fields, error)
