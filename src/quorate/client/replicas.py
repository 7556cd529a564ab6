"""A client's links, one to each replica."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from quorate.auth.keys import KeyPair
from quorate.config import ClusterConfiguration
from quorate.net.handshake import Refusal
from quorate.net.links import Dialer, Identity, Link, LinkLimits
from quorate.net.tls import Credentials

_OTHER_TRANSPORT: Final = (
    "one side's cluster.toml says transport = \"tls\" and the other's does not: all members have the same file; "
    "copy it to whoever has another, and start that one again"
)
_REMEDIES: Final = {
    Refusal.CLUSTER.text: (
        "this client's cluster.toml is of another cluster, or older than the cluster's last new start: "
        "copy it from a replica's folder, all members have the same"
    ),
    Refusal.UNKNOWN_KEY.text: (
        "the replicas do not know this client's key, or it was revoked: an administrator lets clients in with "
        "`quorate client add`"
    ),
    Refusal.WITHOUT_TLS.text: _OTHER_TRANSPORT,
    Refusal.WITH_TLS.text: _OTHER_TRANSPORT,
    Refusal.CERTIFICATE.text: "`quorate init DIR --renew-certificates` makes new certificates; see docs/SECURITY.md",
}
"""For refusals that do not pass by themselves."""


class Replicas:
    """Dials all replicas and keeps the links open. Made inside a running event loop; the handler of its links."""

    def __init__(
        self,
        key_pair: KeyPair,
        configuration: ClusterConfiguration,
        limits: LinkLimits,
        on_frames: Callable[[list[bytes]], None],
        on_change: Callable[[int], None],
        credentials: Credentials | None = None,
    ) -> None:
        self.counters: Final[dict[str, int]] = {}
        """What happened to the links, by reason."""
        self._on_frames = on_frames
        self._on_change = on_change
        self._opened = asyncio.Event()
        identity = Identity(key_pair, configuration)
        self._dialers = [
            Dialer(
                identity,
                member.host,
                member.port,
                bytes.fromhex(member.public_key),
                self,
                limits,
                self.counters,
                credentials=credentials,
            )
            for member in configuration.replicas
        ]

    @property
    def connected(self) -> list[int]:
        """The replicas to which a link is open."""
        return [replica_id for replica_id, dialer in enumerate(self._dialers) if dialer.link is not None]

    def send(self, replica_id: int, frame: bytes) -> bool:
        """Send to one replica; False when the frame was dropped."""
        return self._dialers[replica_id].send(frame)

    def describe(self, replica_id: int) -> str:
        """Where a replica is, and why it cannot be reached if it cannot."""
        dialer = self._dialers[replica_id]
        return f"replica {replica_id} at {dialer.address}" + ("" if dialer.link is not None else f": {dialer.failure}")

    def describe_unreachable(self) -> str:
        """In parentheses, which replicas cannot be reached and why; nothing when all can."""
        missing = [self.describe(replica) for replica, dialer in enumerate(self._dialers) if dialer.link is None]
        return f" ({'; '.join(missing)})" if missing else ""

    def remedy(self, *replica_ids: int) -> str:
        """What to do when one of these replicas, or of all, refuses this client; nothing when none does."""
        asked = [self._dialers[replica_id] for replica_id in replica_ids] or self._dialers
        failures = [dialer.failure for dialer in asked if dialer.link is None]
        return next((remedy for reason, remedy in _REMEDIES.items() for failure in failures if reason in failure), "")

    async def until(self, holds: Callable[[list[int]], bool]) -> None:
        """Wait until the connected replicas satisfy *holds*."""
        while not holds(self.connected):
            self._opened.clear()
            await self._opened.wait()

    def close(self) -> None:
        """Close all links."""
        for dialer in self._dialers:
            dialer.close()

    async def wait_closed(self) -> None:
        """Wait until, after `close`, all links are gone."""
        for dialer in self._dialers:
            await dialer.wait_closed()

    # --------------------------------------------------------------------------------------- as the handler

    def link_opened(self, link: Link) -> None:
        """A replica is connected."""
        self._opened.set()
        self._changed(link)

    def frames_received(self, link: Link, frames: list[bytes]) -> None:
        """Frames of a replica; each is authenticated by itself."""
        self._on_frames(frames)

    def link_closed(self, link: Link, reason: str) -> None:
        """A replica is lost."""
        self._changed(link)

    def _changed(self, link: Link) -> None:
        if link.peer.replica_id is not None:
            self._on_change(link.peer.replica_id)
