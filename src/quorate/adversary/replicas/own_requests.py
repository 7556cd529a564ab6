"""C11: a replica that makes requests at will: with its own key as a client's, and with keys that clients lent it."""

from __future__ import annotations

from collections.abc import Sequence

from quorate.adversary.proposals import BatchForger, proposal
from quorate.adversary.traitor import Tools
from quorate.core.effects import Broadcast, Effect
from quorate.core.ports import Opened
from quorate.messages.protocol import Batch, PrePrepare, Request


class OwnRequests(BatchForger):
    """As primary it puts them into its batches; as backup it sends them to all, as if a client had sent them here."""

    row = "C11"

    def __init__(self, tools: Tools) -> None:
        super().__init__(tools)
        self._seen: dict[bytes, Request] = {}
        """The latest request of each client."""
        self._made: list[Effect] = []

    def hears(self, opened: Opened, now: int) -> Opened | None:
        """Learn of sessions, and now and then pass on a request of its own."""
        message = opened.message
        if isinstance(message, Request):
            self._seen[message.client] = message
            if self.tools.random.random() < 0.3:
                made, frame = self._make(now)
                self._made += self.tools.send_each(self.tools.peers, made, frame)
        return opened

    def adds(self, now: int) -> Sequence[Effect]:
        """The requests."""
        made, self._made = self._made, []
        return made

    def forge(self, effect: Broadcast, message: PrePrepare, batch: Batch) -> Sequence[Effect]:
        """The batch with a request or two more."""
        random, room = self.tools.random, self.tools.settings.batch_requests_max - len(batch.requests)
        made = [self._make(batch.time)[1] for _ in range(min(random.randrange(3), room))]
        if not made:
            return (effect,)
        requests = [*batch.requests, *made]
        random.shuffle(requests)
        return (Broadcast(*proposal(self.tools, message, Batch(batch.time, tuple(requests)))),)

    def _make(self, now: int) -> tuple[Request, bytes]:
        """An authentic request that nobody asked for."""
        tools, random = self.tools, self.tools.random
        lent = random.choice([None, *tools.conspiracy.clients.values()])
        client = tools.public_key if lent is None else lent.client_id
        seen = self._seen.get(client)
        session, timestamp = (now, 0) if seen is None else (seen.session, seen.timestamp)
        request = random.choice(
            (
                Request(client, 0, now, ()),
                Request(client, 0, timestamp + 1, ()),
                Request(client, max(1, session), timestamp + 1, (b"append liar puppet.",)),
                Request(client, max(1, session), 2**63 - 1, (b"append liar puppet.",)),
                Request(client, 1 + random.randrange(2**20), 1, (b"append liar puppet.",)),
            )
        )
        return request, tools.authenticator.seal(request) if lent is None else lent.seal(request)
