"""What primaries that lie have in common: other batches for a sequence number, other choices for a new view."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools, attachments_of
from quorate.core.effects import Broadcast, Effect
from quorate.errors import MalformedMessage
from quorate.messages.codec import decode_batch, decode_envelope, encode_batch
from quorate.messages.digests import DIGEST_BYTES, batch_digest, request_digest
from quorate.messages.protocol import Batch, NewView, PrePrepare


def batch_of(frame: bytes) -> Batch | None:
    """The batch beside a PRE-PREPARE; None when there is none, or it is broken."""
    attachments = attachments_of(frame)
    try:
        return decode_batch(attachments[0]) if attachments else None
    except MalformedMessage:
        return None


def digest_of(batch: Batch) -> bytes:
    """The digest by which a batch is proposed."""
    return batch_digest(
        batch.time,
        [
            frame if len(frame) == DIGEST_BYTES else request_digest(decode_envelope(frame).payload)
            for frame in batch.requests
        ],
    )


def proposal(tools: Tools, message: PrePrepare, batch: Batch) -> tuple[PrePrepare, bytes]:
    """A PRE-PREPARE for another batch under the same view and sequence number, and its frame."""
    other = PrePrepare(message.view, message.sequence_number, digest_of(batch), tools.replica_id)
    return other, tools.authenticator.seal(other, (encode_batch(batch),))


class BatchForger(Strategy):
    """Proposes another batch than the honest replica inside does."""

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """The forged proposal instead of the honest one."""
        if not isinstance(effect, Broadcast) or not isinstance(effect.message, PrePrepare):
            return (effect,)
        batch = batch_of(effect.frame)
        return (effect,) if batch is None else self.forge(effect, effect.message, batch)

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """What is sent instead."""
        raise NotImplementedError


class NewViewForger(Strategy):
    """Sends another NEW-VIEW than the honest replica inside computed."""

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """The forged NEW-VIEW instead of the honest one."""
        if not isinstance(effect, Broadcast) or not isinstance(effect.message, NewView):
            return (effect,)
        if effect.message.replica != self.tools.replica_id:
            return (effect,)
        forged = self.forge(effect.message)
        return (self.tools.broadcast(forged, attachments_of(effect.frame)),)

    def forge(self, message: NewView) -> NewView:
        """What is sent instead."""
        raise NotImplementedError
