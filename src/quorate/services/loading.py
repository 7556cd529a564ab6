"""From the name of a service in `cluster.toml` to the service."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from typing import Final, cast

from quorate.config import Settings
from quorate.core.ports import Service
from quorate.errors import ConfigurationError

BUILT_IN: Final = {
    "redis": "quorate.services.redis:RedisService",
    "counter": "quorate.services.counter:CounterService",
}
_SETTINGS: Final = Settings()
_METHODS: Final = (
    *("execute", "query", "only_reads", "checkpoint", "digest", "revert", "release"),
    *("fetch", "install", "tick", "next_deadline"),
)


def load_service(name: str, settings: Settings = _SETTINGS) -> Service:
    """A new service, empty: a built-in one, or `module:Class`, looked for in the current folder too.

    A class whose services have to know the cluster's settings has a class method `for_settings` that makes one.
    """
    module_name, separator, class_name = BUILT_IN.get(name, name).partition(":")
    if not separator or not module_name or not class_name:
        known = ", ".join(sorted(BUILT_IN))
        raise ConfigurationError(f"there is no service {name!r}; known are {known} and your own, as module:Class")
    if name not in BUILT_IN and os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        factory = getattr(importlib.import_module(module_name), class_name)
        service = factory.for_settings(settings) if hasattr(factory, "for_settings") else factory()
    except ImportError as error:
        raise ConfigurationError(
            f"service {name!r}: {error}; install what is missing, or start where it can be imported from"
        ) from error
    except (AttributeError, TypeError) as error:
        raise ConfigurationError(
            f"service {name!r}: {error}; name a class that is made without arguments, as module:Class"
        ) from error
    except Exception as error:  # whatever its module or its constructor raises, a SyntaxError too
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, SyntaxError) else f" ({last.filename}, line {last.lineno})"
        raise ConfigurationError(
            f"service {name!r} cannot be made: {type(error).__name__}: {error}{where}; mend it"
        ) from error
    missing = [method for method in _METHODS if not callable(getattr(service, method, None))]
    if missing:
        raise ConfigurationError(f"service {name!r} is no quorate.Service: it lacks {', '.join(missing)}")
    return cast(Service, service)
