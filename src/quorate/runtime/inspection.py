"""How a replica is: the answer to INSPECT, given by the process and not by the rules."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec

from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.core.replica import Replica
from quorate.folder import ReplicaFolder
from quorate.messages.protocol import Inspect, Inspection
from quorate.net.handshake import Refusal
from quorate.net.links import Dialer
from quorate.runtime.driver import Outlet
from quorate.runtime.ports import Clock, Link
from quorate.runtime.reception import Refusals
from quorate.runtime.roster import Roster

WITHOUT_VOTES: Final = frozenset({"lost-votes", "recovering"})
CONNECTED: Final = "connected"
STRANGERS: Final = "strangers"
"""What opened a connection and did not prove who it is."""
_REPORT_US: Final = 10_000
"""A report is made at most this often, however often it is asked for."""
_HANDSHAKE_REASONS: Final = frozenset(refusal.text for refusal in Refusal)


class Parts(NamedTuple):
    """What the answer is made of."""

    folder: ReplicaFolder
    replica: Replica
    authenticator: ReplicaAuthenticator
    roster: Roster
    refusals: Refusals
    driver: Outlet
    clock: Clock
    votes_lost: str | None
    """Why it does not know what it voted."""


class Inspector:
    """Answers INSPECT."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._started = parts.clock.now()
        self._latest = b""
        self._latest_until = self._started
        self._connections: Mapping[str, int] = {}
        self._dialers: Mapping[int, Dialer] = {}

    def watch(self, connections: Mapping[str, int], dialers: Mapping[int, Dialer]) -> None:
        """Report on these too: the counters of connections by reason, and the replicas that this one dials."""
        self._connections = connections
        self._dialers = dialers

    def answer(self, link: Link, inspect: Inspect) -> None:
        """Send the report to whom asked."""
        now = self._parts.clock.now()
        if now >= self._latest_until:
            self._latest = msgspec.json.encode(self.report())
            self._latest_until = now + _REPORT_US
        inspection = Inspection(inspect.nonce, self._latest, self._parts.folder.replica_id)
        link.send(self._parts.authenticator.seal_inspection(inspection, inspect.client))

    def report(self) -> dict[str, object]:
        """How this replica is, as a JSON object."""
        folder, replica, _, roster, refusals, driver, clock, votes_lost = self._parts
        own = folder.replica_id
        member = folder.configuration.replicas[own]
        others = [other for other in range(folder.configuration.replica_count) if other != own]
        told = replica.report()
        return {
            **msgspec.structs.asdict(told),
            "incidents": {**told.incidents, **driver.damages},
            "pid": os.getpid(),
            "address": f"{member.host}:{member.port}",
            "uptime_seconds": (clock.now() - self._started) / 1_000_000,
            "durability": folder.configuration.settings.durability,
            "links": {str(other): self._link_state(other) for other in others},
            "client_links": roster.client_link_count(),
            "dropped_frames": driver.dropped_frames,
            "storage_trouble": driver.trouble,
            "votes_lost": votes_lost if told.status in WITHOUT_VOTES else None,
            "refused": refusals.rows() + self._refused_handshakes(),
        }

    def _link_state(self, replica_id: int) -> str:
        """`connected`, or why not."""
        if self._parts.roster.replica(replica_id) is not None:
            return CONNECTED
        dialer = self._dialers.get(replica_id)
        return "has not connected to us" if dialer is None else dialer.failure

    def _refused_handshakes(self) -> list[dict[str, object]]:
        """Connections whose other end is nobody that is known."""
        return [
            {"peer": STRANGERS, "reason": reason, "count": count}
            for reason, count in sorted(self._connections.items())
            if reason in _HANDSHAKE_REASONS
        ]
