"""After a request of many operations, the next waits for the callers that come back one by one, but for no timer."""

from __future__ import annotations

import asyncio

from quorate.auth.authenticator import ClientAuthenticator
from quorate.auth.keys import KeyPair
from quorate.client.coalescer import Coalescer
from quorate.client.session import Session
from quorate.client.waiting import ClientLimits
from quorate.config import ClientEntry, ClusterConfiguration, Member
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import Outcome, Reply, Request

SESSION = 1024


def _configuration(client: KeyPair) -> ClusterConfiguration:
    members = tuple(Member("127.0.0.1", 7000 + i, KeyPair(bytes([i + 1]) * 32).public_key.hex()) for i in range(4))
    return ClusterConfiguration("11" * 16, "22" * 16, "counter", members, (ClientEntry("c", client.public_key.hex()),))


class _Cluster:
    """Answers every request at once, from a quorum of replicas; remembers how many operations each carried."""

    def __init__(self) -> None:
        key_pair = KeyPair(b"c" * 32)
        configuration = _configuration(key_pair)
        authenticator = ClientAuthenticator(key_pair, configuration)
        self.sizes: list[int] = []
        self.is_answering = True
        self.unanswered: list[Request] = []
        self.coalescer = Coalescer(
            lambda: Session(authenticator, configuration, 1), self._send, configuration, ClientLimits(sessions=1), str
        )

    def _send(self, replica_id: int, frame: bytes) -> bool:
        request = decode(decode_envelope(frame).payload)
        assert isinstance(request, Request)
        if request.operations and replica_id == 0:  # now and then a request goes to all
            self.sizes.append(len(request.operations))
        self.unanswered.append(request)
        asyncio.get_running_loop().call_soon(self.answer)
        return True

    def answer(self) -> None:
        requests, self.unanswered = self.unanswered, []
        for request in requests:
            opening = request.session == 0
            outcome = Outcome.SESSION_OPENED if opening else Outcome.EXECUTED
            results = (SESSION.to_bytes(8, "big"),) if opening else request.operations
            for replica in range(3):
                self.coalescer.receive(
                    Reply(0, request.client, request.session, request.timestamp, outcome, results, replica)
                )


def test_callers_that_come_back_one_a_turn_share_the_next_request() -> None:
    async def run() -> list[int]:
        cluster = _Cluster()
        await asyncio.gather(*(cluster.coalescer.submit(b"x", None) for _ in range(8)))
        futures = []
        for _ in range(8):
            futures.append(cluster.coalescer.submit(b"y", None))
            await asyncio.sleep(0)
        await asyncio.gather(*futures)
        return cluster.sizes

    assert asyncio.run(run()) == [8, 8]


def test_nobody_waits_for_callers_that_do_not_come_back() -> None:
    async def run() -> list[int]:
        cluster = _Cluster()
        await asyncio.gather(*(cluster.coalescer.submit(b"x", None) for _ in range(8)))
        await cluster.coalescer.submit(b"y", None)
        await cluster.coalescer.submit(b"y", None)
        return cluster.sizes

    assert asyncio.run(run()) == [8, 1, 1]
