"""The client's rules for what only reads (OSDI'99 5.1; facts 3.3): asked of all replicas at once, not ordered. Pure.

RO-4  A result is believed once a quorum of replicas gave it alike, for one sequence number.
RO-7  What a quorum does not give alike, in time, is to be ordered as any other request.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from quorate.auth.authenticator import ClientAuthenticator
from quorate.client.session import SendRequest, first_interval_of
from quorate.config import ClusterConfiguration
from quorate.core.quorum import Quorums, quorums_of
from quorate.messages.reads import Read, ReadReply

NONCE_BITS: Final = 62
"""So many random bits begin the nonces of a process: two that share a key do not meet."""
PATIENCE_MIN: Final = 1_000
"""Microseconds for which those who are late are waited for at least, when a quorum has answered and does not agree."""


class Answered(NamedTuple):
    """An operation of a READ, by its place, has this result."""

    nonce: int
    place: int
    result: bytes


class ToBeOrdered(NamedTuple):
    """These operations of a READ, by their places, have no answer that can be believed."""

    nonce: int
    places: tuple[int, ...]


ReadEffect = SendRequest | Answered | ToBeOrdered


class Certificates:
    """The answers to one READ: one a replica, its first."""

    def __init__(self, quorums: Quorums) -> None:
        self._quorums = quorums
        self._replies: dict[int, ReadReply] = {}

    def __len__(self) -> int:
        return len(self._replies)

    def has(self, replica: int) -> bool:
        """Whether this replica has answered."""
        return replica in self._replies

    def take(self, reply: ReadReply) -> None:
        """Count an authentic answer."""
        self._replies.setdefault(reply.replica, reply)

    def best(self, place: int) -> tuple[int, bytes]:
        """How many replicas agree most about the operation at this place, and on which result.

        Replicas agree if their results are equal and have been so at all of them from one sequence number on, up to
        which each of them has executed (RO-3, RO-4): without that, a value that came, went and came back would seem to
        be one answer, and a later read could get what it was between.
        """
        answers = [
            (answer.result, answer.since, reply.sequence_number)
            for reply in self._replies.values()
            if place < len(reply.answers) and (answer := reply.answers[place]) is not None
        ]
        best = (0, b"")
        for result, number, _ in answers:
            agree = [since for other, since, until in answers if other == result and since <= number <= until]
            if len(agree) == len(answers):
                return len(agree), result
            best = max(best, (len(agree), result))
        return best

    def certified(self, place: int) -> bytes | None:
        """The result that a quorum vouches for (RO-4)."""
        count, result = self.best(place)
        return result if count >= self._quorums.quorum else None

    def is_hopeless(self, place: int) -> bool:
        """Whether no quorum can agree any more, whatever those say who have not answered."""
        silent = self._quorums.replica_count - len(self)
        return self.best(place)[0] + silent < self._quorums.quorum


class _Reading:
    """A READ on its way."""

    __slots__ = ("certificates", "deadline", "open", "sent")

    def __init__(self, certificates: Certificates, places: int, sent: int, deadline: int) -> None:
        self.certificates = certificates
        self.open = list(range(places))
        """The places of the operations that have no result yet."""
        self.sent = sent
        self.deadline = deadline


class Reads:
    """The READs of one client that are not answered. Times are monotonic microseconds.

    Nonces begin at `first_nonce` and are never used twice by one key: a replica's answer to another READ, however old,
    is no answer to this one.
    """

    def __init__(
        self, authenticator: ClientAuthenticator, configuration: ClusterConfiguration, first_nonce: int
    ) -> None:
        self._authenticator = authenticator
        self._quorums = quorums_of(configuration.replica_count)
        self._everyone = tuple(range(configuration.replica_count))
        self._patience = first_interval_of(configuration)
        self._next_nonce = first_nonce
        self._readings: dict[int, _Reading] = {}
        self._effects: list[ReadEffect] = []

    def __len__(self) -> int:
        return len(self._readings)

    def begin(self, operations: tuple[bytes, ...], now: int) -> int:
        """Ask all replicas; the nonce by which the effects name this READ."""
        nonce = self._next_nonce
        self._next_nonce += 1
        self._readings[nonce] = _Reading(Certificates(self._quorums), len(operations), now, now + self._patience)
        frame = self._authenticator.seal_read(Read(self._authenticator.client_id, nonce, operations))
        self._effects.append(SendRequest(self._everyone, frame))
        return nonce

    def is_under_way(self, nonce: int) -> bool:
        """Whether some operation of a READ has neither a result nor been given up."""
        return nonce in self._readings

    def abandon(self, nonce: int) -> int:
        """Nobody waits for a READ any more that is under way: it has no more effects. How many of its operations have
        no result."""
        return len(self._readings.pop(nonce).open)

    def awaits(self, reply: ReadReply) -> bool:
        """Whether an answer, not verified yet, may still tell something."""
        reading = self._readings.get(reply.nonce)
        return reading is not None and not reading.certificates.has(reply.replica)

    def receive(self, reply: ReadReply, now: int) -> None:
        """Take in an authentic answer to this client. What it means is drawn by `settle`."""
        reading = self._readings.get(reply.nonce)
        if reading is None:
            return
        reading.certificates.take(reply)
        if len(reading.certificates) == self._quorums.quorum:
            # Who is late may decide it, but gets no more time than all others needed.
            reading.deadline = min(reading.deadline, now + max(PATIENCE_MIN, now - reading.sent))

    def next_deadline(self) -> int | None:
        """When to settle again although nothing came in."""
        return min((reading.deadline for reading in self._readings.values()), default=None)

    def settle(self, now: int) -> list[ReadEffect]:
        """Draw the conclusions of what came in and of the time."""
        for nonce, reading in list(self._readings.items()):
            self._conclude(nonce, reading, now)
        effects, self._effects = self._effects, []
        return effects

    def _conclude(self, nonce: int, reading: _Reading, now: int) -> None:
        certificates, missing = reading.certificates, []
        if now < reading.deadline and len(certificates) <= self._quorums.replica_count - self._quorums.quorum:
            return  # so few decide nothing
        for place in reading.open:
            result = certificates.certified(place)
            if result is None:
                missing.append(place)
            else:
                self._effects.append(Answered(nonce, place, result))
        reading.open = missing
        if now >= reading.deadline or all(map(certificates.is_hopeless, missing)):
            del self._readings[nonce]
            if missing:
                self._effects.append(ToBeOrdered(nonce, tuple(missing)))
