"""The optimisations that have a switch: what each brings is measured with everything on, and with it alone off.

A new one is one more entry here, and one in `quorate.sim.switches`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from quorate.config import Settings
from quorate.sim.switches import OFF

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


_EVERYTHING: Final = Settings(request_authentication="mac")


def _switch(name: str, title: str) -> Switch:
    return Switch(name, title, {setting: getattr(_EVERYTHING, setting) for setting in OFF[name]}, OFF[name])


SWITCHES: Final = (
    _switch("tentative-execution", "execute and answer when a batch is prepared"),
    _switch("piggybacked-commits", "COMMITs travel with other messages"),
    _switch(SEPARATE_TRANSMISSION, "clients send large requests to all replicas"),
    _switch(DIGEST_REPLIES, "one replica sends large results whole, the others digests"),
    _switch("read-only-path", "what only reads is not ordered; all replies then need a quorum"),
    _switch("request-macs", "MACs in place of clients' signatures"),
    _switch("replica-macs", "MACs in place of replicas' signatures"),
    _switch("batching", "many requests in one batch"),
)


def all_on() -> dict[str, Any]:
    """The settings with every optimisation."""
    return {name: value for switch in SWITCHES for name, value in switch.on.items()}


def all_but(switch: Switch) -> dict[str, Any]:
    """The settings with every other one."""
    return all_on() | dict(switch.off)
