"""A client that lies, on real links: an honest session inside, and strategies that rewrite what it sends."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from random import Random
from typing import Final

from quorate.adversary.registry import make_liar
from quorate.adversary.traitor import Conspiracy
from quorate.auth.authenticator import ClientAuthenticator
from quorate.auth.keys import KeyPair
from quorate.client.replicas import Replicas
from quorate.client.session import SendRequest, Session
from quorate.config import ClusterConfiguration
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.lab.dialects import Dialect
from quorate.lab.workload import now
from quorate.messages.protocol import Reply
from quorate.net.links import LinkLimits

_PAUSE_SECONDS: Final = 0.005
_PATIENCE_US: Final = 1_000_000
"""A session that gets no answer for so long is given up for a new one."""


class LyingClient:
    """Lies until it is stopped. What it writes is in a register of its own."""

    def __init__(
        self,
        key_pair: KeyPair,
        configuration: ClusterConfiguration,
        strategies: tuple[str, ...],
        dialect: Dialect,
        register: str,
        seed: int,
    ) -> None:
        self._configuration = configuration
        self._authenticator = ClientAuthenticator(key_pair, configuration)
        self._liar = make_liar(strategies, self._authenticator, configuration, Random(seed), Conspiracy())
        self._dialect = dialect
        self._register = register
        self._replicas = Replicas(key_pair, configuration, LinkLimits(), self._receive, lambda _: None)
        self._session = self._open()
        self._begun = 0
        self._task = asyncio.create_task(self._lie())

    async def stop(self) -> None:
        """Lie no more."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task
        self._replicas.close()
        await self._replicas.wait_closed()

    def _open(self) -> Session:
        return Session(self._authenticator, self._configuration, time.time_ns() // 1000)

    async def _lie(self) -> None:
        number = 0
        while True:
            if self._session.is_idle:
                number += 1
                self._begun = now()
                operation = f"write {self._register} {number}."
                self._session.begin((self._dialect.encode(operation.encode()),), self._begun)
            elif now() - self._begun > _PATIENCE_US:
                self._session = self._open()
            self._settle()
            await asyncio.sleep(_PAUSE_SECONDS)

    def _receive(self, frames: list[bytes]) -> None:
        for frame in frames:
            with suppress(MalformedMessage, AuthenticationFailed):
                reply = self._authenticator.open(frame)
                if isinstance(reply, Reply):
                    self._session.receive(reply, now())

    def _settle(self) -> None:
        """Send what the session wants sent, and worse."""
        for effect in self._session.settle(now()):
            if isinstance(effect, SendRequest):
                for said in self._liar.rewrite(effect, now()):
                    for receiver in said.receivers:
                        self._replicas.send(receiver, said.frame)
