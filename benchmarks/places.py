"""Where the parties of a system run: on loopback, with a delay in everybody's transport, or each in a network namespace
of its own, where its bytes can be counted and its bandwidth limited."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.measurement import MeasurementFailed, MissingPeer
from benchmarks.processes import LOOPBACK, ROOT, Processes

INTERFACE = "eth0"
_NETWORK = "10.78.0."
_BRIDGE = "benchmark"
_TOOLS = {"unshare": "util-linux", "nsenter": "util-linux", "mount": "mount", "ip": "iproute2", "tc": "iproute2"}
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Links:
    """What connects the parties."""

    delay_ms: float = 0.0
    """What every message takes each way, in the transport of its receiver."""
    are_counted: bool = False
    """Whether each party is in a network of its own."""
    megabits: float = 0.0
    """What each replica or server can send a second, if it is above 0; needs networks of their own. The load, which is
    the last party, stands for clients that each have a link of their own: it is not limited."""


LOOPBACK_LINKS = Links()


class Place:
    """On loopback: all parties have one address."""

    interface = ""
    """The network interface that each party has for itself."""

    def __init__(self, delay_ms: float = 0.0) -> None:
        self._delay_ms = delay_ms

    def address(self, party: int) -> str:
        """Where it listens."""
        return LOOPBACK

    def module(self, party: int, *arguments: str) -> list[str]:
        """The command that runs a module as this party."""
        delayed = ["benchmarks.delayed", f"{self._delay_ms:g}"] if self._delay_ms else []
        return [sys.executable, "-m", *delayed, *arguments]

    def outside(self) -> list[str] | None:
        """The prefix of commands that reach all parties from where none is; None where no prefix is needed."""
        return None


class Network(Place):
    """A network of namespaces, joined by a bridge, inside of a namespace of their own: nothing is added to the
    machine's, and the system removes it all with the last process in it."""

    interface = INTERFACE

    def __init__(self, processes: Processes, parties: int, megabits: float) -> None:
        super().__init__()
        _need_tools()
        user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
        before = os.readlink("/proc/self/ns/net")
        pid = processes.start("network", ["unshare", *user, "--net", "--mount", "sleep", "infinity"]).pid
        processes.wait_until(lambda: os.readlink(f"/proc/{pid}/ns/net") != before, _SECONDS, "making a network")
        user = [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        self._enter = ["nsenter", f"--target={pid}", *user, "--net", "--mount", f"--wd={ROOT}"]
        commands = set_up(parties, megabits)
        done = subprocess.run(
            [*self._enter, "sh", "-c", " && ".join(commands)], capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise MeasurementFailed(f"no network could be made: {done.stderr.strip() or 'not permitted'}")

    def address(self, party: int) -> str:
        """Where it listens."""
        return f"{_NETWORK}{party + 1}"

    def module(self, party: int, *arguments: str) -> list[str]:
        """The command that runs a module in the party's namespace."""
        return [*self._enter, "ip", "netns", "exec", f"party-{party}", sys.executable, "-m", *arguments]

    def outside(self) -> list[str]:
        """Into the bridge's namespace."""
        return self._enter


def set_up(parties: int, megabits: float) -> list[str]:
    """The commands that make the network. What a party sends is limited by a token bucket at its own interface; the
    last one, the load, is not."""
    commands = [
        "mount -t tmpfs none /run",
        "ip link set lo up",
        f"ip link add {_BRIDGE} type bridge",
        f"ip address add {_NETWORK}254/24 dev {_BRIDGE}",
        f"ip link set {_BRIDGE} up",
    ]
    for party in range(parties):
        name, port = f"party-{party}", f"port{party}"
        commands += [
            f"ip netns add {name}",
            f"ip link add {port} type veth peer name {INTERFACE} netns {name}",
            f"ip link set {port} master {_BRIDGE} up",
            f"ip -n {name} link set lo up",
            f"ip -n {name} address add {_NETWORK}{party + 1}/24 dev {INTERFACE}",
            f"ip -n {name} link set {INTERFACE} up",
        ]
        if megabits and party < parties - 1:
            limit = f"tbf rate {megabits:g}mbit burst 64kb latency 200ms"
            commands.append(f"tc -n {name} qdisc add dev {INTERFACE} root {limit}")
    return commands


def open_place(processes: Processes, links: Links, parties: int) -> Place:
    """The place that such links need."""
    if links.are_counted or links.megabits:
        return Network(processes, parties, links.megabits)
    return Place(links.delay_ms)


def _need_tools(tools: Sequence[str] = tuple(_TOOLS)) -> None:
    for tool in tools:
        if shutil.which(tool) is None:
            raise MissingPeer(f"there is no command {tool}: install it with `sudo apt-get install {_TOOLS[tool]}`")
