"""P13: a primary whose PRE-PREPAREs come without their batch, with a broken one, or with a huge one."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.proposals import BatchForger, proposal
from quorate.core.effects import Broadcast, Effect
from quorate.messages.codec import encode_batch
from quorate.messages.protocol import Batch, PrePrepare


class BadBatches(BatchForger):
    """What is beside the PRE-PREPARE is not what it should be."""

    row = "P13"

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """Now and then something broken."""
        tools = self.tools
        data = encode_batch(batch)
        huge = tuple(batch.requests * (1 + 300 // max(1, len(batch.requests))))[:1024]
        match tools.random.randrange(8):
            case 0:
                return (tools.broadcast(message),)
            case 1:
                return (tools.broadcast(message, (data[: len(data) // 2],)),)
            case 2:
                return (tools.broadcast(message, (encode_batch(Batch(batch.time + 1, batch.requests)),)),)
            case 3:
                return (tools.broadcast(message, (data, data)),)
            case 4:
                return (Broadcast(*proposal(tools, message, Batch(batch.time, huge))),)
            case 5:
                return (tools.broadcast(message, (tools.random.randbytes(5000),)),)
        return (effect,)
