"""A Redis service whose memory changes by itself, at one replica, when a test says so. `quorate replica` loads it."""

from __future__ import annotations

import os
from pathlib import Path

from quorate.core.ports import Context
from quorate.services.redis import RedisService
from quorate.services.redis.values import Entry

ROT = "QUORATE_TEST_ROT"
"""The environment variable that names a file; in that stands the id of the process that is to rot, and what key."""


class RottingService(RedisService):
    """Changes what a key holds behind its own back."""

    def execute(self, operation: bytes, context: Context) -> bytes:
        """Rot once, if this process is the one."""
        order = Path(os.environ[ROT])
        try:
            words = order.read_text().split()
        except FileNotFoundError:  # none yet, or the one that it was for has just taken it
            words = []
        if words and int(words[0]) == os.getpid():
            order.unlink()
            self._keyspace.databases[0].table._values[words[1].encode()] = Entry(b"rotten", 1)
        return super().execute(operation, context)
