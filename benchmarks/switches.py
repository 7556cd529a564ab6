"""The optimisations that have a switch: what each brings is measured with everything on, and with it alone off.

A new one is one more entry here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from quorate.config import Settings

SEPARATE_TRANSMISSION: Final = "separate-transmission"
DIGEST_REPLIES: Final = "digest-replies"
"""Rows of the table of figures are about these two, and the parts that count bytes try both ways."""


class Switch(NamedTuple):
    """One optimisation."""

    name: str
    title: str
    on: Mapping[str, Any]
    """Settings of the cluster."""
    off: Mapping[str, Any]


_DEFAULT: Final = Settings()
SWITCHES: Final = (
    Switch(
        "tentative-execution",
        "execute and answer when a batch is prepared",
        {"tentative_execution": True},
        {"tentative_execution": False},
    ),
    Switch(
        "piggybacked-commits",
        "COMMITs travel with other messages",
        {"commit_delay_ms": _DEFAULT.commit_delay_ms},
        {"commit_delay_ms": 0},
    ),
    Switch(
        SEPARATE_TRANSMISSION,
        "clients send large requests to all replicas",
        {"separate_requests": True},
        {"separate_requests": False},
    ),
    Switch(
        DIGEST_REPLIES,
        "one replica sends large results whole, the others digests",
        {"digest_replies": True},
        {"digest_replies": False},
    ),
    Switch(
        "read-only-path",
        "what only reads is not ordered; all replies then need a quorum",
        {"read_only_path": True},
        {"read_only_path": False},
    ),
    Switch(
        "request-macs",
        "MACs in place of clients' signatures",
        {"request_authentication": "mac"},
        {"request_authentication": "signature"},
    ),
    Switch(
        "replica-macs",
        "MACs in place of replicas' signatures",
        {"replica_authentication": "mac"},
        {"replica_authentication": "signature"},
    ),
    Switch(
        "batching",
        "many requests in one batch",
        {"batch_requests_max": _DEFAULT.batch_requests_max},
        {"batch_requests_max": 1},
    ),
)


def all_on() -> dict[str, Any]:
    """The settings with every optimisation."""
    return {name: value for switch in SWITCHES for name, value in switch.on.items()}


def all_but(switch: Switch) -> dict[str, Any]:
    """The settings with every other one."""
    return all_on() | dict(switch.off)
