"""Who takes part in a run with twins: processes that run the unmodified rules, and clients."""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.config import ClientEntry, ClusterConfiguration, Member, Settings
from quorate.core.effects import Effect
from quorate.core.ports import Opened
from quorate.core.replica import Replica
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.protocol import Request
from quorate.sim.clock import WALL_START
from quorate.sim.cluster import key_pair
from quorate.sim.register import RegisterService
from quorate.sim.remembering import Remembering
from quorate.sim.twins.judge import Content
from quorate.sim.twins.scenario import Authentication

CLIENTS: Final = 2
"""One for each side."""
LOG: Final = b"log"
"""Every operation appends to this one register, so a result tells all that was executed before it."""


class Members(NamedTuple):
    """The keys and the configuration of a group. They hold no state: every run uses the same ones."""

    configuration: ClusterConfiguration
    replicas: tuple[Remembering, ...]
    clients: tuple[ClientAuthenticator, ...]


@cache
def members_of(replicas: int, authentication: Authentication) -> Members:
    """The members of a group of this size."""
    settings = Settings(
        checkpoint_interval=4,
        request_authentication=authentication,
        replica_authentication=authentication,
        view_change_timeout_ms=20,
        view_change_timeout_max_ms=80,
        status_interval_ms=20,
        digest_replies=False,
    )
    replica_keys = [key_pair("replica", at) for at in range(replicas)]
    client_keys = [key_pair("client", at) for at in range(CLIENTS)]
    configuration = ClusterConfiguration(
        cluster_id="51" * 16,
        incarnation="0b" * 16,
        service="register",
        replicas=tuple(Member(f"replica-{at}", 1 + at, pair.public_key.hex()) for at, pair in enumerate(replica_keys)),
        clients=tuple(ClientEntry(f"client-{at}", pair.public_key.hex()) for at, pair in enumerate(client_keys)),
        settings=settings,
    )
    known: dict[bytes, Opened] = {}
    return Members(
        configuration,
        tuple(
            Remembering(ReplicaAuthenticator(at, pair, configuration), known) for at, pair in enumerate(replica_keys)
        ),
        tuple(ClientAuthenticator(pair, configuration) for pair in client_keys),
    )


class Process:
    """The unmodified rules of one identity, with a state of their own."""

    def __init__(self, address: int, identity: int, members: Members) -> None:
        self.address: Final = address
        self.identity: Final = identity
        self.service = RegisterService()
        self.authenticator: Final = members.replicas[identity]
        self.replica = Replica(identity, members.configuration, self.service, self.authenticator)
        self.inbox: list[bytes] = []
        self.turn_at: int | None = None
        self.alarm: int | None = None
        self.has_stopped = False

    @property
    def log(self) -> bytes:
        """The register that all operations append to."""
        return self.service.value(LOG)

    def take_turn(self, now: int) -> list[Effect]:
        """Handle all that came, and draw the conclusions. What is not authentic is not handled."""
        inbox, self.inbox = self.inbox, []
        wall = WALL_START + now
        for frame in inbox:
            try:
                opened = self.authenticator.open(frame)
            except (AuthenticationFailed, MalformedMessage):
                continue
            self.replica.receive(opened, now, wall)
        return self.replica.settle(now, wall)


class Client:
    """A correct client: one request at a time, again and again until f + 1 replicas agree on the reply; signed from the
    second time on (REQ-3)."""

    def __init__(self, name: str, authenticator: ClientAuthenticator) -> None:
        self.name: Final = name
        self.authenticator: Final = authenticator
        self.completed = 0
        self.request: Request | None = Request(authenticator.client_id, 0, 1, ())
        self._is_sent = False
        self._session = 0

    def frame_to_send(self) -> bytes:
        """The outstanding request; a new one when there is none."""
        if self.request is None:
            timestamp = self.completed
            operation = b"append %s %s%d;" % (LOG, self.name.encode(), timestamp)
            self.request = Request(self.authenticator.client_id, self._session, timestamp, (operation,))
            self._is_sent = False
        frame = self.authenticator.seal(self.request, self._is_sent)
        self._is_sent = True
        return frame

    def believe(self, content: Content) -> None:
        """The outstanding request has got its reply. The first one opened the session."""
        if not self._session and content.results[0] is not None:
            self._session = int.from_bytes(content.results[0], "big")
        self.completed += 1
        self.request = None
