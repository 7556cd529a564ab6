"""B11: a replica whose CHECKPOINTs are true for all but f others, so that these may not believe what is stable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Broadcast, Effect, Send
from quorate.messages.protocol import Checkpoint

LIES: Final = 5
"""Told of each true CHECKPOINT: one more than a replica keeps of a sender."""


class TwoFacedCheckpoints(Strategy):
    """f victims hear of another digest, for this number and for some to come, before they can hear the true one from
    their peers; or of numbers that nobody will reach. The rest hears the truth, and it makes checkpoints stable."""

    row = "B11"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._victims = tools.random.sample(tools.peers, tools.quorums.faults)

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """The truth to most, lies to the victims."""
        if not isinstance(effect, Broadcast | Send) or not isinstance(effect.message, Checkpoint):
            return (effect,)
        message, tools = effect.message, self.tools
        if not tools.is_own(message):
            return (effect,)
        favoured = [peer for peer in tools.peers if peer not in self._victims]
        if isinstance(effect, Send):
            favoured = [peer for peer in favoured if peer == effect.receiver]
        said: list[Effect] = [*tools.send_each(favoured, message, effect.frame)]
        number, interval = message.sequence_number, tools.settings.checkpoint_interval
        first, stride = tools.random.choice(((number, interval), (number, interval), (1000 * number, 1000 * interval)))
        for step in range(LIES):
            lie = replace(message, sequence_number=first + step * stride, digest=tools.digest())
            said += tools.send_each(self._victims, lie, tools.authenticator.seal(lie))
        return said
