"""The handshake of a connection whose peer is not known yet, as an asyncio protocol (the rules: `net.handshake`)."""

from __future__ import annotations

import asyncio
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final, cast

from quorate.net.connection import Link
from quorate.net.handshake import (
    NONCE_BYTES,
    Handshake,
    HandshakeRefused,
    Identity,
    Peer,
    Refusal,
    Role,
    refusal_bytes,
)
from quorate.net.tls import CHANNEL

_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000),
)
"""A peer whose machine is gone, or that takes nothing for 20 seconds, is noticed: without these, after a quarter of an
hour."""

CLOSED: Final = "the connection was closed during the handshake"


class Greeting(asyncio.Protocol):
    """The handshake of a connection whose peer is not known yet.

    It ends in one call: `on_peer`, which makes the link that takes over the transport, or `on_refused`, with the reason
    why the connection is closed.
    """

    def __init__(
        self,
        identity: Identity,
        role: Role,
        expected_public_key: bytes | None,
        timeout_seconds: float,
        on_peer: Callable[[Greeting, Peer, asyncio.Transport], Link],
        on_refused: Callable[[Greeting, str], None],
    ) -> None:
        self._handshake = Handshake(identity, role, secrets.token_bytes(NONCE_BYTES), expected_public_key)
        self._timeout_seconds = timeout_seconds
        self._on_peer = on_peer
        self._on_refused = on_refused
        self._transport: asyncio.Transport | None = None
        self.address = "an unknown address"
        """Where the other end is."""
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Say HELLO."""
        if self._is_over:
            cast(asyncio.Transport, transport).abort()
            return
        self._transport = cast(asyncio.Transport, transport)
        peer_name = transport.get_extra_info("peername")
        if peer_name:
            self.address = f"{peer_name[0]}:{peer_name[1]}"
        connected: socket.socket = transport.get_extra_info("socket")
        with suppress(OSError):  # it was closed already: reading will tell
            for level, option, value in _KEEPALIVE:
                connected.setsockopt(level, option, value)
        self._timer = asyncio.get_running_loop().call_later(self._timeout_seconds, self.refuse, Refusal.SILENCE)
        self._transport.write(self._handshake.hello)

    def data_received(self, data: bytes) -> None:
        """Take part in the handshake; hand over to the link when it is done."""
        if self._is_over or self._transport is None:
            return
        self._handshake.channel = self._transport.get_extra_info(CHANNEL, b"")
        try:
            answer = self._handshake.feed(data)
        except HandshakeRefused as error:
            self._refuse(error)
            return
        if answer:
            self._transport.write(answer)
        peer = self._handshake.peer
        if peer is not None:
            self._end()
            link = self._on_peer(self, peer, self._transport)
            rest = self._handshake.rest()
            if rest:
                link.data_received(rest)

    def close(self) -> None:
        """Give up the handshake; nobody is called."""
        if not self._is_over:
            self._end()
            if self._transport is not None:
                self._transport.abort()

    def refuse(self, refusal: Refusal) -> None:
        """Close the connection, and tell the other side why."""
        self._refuse(HandshakeRefused(refusal))

    def _refuse(self, error: HandshakeRefused) -> None:
        if self._is_over:
            return
        self._end()
        if self._transport is not None:
            if not error.is_theirs:
                self._transport.write(refusal_bytes(error.refusal))
            self._transport.close()
        self._on_refused(self, str(error))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side gave up, or what carries the handshake says why there will be none."""
        if not self._is_over:
            self._end()
            self._on_refused(self, str(exc) if isinstance(exc, HandshakeRefused) else CLOSED)

    def _end(self) -> None:
        self._is_over = True
        if self._timer is not None:
            self._timer.cancel()
