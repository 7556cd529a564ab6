"""P14: a replica that leaves f others out: they hear nothing from it, the rest is just enough for a quorum."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Broadcast, Effect, Send


class OmitBackups(Strategy):
    """Sends nothing to f replicas, the same ones for ever."""

    row = "P14"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._omitted = tools.random.sample(tools.peers, tools.quorums.faults)

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """To the others only."""
        if isinstance(effect, Send) and effect.receiver in self._omitted:
            return ()
        if isinstance(effect, Broadcast):
            favoured = [peer for peer in self.tools.peers if peer not in self._omitted]
            return self.tools.send_each(favoured, effect.message, effect.frame)
        return (effect,)
