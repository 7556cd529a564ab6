"""Mutually authenticated links over TCP: `listen` for peers that dial us, a `Dialer` for each peer that we dial.

Between two replicas the one with the higher id dials; clients dial all replicas. Counters are by reason and bounded,
for `quorate status`: they show garbage, strangers, floods and oversize frames thrown at a port.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from contextlib import suppress
from errno import EADDRINUSE
from socket import gaierror
from typing import Final

from quorate.errors import ConfigurationError
from quorate.net.connection import (
    CLOSED_HERE,
    CLOSED_THERE,
    FRAME_TOO_LARGE,
    FrameBytesMax,
    Link,
    LinkCounters,
    LinkHandler,
)
from quorate.net.framing import client_frame_bytes_max_of, frame_bytes_max_of
from quorate.net.greeting import CLOSED, Greeting
from quorate.net.handshake import Identity, Peer, Refusal, Role
from quorate.net.limits import LinkLimits, Meter, Rate
from quorate.net.tls import Credentials

__all__ = [
    "CLOSED_HERE",
    "CLOSED_THERE",
    "FRAME_TOO_LARGE",
    "LINKS_OPENED",
    "REPLACED",
    "Dialer",
    "Identity",
    "Link",
    "LinkCounters",
    "LinkHandler",
    "LinkLimits",
    "Listener",
    "Peer",
    "Rate",
    "listen",
]

LINKS_OPENED: Final = "links opened"
REPLACED: Final = "replaced by a newer link of the same peer"
_COUNTERS_MAX: Final = 64
_OTHERS: Final = "others"
_RECONNECT_SECONDS: Final = 0.05
_RECONNECT_SECONDS_MAX: Final = 2.0
_STEADY_SECONDS: Final = 1.0
"""A link that lived this long was a success: the next delay is the shortest again."""
_LIMITS: Final = LinkLimits()
Tell = Callable[[str, str], None]
"""Told who was refused, or refused us, in a handshake, and why."""


def _tell_nobody(peer: str, reason: str) -> None:
    pass


def _count(counters: dict[str, int], reason: str) -> None:
    reason = reason.partition(":")[0]
    if reason not in counters and len(counters) >= _COUNTERS_MAX:
        reason = _OTHERS
    counters[reason] = counters.get(reason, 0) + 1


def _why(error: Exception) -> str:
    """The system's words for what went wrong; the event loops' own differ."""
    if isinstance(error, OSError) and not isinstance(error, gaierror) and error.errno:
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error)


class _Opener:
    """What all links of one listener or dialer have in common."""

    def __init__(
        self,
        identity: Identity,
        handler: LinkHandler,
        limits: LinkLimits,
        credentials: Credentials | None = None,
        tell: Tell = _tell_nobody,
    ) -> None:
        own = identity.peer(identity.public_key)
        if own is None:
            raise ConfigurationError(
                f"the key {identity.public_key.hex()[:8]}… is not in the cluster's configuration: "
                "use the folder that `quorate init` made for this member"
            )
        if credentials is None and identity.configuration.settings.transport == "tls":
            raise ConfigurationError(
                "the cluster's transport is tls, and no certificate was given: open the member by its folder"
            )
        self._credentials = credentials
        self._tell = tell
        self.identity: Final = identity
        self.handler: Final = handler
        self.limits: Final = limits
        self._from_replica = frame_bytes_max_of(identity.configuration)
        self._from_client = client_frame_bytes_max_of(identity.configuration)
        self._meters: dict[bytes, Meter] = {}
        """One a client: there are no more than the access table has rows."""
        self._outgoing = self._from_client if own.replica_id is None else self._from_replica

    def carry(self, greeting: Greeting, role: Role) -> asyncio.Protocol:
        """The greeting, behind TLS where that is set."""
        return greeting if self._credentials is None else self._credentials.secure(greeting, role)

    def tell(self, peer: str, reason: str) -> None:
        """A handshake was refused."""
        if reason != CLOSED:  # whoever ends in that moment, or only looks whether somebody listens
            self._tell(peer, reason)

    def meter_of(self, peer: Peer) -> Meter:
        """What measures a peer: a replica's link by itself, all links of one client together."""
        if peer.replica_id is not None:
            return Meter(self.limits.replica_rate)
        return self._meters.setdefault(peer.public_key, Meter(self.limits.client_rate))

    def open(self, peer: Peer, transport: asyncio.Transport, on_gone: Callable[[Link, str], None]) -> Link:
        """The link that takes over the connection."""
        incoming = self._from_client if peer.replica_id is None else self._from_replica
        sizes = FrameBytesMax(incoming, self._outgoing)
        link = Link(peer, transport, self.handler, self.limits, sizes, on_gone, self.meter_of(peer))
        transport.set_protocol(link)
        return link


