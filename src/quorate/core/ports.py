"""What the rules ask of the outside world. Adapters satisfy these protocols; they never import the core."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple, Protocol

from quorate.messages.codec import Envelope
from quorate.messages.protocol import Message
from quorate.messages.tree import Path as Path


class Context(NamedTuple):
    """All that a service sees of the outside world while it executes one operation.

    Equal at every correct replica, so a service that uses nothing else is deterministic.
    """

    client: bytes
    """The client's public key, 32 bytes."""
    time: int
    """Agreed time in microseconds since 1970; strictly increases from batch to batch."""
    seed: bytes
    """32 bytes derived from the order of execution: equal everywhere, but predictable and biasable.
    Never for secrets or lotteries."""
    sequence_number: int
    """The sequence number of the batch that the operation is part of."""
    prefixes: tuple[bytes, ...] = ()
    """The client may use keys that begin with one of these; none: all keys. A service without keys need not look."""


class Service(Protocol):
    """A deterministic state machine. Calls come one at a time, from one thread.

    Equal operations with equal contexts, applied in equal order to equal states, give equal results, equal
    states and equal checkpoint digests at every replica. Iterate no sets, use no clock, no randomness and no
    floats whose results differ between machines. `quorate.services.conformance` checks a service.
    """

    def execute(self, operation: bytes, context: Context) -> bytes:
        """Apply *operation* and return its result. Bad input gets a result that says so, never an exception:
        an exception is a defect of the service, and the client is told no more than that."""

    def query(self, operation: bytes, context: Context) -> bytes | None:
        """The result of *operation* on the present state, which stays as it is.

        None when the operation writes, or when its answer depends on the time or the seed: such an operation
        has to be ordered."""

    def only_reads(self, operation: bytes) -> bool:
        """Whether *operation* changes nothing, whatever the state, judged by its bytes alone. What a client executes
        that may only read (ACCESS-4); its answer may depend on the time or the seed."""

    def tick(self, context: Context) -> None:
        """The agreed time has reached `next_deadline`: do what falls due. Called before a batch's requests; part of
        the execution, so as deterministic as `execute`."""

    def checkpoint(self, sequence_number: int) -> bytes | None:
        """Freeze the present state under *sequence_number* until it is released; return its 32-byte digest.

        The digest covers the canonical contents: equal contents give equal digests, whatever their history. A service
        with much to hash may return None at once, and spread the work over calls of `digest`."""

    def digest(self, sequence_number: int) -> bytes | None:
        """The digest of a held checkpoint; None while it is not known: each call does a little (a millisecond) of the
        work, and operations are executed in between."""

    def revert(self) -> None:
        """Go back to the newest checkpoint, whether its digest is known or not: what was executed since is undone, as
        if it had never been. Tentative execution needs it, when what was executed turns out not to be ordered."""

    def release(self, keep: Collection[int]) -> None:
        """Forget all checkpoints but those under the sequence numbers *keep* and the newest."""

    def fetch(self, sequence_number: int, path: Path) -> bytes | None:
        """The bytes of one node of a held checkpoint's tree (see `quorate.messages.tree`): an inner node is the
        concatenation of its children's 32-byte digests, a leaf its canonical contents. None when the checkpoint or the
        path is not held."""

    def install(self, sequence_number: int, leaves: Mapping[Path, bytes]) -> None:
        """Replace the contents of the given leaves (b"" empties a leaf or a whole subtree), keep the others, forget
        all held checkpoints, and hold the result as the checkpoint *sequence_number*. The caller has verified every
        leaf against the root."""

    def next_deadline(self) -> int | None:
        """The agreed time at which the service wants a `tick` (a key expires), None when it waits for nothing."""


class Opened(NamedTuple):
    """A frame whose authentication holds: its sender is the replica or client that the message names."""

    message: Message
    envelope: Envelope
    frame: bytes


class Authenticator(Protocol):
    """Seals own messages and opens others', by the cluster's policy (which type is signed, which has MACs). Pure."""

    def seal(self, message: Message, attachments: tuple[bytes, ...] = (), receiver: int | None = None) -> bytes:
        """The frame of an own message. `receiver` is needed where one MAC for one replica is the policy."""

    def open(self, frame: bytes) -> Opened:
        """Check a frame. Raises MalformedMessage or AuthenticationFailed."""

    def is_signed_request(self, frame: bytes) -> bool:
        """Whether the request in an authentic frame is signed, so that everyone finds it authentic; MACs may hold
        here alone."""

    def refresh(self, secret: bytes) -> bytes:
        """Let the session keys shared with all replicas follow from *secret*, 32 fresh random bytes, and forget the old
        ones; returns the public half, for NEW-KEY."""

    def learn(self, replica: int, half: bytes) -> None:
        """Let the session keys shared with another replica follow from its public half. Raises AuthenticationFailed,
        and leaves the keys as they were, when nothing follows from it."""


class Entropy(Protocol):
    """Where randomness enters the rules."""

    def __call__(self, size: int, /) -> bytes:
        """So many fresh random bytes, which nobody else knows."""
