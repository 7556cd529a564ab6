"""Byzantine fault tolerance for Python: Castro and Liskov's PBFT as a library, a server and a lab.

    async with quorate.connect("quorate-data/client") as client:
        result = await client.invoke(operation)

What is listed in `__all__` is the public interface. It is imported when it is used: the modules below stay free to
import one another.
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quorate.client.aio import AsyncClient, ClusterUnreachable, connect
    from quorate.client.sync import Client, connect_sync
    from quorate.core.ports import Context, Service
    from quorate.errors import (
        ConfigurationError,
        OperationFailed,
        QuorateError,
        RequestFailed,
        RequestRefused,
        RequestTimeout,
    )

__all__ = [
    "AsyncClient",
    "Client",
    "ClusterUnreachable",
    "ConfigurationError",
    "Context",
    "OperationFailed",
    "QuorateError",
    "RequestFailed",
    "RequestRefused",
    "RequestTimeout",
    "Service",
    "connect",
    "connect_sync",
]

__version__ = version("quorate")

_MODULES = {
    "AsyncClient": "quorate.client.aio",
    "Client": "quorate.client.sync",
    "ClusterUnreachable": "quorate.client.aio",
    "Context": "quorate.core.ports",
    "Service": "quorate.core.ports",
    "connect": "quorate.client.aio",
    "connect_sync": "quorate.client.sync",
}
"""Where a public name is; an error is in `quorate.errors`."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULES.get(name, "quorate.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
