"""Worlds without an optimisation: whatever a seed draws, some switches of `config.Settings` are off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from quorate.errors import ConfigurationError
from quorate.sim.plan import Plan

OFF: Final[Mapping[str, Mapping[str, Any]]] = {
    "tentative-execution": {"tentative_execution": False},
    "piggybacked-commits": {"commit_delay_ms": 0},
    "digest-replies": {"digest_replies": False},
    "separate-transmission": {"separate_requests": False},
    "read-only-path": {"read_only_path": False},
    "pace-of-primary": {"slow_primary_factor": 0},
    "batching": {"batch_requests_max": 1},
    "request-macs": {"request_authentication": "signature"},
    "replica-macs": {"replica_authentication": "signature"},
}
"""Each switch, and the settings with which it is off."""


def check_switches(names: Sequence[str]) -> None:
    """Raise ConfigurationError for a switch that there is not."""
    for name in names:
        if name not in OFF:
            raise ConfigurationError(f"--without {name}: there is no such switch; there are {', '.join(OFF)}")


def without(plan: Plan, names: Sequence[str]) -> Plan:
    """The plan with these switches off."""
    changes = {setting: value for name in names for setting, value in OFF[name].items()}
    return replace(plan, settings=replace(plan.settings, **changes))
