"""Exact copies of a replica, and its state as a value that compares and hashes.

Both walk the state by the types found there, and stop at a type that they do not know: nothing is left out by accident.
"""

from __future__ import annotations

from collections import Counter, deque
from copy import copy
from enum import Enum
from typing import Any, Final, TypeVar

from msgspec import Struct

from quorate.config import Settings
from quorate.core.context import Timers
from quorate.core.paced import Pace
from quorate.core.quorum import Quorums
from quorate.core.reached import Reach
from quorate.core.replica import Replica
from quorate.sim.small_worlds.cluster import SymbolicAuthenticator

T = TypeVar("T")

_ATOMS: Final = (int, bytes, str, bool, type(None), frozenset)
_SHARED: Final = (SymbolicAuthenticator, Settings, Quorums)
"""Never changed by anybody."""
_KINDS: dict[type, bool] = {}
"""Types that were met, and whether their values are shared."""
_UNSTATED: Final = frozenset(
    {"outbox", "now", "wall", "incidents", "auth", "settings", "quorums", "tracing", "replica_count", "changes"}
)
"""No part of the state: what was handed out, what time it was, what is counted for people, what never changes."""


def copy_of(value: T) -> T:
    """A copy that shares nothing that changes."""
    return _copy(value)  # type: ignore[no-any-return]


def _is_shared(kind: type) -> bool:
    """Whether values of a type never change. Tuples here hold only such values."""
    known = _KINDS.get(kind)
    if known is None:
        known = kind in _ATOMS or kind in _SHARED or issubclass(kind, tuple | Enum)
        known = _KINDS[kind] = known or (issubclass(kind, Struct) and kind.__struct_config__.frozen)
    return known


def _copy(value: Any) -> Any:
    kind = type(value)
    if _is_shared(kind):
        return value
    if kind is dict or kind is Counter:
        return kind({key: entry if _is_shared(type(entry)) else _copy(entry) for key, entry in value.items()})
    if kind is list or kind is set or kind is deque:
        return copy(value)
    if isinstance(value, Struct):
        return kind(*(_copy(getattr(value, name)) for name in kind.__struct_fields__))
    return _copy_object(value)


def _copy_object(value: Any) -> Any:
    kind = type(value)
    if not kind.__module__.startswith("quorate."):
        raise TypeError(f"no rule how to copy a {kind.__name__}")
    copied = object.__new__(kind)
    if hasattr(value, "__dict__"):
        attributes = copied.__dict__
        for name, entry in value.__dict__.items():
            attributes[name] = entry if _is_shared(type(entry)) else _copy(entry)
    else:
        for name in kind.__slots__:
            object.__setattr__(copied, name, _copy(getattr(value, name)))
    return copied


def state_of(replica: Replica) -> object:
    """Everything that can change what the replica does from now on, as a value. Time is not among it: the adversary
    says what falls due."""
    return _value(replica.core)


def _value(value: Any) -> object:
    kind = type(value)
    if kind in _ATOMS or isinstance(value, tuple | Enum):
        return value
    if kind is dict:
        return _value_of_dict(value)
    if kind is set:
        return frozenset(value)
    if kind is list:
        return tuple(_value(entry) for entry in value)
    if isinstance(value, Struct):
        return (kind.__name__, *(_value(getattr(value, name)) for name in kind.__struct_fields__))
    if kind in (Timers, Pace, Reach):
        return None
    if not kind.__module__.startswith("quorate."):
        raise TypeError(f"no rule what the value of a {kind.__name__} is")
    names = value.__dict__ if hasattr(value, "__dict__") else kind.__slots__
    return tuple(_value(getattr(value, name)) for name in names if name not in _UNSTATED)


def _value_of_dict(value: dict[Any, Any]) -> object:
    """What is numbered is looked up or counted, so its order says nothing; elsewhere the order is part of the state."""
    items = value.items()
    if all(type(key) is int for key in value):
        items = sorted(items, key=lambda item: item[0])  # type: ignore[assignment]
    return tuple((key, _value(entry)) for key, entry in items)
