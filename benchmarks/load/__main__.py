"""`python -m benchmarks.load SYSTEM OPTIONS`: what `benchmarks.load` says."""

from __future__ import annotations

import importlib
import sys

import msgspec

CLIENTS = {
    "quorate": "benchmarks.load.quorate_client",
    "unreplicated": "benchmarks.load.unreplicated_client",
    "redis": "benchmarks.load.redis_client",
    "etcd": "benchmarks.load.etcd_client",
    "pysyncobj": "benchmarks.load.pysyncobj_leader",
}
"""Modules with a function `main(options)`, imported when they are used."""


def main() -> None:
    """Run one client until its standard input ends."""
    _, name, options = sys.argv
    importlib.import_module(CLIENTS[name]).main(msgspec.json.decode(options))


if __name__ == "__main__":
    main()
