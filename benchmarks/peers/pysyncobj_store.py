"""A key-value store on PySyncObj, the Python library that replicates by Raft: three nodes tolerate one crash.

`python -m benchmarks.peers.pysyncobj_store OPTIONS` is a follower. The leader is the load process.
"""

from __future__ import annotations

import sys
import time
from typing import TypedDict

import msgspec
from pysyncobj import SyncObj, SyncObjConf, replicated

from benchmarks.processes import LOOPBACK


class Options(TypedDict):
    """What a node is told."""

    ports: list[int]
    """All nodes'; the node's own comes first."""
    is_leader: bool
    tick_seconds: float
    """How long a tick waits for the network at most."""
    ticks_itself: bool
    """Whether a thread of the library ticks (`autoTick`), or the load process between its operations."""
    configuration: dict[str, float | bool]
    """More of `pysyncobj.SyncObjConf`."""


class Store(SyncObj):  # type: ignore[misc]
    """A dictionary, replicated."""

    def __init__(self, own: str, others: list[str], configuration: SyncObjConf) -> None:
        super().__init__(own, others, configuration)
        self._contents: dict[str, bytes] = {}

    @replicated  # type: ignore[untyped-decorator]
    def set(self, key: str, value: bytes) -> None:
        """Set a key."""
        self._contents[key] = value

    def is_leader(self) -> bool:
        """Whether this node leads."""
        return bool(self._isLeader())


def make_store(options: Options) -> Store:
    """A node. The followers wait so long for a leader that the load process becomes it."""
    own, *others = (f"{LOOPBACK}:{port}" for port in options["ports"])
    timeouts = (0.4, 0.6) if options["is_leader"] else (30.0, 40.0)
    configuration = SyncObjConf(
        autoTick=options["ticks_itself"],
        autoTickPeriod=options["tick_seconds"],
        raftMinTimeout=timeouts[0],
        raftMaxTimeout=timeouts[1],
        connectionTimeout=60.0,
        connectionRetryTime=0.1,
        **options["configuration"],
    )
    return Store(own, others, configuration)


def main() -> None:
    """Follow until killed."""
    options: Options = msgspec.json.decode(sys.argv[1])
    store = make_store(options)
    while True:
        if options["ticks_itself"]:
            time.sleep(3600)
        else:
            store.doTick(options["tick_seconds"])


if __name__ == "__main__":
    main()
