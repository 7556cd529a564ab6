"""A network of namespaces for one laboratory: a bridge in one, and each replica in its own, so that routes can be cut.

Nothing of it is in the machine's own network: all is made inside a namespace that this process entered, and is gone
with the last process in it. That needs root, or a system that lets users make namespaces of their own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Final

from quorate.errors import ConfigurationError

_BRIDGE: Final = "quorate"
_NETWORK: Final = "10.77.0."
_OWN_ADDRESS: Final = _NETWORK + "254"
_PROBE_SECONDS: Final = 10.0
_SET_UP: Final = "mount -t tmpfs none /run && ip link set lo up && ip link add {0} type bridge && ip netns add probe"


def entering() -> list[str]:
    """The command that runs its arguments where such a network can be made."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "--mount"]


def why_not() -> str | None:
    """Why there can be no such network here; None when there can."""
    missing = [tool for tool in ("unshare", "ip", "mount") if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} is not installed"
    command = [*entering(), "sh", "-c", _SET_UP.format(_BRIDGE)]
    try:
        probe = subprocess.run(command, capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if probe.returncode == 0 else probe.stderr.strip().replace("\n", "; ") or "not permitted"


def address_of(replica: int) -> str:
    """Where a replica listens."""
    return f"{_NETWORK}{replica + 1}"


def inside(replica: int) -> list[str]:
    """The command that runs its arguments in a replica's namespace, as the same process."""
    return ["ip", "netns", "exec", _name(replica)]


def set_up(replica_count: int) -> None:
    """Make the network. This process has been started by `entering`."""
    commands = [
        "mount -t tmpfs none /run",
        "ip link set lo up",
        f"ip link add {_BRIDGE} type bridge",
        f"ip address add {_OWN_ADDRESS}/24 dev {_BRIDGE}",
        f"ip link set {_BRIDGE} up",
    ]
    for replica in range(replica_count):
        name, port = _name(replica), f"port{replica}"
        commands += [
            f"ip netns add {name}",
            f"ip link add {port} type veth peer name eth0 netns {name}",
            f"ip link set {port} master {_BRIDGE} up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} address add {address_of(replica)}/24 dev eth0",
            f"ip -n {name} link set eth0 up",
        ]
    for command in commands:
        done = subprocess.run(command.split(), capture_output=True, text=True, timeout=_PROBE_SECONDS, check=False)
        if done.returncode != 0:
            raise ConfigurationError(f"`{command}` failed ({done.stderr.strip()}): see docs/ATTACKS.md, namespaces")


class NamespaceCutter:
    """Cuts by routes that lead nowhere. A one-way cut of a path loses TCP's acknowledgements on it too."""

    async def cut(self, replica: int, others: Sequence[int], one_way: bool) -> None:
        """Lose what goes from *others* to *replica*, and unless it is one-way, what goes back."""
        for other in others:
            await _route("add", other, replica)
            if not one_way:
                await _route("add", replica, other)

    async def mend(self, replica: int, others: Sequence[int]) -> None:
        """Remove whatever routes are there."""
        for other in others:
            await _route("del", other, replica)
            await _route("del", replica, other)


async def _route(verb: str, sender: int, receiver: int) -> None:
    """Add or delete the route by which *sender* does not reach *receiver*; one that is not there is no error."""
    route = f"ip -n {_name(sender)} route {verb} blackhole {address_of(receiver)}/32"
    process = await asyncio.create_subprocess_exec(*route.split(), stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    if process.returncode != 0 and verb == "add":
        raise ConfigurationError(f"`{route}` failed: {errors.decode().strip()}")


def _name(replica: int) -> str:
    return f"replica-{replica}"
