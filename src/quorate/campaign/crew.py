"""Who runs the chunks of a campaign: a Dask cluster, one made on this machine for the time being, or plain processes.

All of them are a `concurrent.futures.Executor` that is given one chunk a worker at a time.
"""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from multiprocessing import get_context, resource_tracker
from typing import Any, Final, NamedTuple

from quorate.campaign.sources import sources_digest
from quorate.errors import ConfigurationError, QuorateError

CONNECT_SECONDS: Final = 30


class Crew(NamedTuple):
    """Workers, wherever they are."""

    executor: Executor
    size: Callable[[], int]
    """How many there are by now."""
    place: str
    """For people: where they are."""


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_dask() -> bool:
    """Whether Dask's scheduler and workers are installed here."""
    return find_spec("distributed") is not None


@contextmanager
def assemble(scheduler: str | None, jobs: int) -> Iterator[Crew]:
    """Workers while the block runs: those of a Dask scheduler, or *jobs* on this machine; none of ours stay behind."""
    if scheduler is not None:
        with _of_scheduler(scheduler) as crew:
            yield crew
    elif has_dask():
        with _of_local_cluster(jobs) as crew:
            yield crew
    else:
        with _of_processes(jobs) as crew:
            yield crew


@contextmanager
def _of_processes(jobs: int) -> Iterator[Crew]:
    executor = ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=_ignore_interrupts)
    try:
        yield Crew(executor, lambda: jobs, f"{jobs} processes")
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Ctrl-C comes when this is over, and never to the threads and processes that are started meanwhile.

    A terminal sends it to all processes; workers have to finish what they have begun.
    """
    resource_tracker.ensure_running()  # or the first process would be started with a helper that lets signals in
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _of_local_cluster(jobs: int) -> Iterator[Crew]:
    """Worker processes on this machine that only this machine can reach, without a dashboard."""
    import dask
    from distributed import Client, LocalCluster

    with ExitStack() as stack:
        stack.enter_context(dask.config.set({"distributed.worker.profile.enabled": False}))  # it would cost time
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="quorate-campaign-"))
        with _interrupts_held_back():
            cluster = LocalCluster(
                n_workers=jobs,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},  # or it takes port 8787
                worker_dashboard_address=None,
                local_directory=folder,
                memory_limit=0,
                silence_logs="CRITICAL",
            )
        stack.enter_context(cluster)
        client = stack.enter_context(Client(cluster, set_as_default=False))
        yield _crew_of(client, f"{jobs} processes of a local Dask cluster")


@contextmanager
def _of_scheduler(address: str) -> Iterator[Crew]:
    if not has_dask():
        raise ConfigurationError("--scheduler needs Dask: pip install 'quorate[campaign]'")
    from distributed import Client
    from distributed.comm.addressing import parse_address
    from distributed.comm.registry import get_backend

    try:
        get_backend(parse_address(address)[0])  # or ValueError: a Client would not come to its end
        client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ConfigurationError(f"--scheduler {address}: no Dask scheduler answers there ({error})") from None
    with client:
        _check_workers(client, address)
        yield _crew_of(client, f"the Dask cluster at {address}")


def _crew_of(client: Any, place: str) -> Crew:
    def size() -> int:
        return max(1, len(client.nthreads()))

    return Crew(client.get_executor(pure=False), size, place)


def _check_workers(client: Any, address: str) -> None:
    """All workers have the sources that we have."""
    try:
        digests: dict[str, str] = client.run(sources_digest)
    except Exception as error:
        raise QuorateError(f"the workers of {address} cannot run Quorate: {error}; install it on each") from error
    if not digests:
        raise ConfigurationError(f"--scheduler {address} has no workers yet: start some with `dask worker {address}`")
    for worker, digest in sorted(digests.items()):
        if digest != sources_digest():
            raise ConfigurationError(
                f"the worker {worker} has other sources of Quorate ({digest}) than this machine ({sources_digest()}): "
                "install the same everywhere and start the workers again"
            )
