"""What happens in a world, one readable line an event: a message-sequence trace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from quorate.core.effects import Trace
from quorate.errors import MalformedMessage
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import (
    Batches,
    Checkpoint,
    Commit,
    Decided,
    FetchBatches,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    Reply,
    Request,
    Status,
    ViewChange,
)

PAPER_NAMES: Final[dict[type, str]] = {
    Request: "REQUEST",
    PrePrepare: "PRE-PREPARE",
    Prepare: "PREPARE",
    Commit: "COMMIT",
    Reply: "REPLY",
    Checkpoint: "CHECKPOINT",
    ViewChange: "VIEW-CHANGE",
    NewView: "NEW-VIEW",
    Status: "STATUS",
    Decided: "DECIDED",
    FetchBatches: "FETCH-BATCHES",
    Batches: "BATCHES",
}


Name = Callable[[bytes], str]


def short(digest: bytes) -> str:
    """A digest for people."""
    return "null" if digest == NULL_DIGEST else digest.hex()[:6]


def describe(message: Message, name: Name = short) -> str:
    """A message in one line, in the words of the paper; *name* says what digests are called."""
    return f"{PAPER_NAMES.get(type(message), type(message).__name__)} {_details(message, name)}".rstrip()


def _details(message: Message, name: Name) -> str:
    match message:
        case Request():
            operations = "; ".join(operation.decode(errors="replace") for operation in message.operations)
            return f"session={message.session} timestamp={message.timestamp} [{operations or 'open a session'}]"
        case PrePrepare() | Prepare() | Commit():
            return f"view={message.view} number={message.sequence_number} digest={name(message.digest)}"
        case Reply():
            whole = () if isinstance(message.results, bytes) else message.results
            results = "; ".join("!" if result is None else _readable(result) for result in whole)
            if isinstance(message.results, bytes):
                results = f"digest {name(message.results)}"
            tentative = " tentative" if message.is_tentative else ""
            return f"view={message.view} timestamp={message.timestamp} outcome={message.outcome} [{results}]{tentative}"
        case Checkpoint():
            return f"number={message.sequence_number} digest={name(message.digest)}"
        case ViewChange():
            return (
                f"view={message.view} h={message.low_watermark} C={_numbers(message.checkpoints)} "
                f"P={_claims(message.prepared, name)} Q={_claims(message.pre_prepared, name)}"
            )
        case NewView():
            return (
                f"view={message.view} V={len(message.view_changes)} checkpoint={message.checkpoint.sequence_number} "
                f"chosen={{{', '.join(f'{c.sequence_number}:{name(c.digest)}' for c in message.chosen)}}}"
            )
        case Status():
            changing = " changing" if message.is_changing_view else ""
            return (
                f"view={message.view}{changing} h={message.low_watermark} executed={message.last_executed} "
                f"slots={message.slots.hex()} missing={[name(digest) for digest in message.missing]}"
            )
        case Decided():
            return ", ".join(f"{entry.sequence_number}:{name(entry.digest)}" for entry in message.entries)
        case FetchBatches():
            return ", ".join(name(digest) for digest in message.digests)
    return ""


def _numbers(claims: tuple[Any, ...]) -> str:
    return "{" + ", ".join(str(claim.sequence_number) for claim in claims) + "}"


def _claims(claims: tuple[Any, ...], name: Name) -> str:
    return "{" + ", ".join(f"{c.sequence_number}:{name(c.digest)}@{c.view}" for c in claims) + "}"


def _readable(data: bytes) -> str:
    return data.decode() if data.isascii() and data.decode("ascii").isprintable() else data.hex()


class Tracer:
    """Writes every event of a world as a line. Satisfies `world.Recorder`."""

    def __init__(self, replicas: int, write: Callable[[str], None]) -> None:
        self._replicas = replicas
        self._write = write

    def name(self, node: int | None) -> str:
        """Replicas by number, clients by letter."""
        if node is None:
            return "*"
        return str(node) if node < self._replicas else chr(ord("a") + node - self._replicas)

    def deliver(self, time: int, sender: int, receiver: int, frame: bytes) -> None:
        """A frame arrives."""
        try:
            text = describe(decode(decode_envelope(frame).payload))
        except MalformedMessage:
            text = f"{len(frame)} bytes that are no message"
        self._line(time, f"{self.name(sender)} -> {self.name(receiver)}", text)

    def note(self, time: int, node: int | None, text: str) -> None:
        """Something happens at a node, or to the whole world."""
        self._line(time, self.name(node), text)

    def trace(self, time: int, node: int, effect: Trace) -> None:
        """A replica traced something."""
        self._line(time, self.name(node), f"{effect.event}: {describe_details(effect.details)}")

    def _line(self, time: int, who: str, text: str) -> None:
        self._write(f"{time / 1e6:12.6f}  {who:<8}  {text}")


def describe_details(details: Mapping[str, object]) -> str:
    """The details of a trace event; digests cut short."""
    return " ".join(f"{key}={_value(value)}" for key, value in details.items())


def _value(value: object) -> str:
    if isinstance(value, bytes):
        return short(value)
    if isinstance(value, list):
        return f"[{', '.join(_value(part) for part in value)}]"
    if isinstance(value, tuple):
        return f"({', '.join(_value(part) for part in value)})"
    return str(value)
