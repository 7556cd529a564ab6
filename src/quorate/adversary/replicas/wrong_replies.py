"""B13, B14: a replica that answers clients with wrong results, wrong digests, wrong outcomes and wrong views."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from quorate.adversary.traitor import Strategy
from quorate.core.effects import Effect, SendReply
from quorate.messages.digests import are_large, reply_digest
from quorate.messages.protocol import Reply


class WrongReplies(Strategy):
    """Falsifies one field of every reply, and often replies twice."""

    row = "B13"

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Another reply, or two."""
        if not isinstance(effect, SendReply) or not isinstance(effect.message, Reply):
            return (effect,)
        random, reply = self.tools.random, effect.message
        wrong = random.choice(
            (
                *_about_digests(reply),
                replace(reply, results=tuple(b"wrong" for _ in reply.results)),
                replace(reply, results=()),
                replace(reply, view=reply.view + random.choice((1, 1000, 2**62))),
                replace(reply, timestamp=reply.timestamp + 1),
                replace(reply, session=reply.session ^ 1),
                replace(reply, outcome=random.randrange(5)),
                replace(reply, is_tentative=not reply.is_tentative),
            )
        )
        lie = SendReply(wrong, self.tools.authenticator.seal(wrong))
        return random.choice(((lie,), (lie, effect), (lie, lie), ()))


def _about_digests(reply: Reply) -> tuple[Reply, ...]:
    """B14: where results are large, another digest, a digest of what was promised whole, and results that nobody has
    vouched for (DIG-1 to DIG-4)."""
    if isinstance(reply.results, bytes):
        return replace(reply, results=bytes(32)), replace(reply, results=(b"wrong" * 100,))
    if not are_large(reply.results):
        return ()
    digest = reply_digest(reply.outcome, reply.results)
    wrong = tuple(result and b"wrong" + result[5:] for result in reply.results)
    return replace(reply, results=digest), replace(reply, results=wrong), replace(reply, results=bytes(32))
