"""Which pipelines only read: the cluster answers them without ordering them, if it can (docs/PROTOCOL.md, RO-1 to 8).

All of a pipeline goes one way. As a connection has one operation outstanding, a read never overtakes a write of its own
connection, nor a write a read. The replicas look for themselves: what is wrong here costs time, and no more.
"""

from __future__ import annotations

import re
from typing import Final

from quorate.gateways.resp.plain import compile_run_of
from quorate.gateways.resp.scanner import end_of_command
from quorate.services.redis.catalogue import COMMANDS

QUERIES: Final = frozenset(command.name.encode() for command in COMMANDS.values() if command.is_query)
"""The commands that change nothing, and whose answers do not depend on the time or on chance."""

_short_queries: Final = compile_run_of(QUERIES).match
_head: Final = re.compile(rb"\*[0-9]+\r\n\$[0-9]+\r\n([^\r]*)\r\n").match


def only_reads(commands: bytes) -> bool:
    """Whether all *commands*, canonical ones as `Scanner` hands them out, are queries."""
    position = 0
    while True:
        if short := _short_queries(commands, position):
            position = short.end()
        if position == len(commands):
            return True
        head = _head(commands, position)
        if head is None or head[1].lower() not in QUERIES:
            return False
        position = end_of_command(commands, position)
