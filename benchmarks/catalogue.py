"""All systems, in the order of the tables."""

from __future__ import annotations

from benchmarks.systems.etcd import ETCD
from benchmarks.systems.pysyncobj import PYSYNCOBJ, PYSYNCOBJ_INSTALLED
from benchmarks.systems.quorate import QUORATE, QUORATE_MACS, QUORATE_SYNC
from benchmarks.systems.redis_server import REDIS_SERVER
from benchmarks.systems.system import System
from benchmarks.systems.unreplicated import UNREPLICATED

OURS: tuple[System, ...] = (QUORATE, QUORATE_SYNC, QUORATE_MACS)
PEERS: tuple[System, ...] = (UNREPLICATED, REDIS_SERVER, PYSYNCOBJ, PYSYNCOBJ_INSTALLED, ETCD)
SYSTEMS = {system.name: system for system in (*OURS, *PEERS)}
