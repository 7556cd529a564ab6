"""A network of namespaces for one laboratory: a bridge in one, and each replica in its own, so that routes can be cut.

Nothing of it is in the machine's own network: all is made inside a namespace that this process entered, and is gone
with the last process in it. That needs root, or a system that lets users make namespaces of their own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Collection, Sequence
from typing import Final

from quorate.errors import ConfigurationError, QuorateError
from quorate.lab.paths import Path

_BRIDGE: Final = "quorate"
_NETWORK: Final = "10.77.0."
_OWN_ADDRESS: Final = _NETWORK + "254"
_PROBE_SECONDS: Final = 10.0
_TOOLS: Final = {"unshare": "util-linux", "mount": "mount", "ip": "iproute2"}
"""What is needed, and the Debian packages that it is in."""
_PROBE: Final = (
    "mount -t tmpfs none /run",
    "ip link set lo up",
    f"ip link add {_BRIDGE} type bridge",
    "ip netns add probe",
    "ip link add port type veth peer name eth0 netns probe",
    f"ip link set port master {_BRIDGE} up",
    f"ip -n probe route add blackhole {_NETWORK}1/32",
    "ip netns exec probe true",
)
"""Everything that is needed later, once."""


def entering() -> list[str]:
    """The command that runs its arguments where such a network can be made."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return ["unshare", *user, "--net", "--mount"]


def why_not() -> str | None:
    """Why there can be no such network here; None when there can."""
    missing = [f"{tool} (of {package})" for tool, package in _TOOLS.items() if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}"
    command = [*entering(), "sh", "-c", " && ".join(_PROBE)]
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
        done = _run(command)
        if done.returncode != 0:
            raise ConfigurationError(f"`{command}` failed ({done.stderr.strip()}): see docs/ATTACKS.md, namespaces")


class NamespaceCutter:
    """Cuts by routes that lead nowhere, at the sender. Where one direction of a link is lost, TCP's acknowledgements of
    what goes the other way are lost too."""

    def __init__(self) -> None:
        self._lost: list[Path] = []

    async def cut(self, lost: Sequence[Path]) -> None:
        """Lose packets."""
        for path in lost:
            await _route("add", path)
            self._lost.append(path)

    async def lose(self, paths: Collection[Path]) -> None:
        """Lose packets on these paths and on no others."""
        for path in [path for path in self._lost if path not in paths]:
            await _route("del", path)
            self._lost.remove(path)
        await self.cut([path for path in paths if path not in self._lost])

    async def mend(self) -> None:
        """Remove the routes."""
        while self._lost:
            await _route("del", self._lost.pop())


async def _route(verb: str, path: Path) -> None:
    """Add or delete the route by which a sender does not reach a receiver.

    In a thread: it waits for the command also where this is cancelled, so none is left to an event loop that ends.
    """
    sender, receiver = path
    route = f"ip -n {_name(sender)} route {verb} blackhole {address_of(receiver)}/32"
    done = await asyncio.to_thread(_run, route)
    if done.returncode != 0:
        raise QuorateError(f"`{route}` failed: {done.stderr.strip()}")


def _run(command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command.split(), capture_output=True, text=True, check=False)


def _name(replica: int) -> str:
    return f"replica-{replica}"
