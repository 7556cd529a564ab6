"""C11: a client that speaks in the name of replicas: requests under their keys, and votes that are theirs to cast."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.liar import LiarStrategy, request_of
from quorate.client.session import SendRequest
from quorate.messages.codec import Envelope, decode_envelope, encode, encode_envelope
from quorate.messages.protocol import Checkpoint, Commit, Message, Request, Status, ViewChange


class PoseAsReplica(LiarStrategy):
    """With the keys of the traitors that it knows, which then hold; with its own, which do not."""

    row = "C11"

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """Somebody else's words, then the request."""
        request = request_of(sent.frame)
        if request is None:
            return (sent,)
        random = self.tools.random
        replica = random.choice(self.tools.replicas)
        posed = replace(request, client=self.tools.replica_keys[replica])
        digest = random.randbytes(32)
        said = random.choice(
            (
                posed,
                posed,
                Commit(0, 1, digest, replica),
                Checkpoint(64, digest, replica, 0),
                ViewChange(1, 0, (), (), (), replica, 0),
                Status(0, False, 0, 0, b"", 0, (), replica),
            )
        )
        return (SendRequest(self.tools.replicas, self._seal(said, replica, sent.frame)), sent)

    def _seal(self, said: Message, replica: int, own: bytes) -> bytes:
        accomplice = self.tools.conspiracy.authenticators.get(replica)
        if accomplice is not None:
            return accomplice.seal(said)
        if isinstance(said, Request):
            return self.tools.authenticator.seal(said)
        return encode_envelope(Envelope(encode(said), decode_envelope(own).authentication))
