"""The load of Quorate: its public client; one, or one for each of many identities."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import uvloop

import quorate
from benchmarks.load.closed_loop import Done, Submit
from benchmarks.load.operations import answer_to, maker
from benchmarks.load.serving import serve
from benchmarks.plan import Operations


def main(options: dict[str, list[str]]) -> None:
    """`folders` are the clients' folders: operations go round these clients."""
    uvloop.run(_run(options["folders"]))


async def _run(folders: list[str]) -> None:
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(quorate.connect(folder)) for folder in folders]

        def submit_for(operations: Operations) -> Submit:
            make, expected = maker(operations), answer_to(operations)
            only_reads = operations.is_read and not operations.is_ordered
            submits = [functools.partial(client.submit, only_reads=only_reads) for client in clients]
            return _one(submits[0], make, expected) if len(submits) == 1 else _in_turn(submits, make, expected)

        await serve(submit_for)


Ask = Callable[[bytes], "asyncio.Future[bytes]"]


def _one(ask: Ask, make: Callable[[int], bytes], expected: bytes) -> Submit:
    def submit(number: int, done: Done) -> None:
        ask(make(number)).add_done_callback(functools.partial(_tell, done, expected))

    return submit


def _in_turn(asks: Sequence[Ask], make: Callable[[int], bytes], expected: bytes) -> Submit:
    """Who was answered sends the next: with as many operations as clients, each has one under way."""
    idle = list(asks)

    def submit(number: int, done: Done) -> None:
        ask = idle.pop()

        def tell(future: asyncio.Future[bytes]) -> None:
            idle.append(ask)
            _tell(done, expected, future)

        ask(make(number)).add_done_callback(tell)

    return submit


def _tell(done: Done, expected: bytes, future: asyncio.Future[bytes]) -> None:
    done(future.exception() is None and future.result() == expected)
