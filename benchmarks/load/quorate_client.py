"""The load of Quorate: its public client."""

from __future__ import annotations

import asyncio
import functools

import uvloop

import quorate
from benchmarks.load.closed_loop import Done
from benchmarks.load.operations import OK, quorate_operations
from benchmarks.load.serving import serve


def main(options: dict[str, str]) -> None:
    """`folder` is the client's folder."""
    uvloop.run(_run(options["folder"]))


async def _run(folder: str) -> None:
    operations = quorate_operations()
    async with quorate.connect(folder) as client:

        def submit(number: int, done: Done) -> None:
            future = client.submit(operations[number % len(operations)])
            future.add_done_callback(functools.partial(_tell, done))

        await serve(submit)


def _tell(done: Done, future: asyncio.Future[bytes]) -> None:
    done(future.exception() is None and future.result() == OK)