class Listener:
    """A port on which peers reach us. Made by `listen`."""

    def __init__(self, opener: _Opener, counters: dict[str, int]) -> None:
        self.counters: Final = counters
        """What happened, by reason: links opened, handshakes refused, links closed."""
        self._opener = opener
        self._server: asyncio.Server | None = None
        self._greetings: dict[Greeting, None] = {}
        """The connections that have not proved who they are, the oldest first."""
        self._links: dict[bytes, list[Link]] = {}
        """The open links of each peer, the oldest first."""
        self._is_closing = False
        self._emptied = asyncio.Event()

    @property
    def port(self) -> int:
        """The port, also where 0 asked for any."""
        if self._server is None or not self._server.sockets:
            raise ConfigurationError("the listener is closed: listen again")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def start(self, host: str, port: int) -> None:
        """Begin to listen. Called by `listen`."""
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._accept, host, port, backlog=256)
        except OSError as error:
            if error.errno == EADDRINUSE:
                why = "is taken: stop what listens there, or choose another port"
            else:
                why = f"cannot be listened on ({_why(error)}): choose an address of this machine"
            raise ConfigurationError(f"{host}:{port} {why}") from error

    def close(self) -> None:
        """Accept nothing more and close all links; what they have queued is written first."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._server is not None:
            self._server.close()
        for greeting in self._greetings:
            greeting.close()
        self._greetings.clear()
        for link in [link for links in self._links.values() for link in links]:
            link.close()
        self._note_whether_empty()

    async def wait_closed(self) -> None:
        """Wait until, after `close`, the last link is gone."""
        await self._emptied.wait()
        if self._server is not None:
            await self._server.wait_closed()

    def _accept(self) -> asyncio.Protocol:
        limits = self._opener.limits
        if len(self._greetings) >= limits.handshakes_max:
            # Not the newest: a flood of silent connections would keep everyone else out.
            next(iter(self._greetings)).refuse(Refusal.TOO_MANY)
        identity = self._opener.identity
        greeting = Greeting(identity, Role.LISTENER, None, limits.handshake_seconds, self._on_peer, self._on_refused)
        if self._is_closing:
            greeting.close()
        else:
            self._greetings[greeting] = None
        return self._opener.carry(greeting, Role.LISTENER)

    def _on_refused(self, greeting: Greeting, reason: str) -> None:
        del self._greetings[greeting]
        _count(self.counters, reason)
        self._opener.tell(greeting.address, reason)
        self._note_whether_empty()

    def _on_peer(self, greeting: Greeting, peer: Peer, transport: asyncio.Transport) -> Link:
        del self._greetings[greeting]
        link = self._opener.open(peer, transport, self._on_gone)
        links = self._links.setdefault(peer.public_key, [])
        links_max = self._opener.limits.links_per_client_max if peer.replica_id is None else 1
        while len(links) >= links_max:
            links.pop(0).close(REPLACED)
        links.append(link)
        _count(self.counters, LINKS_OPENED)
        self._opener.handler.link_opened(link)
        return link

    def _on_gone(self, link: Link, reason: str) -> None:
        _count(self.counters, reason)
        key = link.peer.public_key
        self._links[key] = [other for other in self._links.get(key, ()) if other is not link]
        if not self._links[key]:
            del self._links[key]
        self._note_whether_empty()

    def _note_whether_empty(self) -> None:
        if self._is_closing and not self._greetings and not self._links:
            self._emptied.set()


async def listen(
    host: str,
    port: int,
    identity: Identity,
    handler: LinkHandler,
    limits: LinkLimits = _LIMITS,
    counters: dict[str, int] | None = None,
    credentials: Credentials | None = None,
    tell: Tell = _tell_nobody,
) -> Listener:
    """Accept the links of the cluster's members on *host*:*port*; port 0 takes any free one.

    Raises ConfigurationError when the address cannot be had. `counters` may be shared with dialers.
    `credentials` are needed where the cluster's transport is TLS.
    """
    listener = Listener(_Opener(identity, handler, limits, credentials, tell), {} if counters is None else counters)
    await listener.start(host, port)
    return listener


class Dialer:
    """Keeps one link to one member open: dials again whenever it is lost, ever more slowly while that fails.

    It is made inside a running event loop, and begins at once.
    """

    def __init__(
        self,
        identity: Identity,
        host: str,
        port: int,
        expected_public_key: bytes,
        handler: LinkHandler,
        limits: LinkLimits = _LIMITS,
        counters: dict[str, int] | None = None,
        jitter: Callable[[], float] = random.random,
        credentials: Credentials | None = None,
        tell: Tell = _tell_nobody,
    ) -> None:
        self.address: Final = f"{host}:{port}"
        self.counters: Final[dict[str, int]] = {} if counters is None else counters
        self.link: Link | None = None
        """The open link; None while there is none."""
        self.dropped = 0
        """Frames that were sent while there was no link."""
        self.failure = "not connected yet"
        """Why the last connection failed or ended."""
        self._host, self._port = host, port
        self._expected_public_key = expected_public_key
        self._opener = _Opener(identity, handler, limits, credentials, tell)
        self._greeting: Greeting | None = None
        self._over = asyncio.Event()
        """Set while there is neither a greeting nor a link."""
        self._over.set()
        self._task = asyncio.get_running_loop().create_task(self._keep_connected(jitter))

    def send(self, frame: bytes) -> bool:
        """Queue *frame*; False when it was dropped."""
        if self.link is None:
            self.dropped += 1
            return False
        return self.link.send(frame)

    def close(self) -> None:
        """Close the link and dial no more."""
        self._task.cancel()
        self._abandon_greeting()
        if self.link is not None:
            self.link.close()

    async def wait_closed(self) -> None:
        """Wait until, after `close`, the link is gone."""
        with suppress(asyncio.CancelledError):
            await self._task
        await self._over.wait()

    async def _keep_connected(self, jitter: Callable[[], float]) -> None:
        delay = _RECONNECT_SECONDS
        while True:
            if await self._connect() >= _STEADY_SECONDS:
                delay = _RECONNECT_SECONDS
            # Spread out: or all who lost the same peer would dial it in the same moments.
            await asyncio.sleep(delay * (0.5 + 0.5 * jitter()))
            delay = min(2 * delay, _RECONNECT_SECONDS_MAX)

    async def _connect(self) -> float:
        """Dial once, and wait until it failed or the link is lost; how many seconds the link lived."""
        loop = asyncio.get_running_loop()
        timeout_seconds = self._opener.limits.handshake_seconds
        try:
            async with asyncio.timeout(timeout_seconds):
                await loop.create_connection(self._greet, self._host, self._port)
        except TimeoutError:
            self._abandon_greeting()
            self._fail(f"no answer within {timeout_seconds:g} seconds")
        except (OSError, UnicodeError) as error:
            self._abandon_greeting()
            self._fail(_why(error))
        connected = loop.time()
        await self._over.wait()
        return loop.time() - connected

    def _greet(self) -> asyncio.Protocol:
        limits = self._opener.limits
        self._greeting = Greeting(
            self._opener.identity,
            Role.DIALER,
            self._expected_public_key,
            limits.handshake_seconds,
            self._on_peer,
            self._on_refused,
        )
        self._over.clear()
        return self._opener.carry(self._greeting, Role.DIALER)

    def _abandon_greeting(self) -> None:
        """There may be one although the connection never was: event loops differ in when they ask for it."""
        if self._greeting is not None:
            self._greeting.close()
            self._greeting = None
            self._over.set()

    def _on_refused(self, greeting: Greeting, reason: str) -> None:
        self._greeting = None
        self._opener.tell(self.address, reason)
        self._fail(reason)

    def _on_peer(self, greeting: Greeting, peer: Peer, transport: asyncio.Transport) -> Link:
        self._greeting = None
        link = self.link = self._opener.open(peer, transport, self._on_gone)
        _count(self.counters, LINKS_OPENED)
        self._opener.handler.link_opened(link)
        return link

    def _on_gone(self, link: Link, reason: str) -> None:
        self.link = None
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        self.failure = reason
        _count(self.counters, reason)
        self._over.set()
