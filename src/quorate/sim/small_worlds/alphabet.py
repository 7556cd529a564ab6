"""Messages as bits: what is under way in a world is one integer, and 'all of these are there' is one operation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from quorate.core.ports import Opened
from quorate.messages.protocol import (
    Checkpoint,
    Commit,
    Decided,
    Message,
    NewView,
    Prepare,
    PrePrepare,
    Request,
    ViewChange,
)
from quorate.sim.small_worlds.bounds import Bounds
from quorate.sim.small_worlds.cluster import SymbolicAuthenticator, opened_of

VOTES: Final = (Prepare, Commit, Decided, Checkpoint)
"""Messages that are counted by digest."""
CLIENT: Final = -1


class Label(NamedTuple):
    """What is told apart of a message. Of a NEW-VIEW it is what follows from it: which VIEW-CHANGEs it carries
    changes nothing for a replica that has found them to determine its choice."""

    kind: type[Message]
    view: int
    number: int
    content: object
    sender: int


class Letter(NamedTuple):
    """A message of the world, ready for delivery."""

    label: Label
    opened: Opened


class Alphabet:
    """All messages that were met so far."""

    def __init__(self, bounds: Bounds) -> None:
        self.letters: list[Letter] = []
        self._bounds = bounds
        self._bits: dict[Label, int] = {}
        self._exchanged: dict[int, int] = {}

    def bit(self, opened: Opened, label: Label) -> int:
        """The bit of a message, a power of two."""
        known = self._bits.get(label)
        if known is None:
            known = self._bits[label] = 1 << len(self.letters)
            self.letters.append(Letter(label, opened))
        return known

    def bits(self, opened: Opened) -> int:
        """The bits of a message that a replica sent; none when it is beyond the bounds, or no part of the protocol's
        memory (STATUS and what answers it repeats what is under way already, but for DECIDED)."""
        bits = 0
        for part in parts_of(opened):
            label = label_of(part)
            if label is not None and label.view < self._bounds.views and label.number <= self._bounds.requests:
                bits |= self.bit(part, label)
        return bits

    def exchanged(self, bits: int) -> int:
        """The same messages with the twins' names exchanged."""
        known = self._exchanged.get(bits)
        if known is None:
            known = self._exchanged[bits] = sum(self._exchange(at) for at in each(bits))
        return known

    def _exchange(self, at: int) -> int:
        letter = self.letters[at]
        one, other = self._bounds.twins or (-2, -2)
        sender = letter.label.sender
        if sender not in (one, other):
            return 1 << at
        renamed = other if sender == one else one
        message = replace(letter.opened.message, replica=renamed)
        frame = SymbolicAuthenticator(renamed).seal(message, letter.opened.envelope.attachments)
        return self.bit(opened_of(frame), letter.label._replace(sender=renamed))

    def channel(self, at: int) -> object:
        """What a message is counted together with; by itself if with nothing."""
        kind, view, number, content, _ = self.letters[at].label
        if kind in VOTES:
            return kind, view, number, content
        return (kind, view) if kind is ViewChange else at


def each(bits: int) -> Iterator[int]:
    """The places of the bits that are set, lowest first."""
    while bits:
        lowest = bits & -bits
        yield lowest.bit_length() - 1
        bits ^= lowest


def parts_of(opened: Opened) -> list[Opened]:
    """DECIDED claims one by one: each is counted by itself, and could have come by itself."""
    message = opened.message
    if not isinstance(message, Decided) or len(message.entries) == 1:
        return [opened]
    seal = SymbolicAuthenticator(message.replica).seal
    return [opened_of(seal(Decided((entry,), message.replica))) for entry in message.entries]


def label_of(opened: Opened) -> Label | None:
    """What is told apart of a message; None for one that is not remembered."""
    match opened.message:
        case PrePrepare() | Prepare() | Commit() as message:
            return Label(type(message), message.view, message.sequence_number, message.digest, message.replica)
        case ViewChange() as message:
            content = (message.low_watermark, message.checkpoints, message.prepared, message.pre_prepared)
            return Label(ViewChange, message.view, 0, content, message.replica)
        case NewView() as message:
            return Label(NewView, message.view, 0, (message.checkpoint, message.chosen), message.replica)
        case Decided() as message:
            (entry,) = message.entries
            return Label(Decided, 0, entry.sequence_number, entry.digest, message.replica)
        case Checkpoint() as message:
            return Label(Checkpoint, 0, message.sequence_number, message.digest, message.replica)
        case Request() as message:
            return Label(Request, 0, 0, message.client, CLIENT)
    return None
