"""A client that lies: an honest session inside, and strategies around it that rewrite what it sends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from quorate.adversary.traitor import Conspiracy
from quorate.auth.authenticator import ClientAuthenticator
from quorate.client.session import SendRequest
from quorate.config import ClusterConfiguration
from quorate.errors import MalformedMessage
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import Request

if TYPE_CHECKING:
    from random import Random


class LiarTools:
    """What a lying client may use: its keys, the group's size, chance, and its accomplices."""

    def __init__(
        self,
        authenticator: ClientAuthenticator,
        configuration: ClusterConfiguration,
        random: Random,
        conspiracy: Conspiracy,
    ) -> None:
        self.authenticator = authenticator
        self.random = random
        self.conspiracy = conspiracy
        self.replica_keys = tuple(bytes.fromhex(member.public_key) for member in configuration.replicas)
        self.replicas = tuple(range(configuration.replica_count))
        conspiracy.clients[authenticator.client_id] = authenticator

    def some_replicas(self) -> tuple[int, ...]:
        """A few replicas, at least one, by chance."""
        return tuple(self.random.sample(self.replicas, self.random.randint(1, len(self.replicas))))


class LiarStrategy:
    """One way for a client to lie."""

    row: ClassVar[str]
    """The row of the attack catalogue, such as C1."""

    def __init__(self, tools: LiarTools) -> None:
        self.tools = tools

    def sends(self, sent: SendRequest, now: int) -> Sequence[SendRequest]:
        """What is sent instead of this request."""
        raise NotImplementedError


class Liar:
    """The strategies of one client, one after the other."""

    def __init__(self, strategies: Sequence[LiarStrategy]) -> None:
        self._strategies = strategies

    def rewrite(self, request: SendRequest, now: int) -> list[SendRequest]:
        """What is sent instead of an honest request."""
        sent = [request]
        for strategy in self._strategies:
            sent = [said for one in sent for said in strategy.sends(one, now)]
        return sent


def request_of(frame: bytes) -> Request | None:
    """The request in a frame; None when another strategy left no request in it."""
    try:
        message = decode(decode_envelope(frame).payload)
    except MalformedMessage:
        return None
    return message if isinstance(message, Request) else None
