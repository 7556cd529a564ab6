"""The blocking client: an `AsyncClient` in a thread of its own. Any number of threads may use it at once."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine
from concurrent.futures import CancelledError, Future
from contextlib import AbstractAsyncContextManager
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import uvloop

from quorate.client.aio import CONNECT_SECONDS, INSPECT_SECONDS, INVOKE_SECONDS, AsyncClient, connect
from quorate.client.waiting import ClientLimits, Operation
from quorate.errors import QuorateError, RequestFailed

_Result = TypeVar("_Result")
_SESSIONS: Final = ClientLimits().sessions


class Client:
    """Has operations ordered and executed by the cluster. Made by `connect_sync`; a context manager."""

    def __init__(
        self, path: str | os.PathLike[str], sessions: int, wait_seconds: float, passphrase: str | None = None
    ) -> None:
        self._lock = Lock()
        self._is_closed = False
        self._stop = asyncio.Event()
        self._started: Future[tuple[asyncio.AbstractEventLoop, AsyncClient]] = Future()
        connecting = connect(path, sessions=sessions, wait_seconds=wait_seconds, passphrase=passphrase)
        self._thread = Thread(target=self._run, args=(connecting,), name="quorate", daemon=True)
        self._thread.start()
        try:
            self._loop, self._client = self._started.result()
        except QuorateError:
            self._thread.join()
            raise

    def invoke(self, operation: Operation, timeout: float | None = INVOKE_SECONDS) -> bytes:
        """The result of *operation*; `AsyncClient.submit` says how it fails."""
        return self._call(lambda: self._client.invoke(operation, timeout))

    def query(self, operation: Operation, timeout: float | None = INVOKE_SECONDS) -> bytes:
        """The result of *operation*, which only reads; see `AsyncClient.submit`."""
        return self._call(lambda: self._client.query(operation, timeout))

    def inspect(self, replica_id: int, timeout: float = INSPECT_SECONDS) -> dict[str, object]:
        """What one replica says of itself; see `AsyncClient.inspect`."""
        return self._call(lambda: self._client.inspect(replica_id, timeout))

    def close(self) -> None:
        """Close the links; calls that are under way in other threads fail with RequestFailed."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, start: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """Run a coroutine in the client's thread and wait for it."""
        # Under the lock: what is handed over before `close` is started before the loop ends, and so gets an end.
        with self._lock:
            if self._is_closed:
                raise RequestFailed("the client is closed: connect again")
            future = asyncio.run_coroutine_threadsafe(start(), self._loop)
        try:
            return future.result()
        except CancelledError:
            raise RequestFailed("the client was closed: the outcome is unknown") from None
        except BaseException:
            future.cancel()  # Ctrl-C in the calling thread
            raise

    def _run(self, connecting: AbstractAsyncContextManager[AsyncClient]) -> None:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve(connecting))

    async def _serve(self, connecting: AbstractAsyncContextManager[AsyncClient]) -> None:
        try:
            async with connecting as client:
                self._started.set_result((asyncio.get_running_loop(), client))
                await self._stop.wait()
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)


def connect_sync(
    path: str | os.PathLike[str],
    *,
    sessions: int = _SESSIONS,
    wait_seconds: float = CONNECT_SECONDS,
    passphrase: str | None = None,
) -> Client:
    """A blocking client of the cluster whose client folder is *path*; `connect` says how it waits and fails."""
    return Client(path, sessions, wait_seconds, passphrase)
