"""B13: a replica that answers READs with what it answered long ago, as if nothing had changed since or ever would."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.traitor import Strategy, Tools
from quorate.core.effects import Effect, SendReply
from quorate.core.ports import Opened
from quorate.messages.reads import Answer, Read, ReadReply

FOREVER = 2**62
OPERATIONS_MAX = 256
"""Operations of which it remembers what it answered."""
RESULTS_MAX = 8


class StaleAnswers(Strategy):
    """At once where an honest replica would wait, to each client something else, with spans that fit all others."""

    row = "B13"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._known: dict[bytes, list[bytes]] = {}
        """What each operation was answered with, the oldest result first."""
        self._asked: list[Read] = []

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """The honest replica learns of it too, so that there is something to remember."""
        if isinstance(opened.message, Read):
            self._asked.append(opened.message)
        return opened

    def says(self, effect: Effect, now: int) -> Sequence[Effect]:
        """Remember the answer; tell it seldom."""
        if not isinstance(effect, SendReply) or not isinstance(effect.message, ReadReply):
            return (effect,)
        reply = effect.message
        asked = next((read for read in self._asked if (read.client, read.nonce) == (reply.client, reply.nonce)), None)
        if asked is None:
            return ()
        for operation, answer in zip(asked.operations, reply.answers, strict=False):
            if answer is not None:
                self._remember(operation, answer.result)
        self._asked.remove(asked)
        return (effect,) if self.tools.random.random() < 0.2 else (self._lie(asked),)

    def adds(self, now: int) -> Sequence[Effect]:
        """Answer what the honest replica has let wait."""
        waiting, self._asked = self._asked, []
        return [self._lie(read) for read in waiting]

    def _remember(self, operation: bytes, result: bytes) -> None:
        results = self._known.setdefault(operation, [])
        if result not in results:
            results.append(result)
            del results[RESULTS_MAX:]
        while len(self._known) > OPERATIONS_MAX:
            del self._known[next(iter(self._known))]

    def _lie(self, read: Read) -> SendReply:
        random = self.tools.random
        answers: list[Answer | None] = []
        for operation in read.operations:
            results = self._known.get(operation)
            result = b"-" if not results else random.choice((results[0], results[-1], *results))
            answers.append(Answer(result, random.choice((0, 0, 0, FOREVER))))
        reply = ReadReply(read.client, read.nonce, FOREVER, tuple(answers), self.tools.replica_id)
        return SendReply(reply, self.tools.authenticator.seal(reply))
