"""A client process: reads and writes a few shared keys until its standard input closes, and prints what it saw.

    python caller.py NAME redis PORT          through the gateway
    python caller.py NAME reads PORT          through the gateway, reading only
    python caller.py NAME direct FOLDER       with the library

One JSON array a line: key, value written or null for a read, invoked, returned, value read or null, whether it was
acknowledged. Times are nanoseconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import itertools
import json
import select
import sys
import time
from collections.abc import Callable

import redis

import quorate
from quorate.cli.operations import encode_words
from quorate.cli.resp_text import raw_replies

KEYS = 4
PATIENCE_SECONDS = 20.0
Command = Callable[..., str]


def main() -> None:
    """Call until nobody wants more."""
    name, kind, where = sys.argv[1:]
    if kind in ("redis", "reads"):
        connection = redis.Redis(port=int(where), socket_timeout=PATIENCE_SECONDS, decode_responses=True, retry=None)
        writes = kind == "redis"
        call_until_closed(name, lambda *words: str(connection.execute_command(*words)), (redis.RedisError,), writes)
    else:
        with quorate.connect_sync(where) as client:

            def command(*words: str) -> str:
                call = client.query if words[0] == "GET" else client.invoke
                return raw_replies(call(encode_words("redis", words), PATIENCE_SECONDS)).decode()

            call_until_closed(name, command, (quorate.RequestFailed,))


def call_until_closed(name: str, command: Command, failures: tuple[type[Exception], ...], writes: bool = True) -> None:
    """Write and read in turns, or only read. A failed call may or may not have been executed."""
    for number in itertools.count():
        if select.select([sys.stdin], [], [], 0)[0]:
            return
        key = f"shared-{number // 2 % KEYS}"
        value = f"{name}-{number}" if writes and number % 2 else None
        invoked = time.monotonic_ns()
        try:
            answer = command("GET", key) if value is None else command("SET", key, value)
            is_acknowledged = True
        except failures:
            answer, is_acknowledged = "", False
        read = answer if value is None else None
        print(json.dumps([key, value, invoked, time.monotonic_ns(), read, is_acknowledged]), flush=True)


if __name__ == "__main__":
    main()
