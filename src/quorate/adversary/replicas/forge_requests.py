"""P10: a primary that orders requests which no client made: altered, or without authentication."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.proposals import BatchForger, proposal
from quorate.core.effects import Broadcast, Effect
from quorate.messages.codec import Envelope, decode, decode_envelope, encode, encode_envelope
from quorate.messages.digests import DIGEST_BYTES
from quorate.messages.protocol import Batch, PrePrepare, Request


class ForgeRequests(BatchForger):
    """One request of every batch has another operation than its client asked for."""

    row = "P10"

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """The batch with a forged request."""
        if not batch.requests or self.tools.random.random() < 0.5:
            return (effect,)
        at = self.tools.random.randrange(len(batch.requests))
        forged = self._forged(batch.requests[at])
        requests = (*batch.requests[:at], forged, *batch.requests[at + 1 :])
        other, frame = proposal(self.tools, message, Batch(batch.time, requests))
        return (Broadcast(other, frame),)

    def _forged(self, frame: bytes) -> bytes:
        if len(frame) == DIGEST_BYTES:
            return self.tools.random.randbytes(DIGEST_BYTES)  # nobody has the request that it is of
        envelope = decode_envelope(frame)
        request = decode(envelope.payload)
        if not isinstance(request, Request) or not request.operations:
            return frame
        altered = replace(
            request,
            operations=(b"write k0 forged", *request.operations[1:]),
            timestamp=request.timestamp + self.tools.random.choice((0, 0, 1)),
        )
        return encode_envelope(Envelope(encode(altered), envelope.authentication))
