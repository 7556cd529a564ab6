"""P2, P3, C5: traitors that back each other: two batches for one number, each with all their votes on its own side."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.liar import request_of
from quorate.adversary.proposals import BatchForger, proposal
from quorate.adversary.traitor import Rivals
from quorate.core.effects import Broadcast, Effect, Send
from quorate.core.ports import Authenticator
from quorate.messages.protocol import (
    Batch,
    Commit,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    ViewChange,
)


class Collude(BatchForger):
    """The primary speaks for all traitors, with their keys. One side is just large enough for a quorum with them; in
    the view change all of them forget its batch, and say that the other side's prepared. Where lying clients lent
    their keys, the batches hold two requests for one timestamp."""

    row = "P2"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Nothing that contradicts what was said in its name."""
        if not isinstance(effect, Broadcast | Send) or not self.tools.is_own(effect.message):
            return (effect,)
        message, said = effect.message, self.tools.conspiracy.rivals
        if isinstance(message, ViewChange):
            return (self.tools.instead(effect, self._testify(message)),)
        if isinstance(message, PrePrepare | Prepare | Commit) and (message.view, message.sequence_number) in said:
            return ()
        return super().says(effect, now)

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """One batch to a quorum less the traitors, another to the rest."""
        tools = self.tools
        other, frame = proposal(tools, message, self._rival(batch))
        tools.conspiracy.remember_rivals(message.view, message.sequence_number, Rivals(message.digest, other.digest))
        traitors = tools.conspiracy.authenticators
        correct = [peer for peer in tools.peers if peer not in traitors]
        tools.random.shuffle(correct)
        enough = max(1, min(tools.quorums.quorum - len(self._voices()), len(correct) - 1))
        accomplices = [peer for peer in tools.peers if peer in traitors]
        return [
            *tools.send_each(accomplices, message, effect.frame),
            *self._back(message, effect.frame, correct[:enough]),
            *self._back(other, frame, correct[enough:]),
        ]

    def _back(self, message: PrePrepare, frame: bytes, side: list[int]) -> list[Effect]:
        """The proposal, and everyone's votes for it."""
        tools = self.tools
        effects = tools.send_each(side, message, frame)
        vote = (message.view, message.sequence_number, message.digest)
        for replica, authenticator in sorted(self._voices().items()):
            if replica != tools.replica_id:
                prepare = Prepare(*vote, replica)
                effects += tools.send_each(side, prepare, authenticator.seal(prepare))
            commit = Commit(*vote, replica)
            effects += tools.send_each(side, commit, authenticator.seal(commit))
        return effects

    def _voices(self) -> dict[int, Authenticator]:
        """Whose votes they make: their own, and, where votes have MACs, those of whom the session keys were stolen."""
        conspiracy = self.tools.conspiracy
        has_macs = self.tools.settings.replica_authentication == "mac"
        return conspiracy.authenticators | (conspiracy.stolen if has_macs else {})

    def _rival(self, batch: Batch) -> Batch:
        """The same requests in another order and at another time; those of accomplices ask for something else."""
        requests = [self._second_face(frame) for frame in batch.requests]
        self.tools.random.shuffle(requests)
        return Batch(batch.time + 1, tuple(requests))

    def _second_face(self, frame: bytes) -> bytes:
        request = request_of(frame)
        client = None if request is None else self.tools.conspiracy.clients.get(request.client)
        if request is None or client is None or not request.operations:
            return frame
        return client.seal(replace(request, operations=(b"append liar rival.",) * len(request.operations)))

    def _testify(self, message: ViewChange) -> ViewChange:
        """At every number of which the traitors spoke twice the lesser side's batch prepared, and nothing else."""
        rivals = {
            number: (rivals.other, view)
            for (view, number), rivals in sorted(self.tools.conspiracy.rivals.items())
            if view < message.view and 0 < number - message.low_watermark <= self.tools.settings.window
        }
        prepared = [claim for claim in message.prepared if claim.sequence_number not in rivals]
        pre_prepared = [claim for claim in message.pre_prepared if claim.sequence_number not in rivals]
        for number, (digest, view) in rivals.items():
            pre_prepared.append(PrePreparedClaim(number, digest, view))
            if self.tools.settings.replica_authentication == "mac":
                prepared.append(PreparedClaim(number, digest, view))
        return replace(
            message,
            prepared=tuple(sorted(prepared, key=lambda claim: claim.sequence_number)),
            pre_prepared=tuple(sorted(pre_prepared, key=lambda claim: (claim.sequence_number, claim.digest))),
        )
