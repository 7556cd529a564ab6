"""The adversary that moves (OSDI'00): it breaks into a replica, lies with it for a while, is thrown out, and goes into
another one as soon as that has recovered. At most f are faulty at a time; in the end perhaps all of them were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quorate.adversary.traitor import Conspiracy
from quorate.sim.checkers import Judge
from quorate.sim.nodes import ReplicaNode, Surroundings
from quorate.sim.plan import Takeover

LOOK_EVERY: Final = 10_000
"""How often it looks whether its last victim has recovered."""


class MovingAdversary:
    """Goes through the takeovers of a plan, one after the other. What it learnt it keeps; the private keys it does not
    learn (docs/RECOVERY.md: a copied private key is not healed by anything)."""

    def __init__(
        self,
        world: Surroundings,
        takeovers: Sequence[Takeover],
        replicas: Sequence[ReplicaNode],
        judge: Judge,
        conspiracy: Conspiracy,
    ) -> None:
        self._world: Final = world
        self._takeovers: Final = takeovers
        self._replicas: Final = replicas
        self._judge: Final = judge
        self._conspiracy: Final = conspiracy
        self._next = 0
        self._may_go_on = True
        self.strategies: dict[int, tuple[str, ...]] = {}
        """How the replica lies that it is in, if it is in one."""

    def start(self) -> None:
        """Break into the first one, before long."""
        if self._takeovers:
            self._world.schedule(self._takeovers[0].duration, self._move)

    def rest(self) -> None:
        """Break into nobody any more. Whom it is in it leaves when it would have."""
        self._may_go_on = False

    def _move(self) -> None:
        """Into the next replica, if that runs and everyone else's votes are whole."""
        if not self._may_go_on or self._next == len(self._takeovers):
            return
        takeover = self._takeovers[self._next]
        node = self._replicas[takeover.replica]
        if node.behaviour is None or any(self._replicas[other.replica].has_lost_votes for other in self._takeovers):
            self._world.schedule(self._world.now + LOOK_EVERY, self._move)
            return
        self._next += 1
        self._judge.distrust(node.address)
        self.strategies[node.address] = takeover.strategies
        node.turn_traitor()
        self._world.schedule(self._world.now + takeover.duration, lambda: self._leave(takeover))

    def _leave(self, takeover: Takeover) -> None:
        """It is found out: the replica starts again, with an honest program, and recovers."""
        node = self._replicas[takeover.replica]
        del self.strategies[node.address]
        self._conspiracy.lose(node.address)
        node.recover(takeover.is_clean)
        self._world.schedule(self._world.now + LOOK_EVERY, self._move)
