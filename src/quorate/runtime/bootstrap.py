"""The composition root: from a replica's folder to a replica at work, and to its end."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import resource
import secrets
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import Any, Final

from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.core.quorum import quorums_of
from quorate.core.replica import Replica
from quorate.errors import QuorateError
from quorate.folder import ReplicaFolder
from quorate.net.links import Dialer, Identity, LinkHandler, LinkLimits, Listener, Rate, listen
from quorate.net.tls import credentials_of
from quorate.runtime.durability import find, let_recover
from quorate.runtime.inspection import Inspector, Parts
from quorate.runtime.lifetime import hold_folder, mark_started
from quorate.runtime.node import Core, Node
from quorate.runtime.ports import Clock, SystemClock
from quorate.runtime.reception import Reception, Refusals
from quorate.runtime.roster import Roster
from quorate.runtime.schedule import Schedule, may_be_spared
from quorate.runtime.telemetry import Fields, Telemetry, is_watching
from quorate.runtime.watched import WatchedService

NORMAL: Final = "normal"
RECOVERING: Final = "recovering"
"""The status of a replica that lost its votes and is to take part again."""
_RECOVERS: Final = "it takes part again once the others have executed its request, and a window of others after that"
_STAYS_SILENT: Final = (
    "it stays silent; when all replicas were stopped, start the cluster anew, empty: `quorate init --renew` "
    "with the folder of the whole cluster, or `quorate up`"
)
_LOOK_SECONDS: Final = 0.5
"""How often a replica looks whether it is to recover."""
_STATUS_INTERVALS: Final = 30
"""A replica that did not say STATUS in that time, which it does three times then though it is idle, may be away."""
_FILES: Final = 65_536
"""Open files that a replica asks the system for; each link is one."""
_STOP_SECONDS: Final = 2.0
"""How long what is queued may take to leave when the replica stops."""


class Fittings:
    """The parts for which another composition root may have its own. These are the ordinary ones."""

    def __init__(self) -> None:
        self.clock: Clock = SystemClock()
        self.tracing = is_watching()
        """Whether the rules tell of their ordinary steps."""

    def may_recover(self) -> bool:
        """Whether the replica recovers by itself, when the cluster's settings say that it is time."""
        return True

    def core_of(self, assembly: Assembly) -> Core:
        """What the node drives."""
        return assembly.replica

    def handler_of(self, assembly: Assembly) -> LinkHandler:
        """Who is at this end of the links."""
        return assembly.node

    @asynccontextmanager
    async def around(self, assembly: Assembly) -> AsyncIterator[None]:
        """Whatever else there is while the replica runs."""
        yield


class Assembly:
    """The parts of one replica, put together. Nothing runs yet."""

    def __init__(self, folder: ReplicaFolder, fittings: Fittings | None = None) -> None:
        fittings = fittings or Fittings()
        clock = fittings.clock
        configuration = folder.configuration
        self.folder: Final = folder
        found = find(folder)
        self.found: Final = found
        self.authenticator: Final = ReplicaAuthenticator(folder.replica_id, folder.key_pair, configuration)
        self.telemetry: Final = Telemetry(folder.replica_id, clock.now, lambda: _standing(self.replica))
        replica = self.replica = Replica(
            folder.replica_id,
            configuration,
            WatchedService(found.service, self.telemetry),
            self.authenticator,
            found.records,
            found.votes_lost is not None,
            tracing=fittings.tracing,
            entropy=secrets.token_bytes,
        )
        roster = self.roster = Roster()
        refusals = Refusals(self.telemetry.refused)
        driver = found.driver(roster, self.telemetry.trace)
        self.inspector: Final = Inspector(
            Parts(folder, replica, self.authenticator, roster, refusals, driver, clock, found.votes_lost)
        )
        self.node: Final = Node(
            fittings.core_of(self),
            driver,
            roster,
            Reception(self.authenticator, refusals),
            self.inspector.answer,
            self.telemetry,
            clock,
        )
        self.handler: Final = fittings.handler_of(self)

    def name_of_client(self, public_key: bytes) -> str | None:
        """What the access table, as it is executed here, calls a client that may use the cluster."""
        grant = self.replica.core.tables.access.grant(public_key)
        return None if grant is None else grant.name


def _standing(replica: Replica) -> Fields:
    return {"view": replica.core.view, "status": replica.core.status.value}


async def run_replica(folder: ReplicaFolder, fittings: Fittings | None = None) -> bool:
    """Run a replica until SIGTERM or SIGINT, or until it is time that it recovers: then True, and its next life does.
    Raises what stopped it before that."""
    fittings = fittings or Fittings()
    with hold_folder(folder.path), _until_signal() as end:
        _allow_many_files()
        assembly = Assembly(folder, fittings)
        async with fittings.around(assembly):
            await _work(assembly, end, fittings)
        assembly.telemetry.say(logging.INFO, "stopped")
        is_to_recover = end.result()
        if is_to_recover:
            let_recover(folder, is_clean=False)
        return is_to_recover


async def _work(assembly: Assembly, end: asyncio.Future[bool], fittings: Fittings) -> None:
    """Open the links and run until *end*."""
    folder = assembly.folder
    listener, dialers = await _connect(assembly)
    try:
        mark_started(folder.path, folder.configuration.incarnation)
        assembly.node.start()
        _watch_storage(assembly)
        _announce(assembly)
        _settle_memory()
        schedule = asyncio.ensure_future(_recover_in_time(assembly, end, fittings))
        end.add_done_callback(lambda _: schedule.cancel())
        await end
    finally:
        assembly.node.stop()
        await _disconnect(listener, dialers)
        if assembly.found.keeper is not None:
            await asyncio.to_thread(assembly.found.keeper.close)


async def _recover_in_time(assembly: Assembly, end: asyncio.Future[bool], fittings: Fittings) -> None:
    """End this life, when the schedule says so and the group can spare the replica."""
    configuration, replica = assembly.folder.configuration, assembly.replica
    quorums, interval = quorums_of(configuration.replica_count), configuration.settings.recovery_interval_ms * 1000
    if not interval or not quorums.faults:
        return
    patience = _STATUS_INTERVALS * configuration.settings.status_interval_ms * 1000
    wall = SystemClock().wall
    schedule = Schedule(assembly.folder.replica_id, configuration.replica_count, interval, wall())
    while not end.done():
        await asyncio.sleep(_LOOK_SECONDS)
        report = replica.report()
        is_well = report.status == NORMAL and not report.needs_state and fittings.may_recover()
        well = assembly.node.who_is_in_view(report.view, patience)
        well -= replica.core.tables.recoveries.under_way(report.low_watermark, configuration.settings)
        if schedule.is_time(wall()) and is_well and may_be_spared(quorums, len(well)) and not end.done():
            assembly.telemetry.say(logging.INFO, "recovers-on-schedule")
            end.set_result(True)


@contextmanager
def _until_signal() -> Iterator[asyncio.Future[bool]]:
    """A future that is done when SIGTERM or SIGINT comes, or fails with what no part of the replica expected."""
    loop = asyncio.get_running_loop()
    end: asyncio.Future[bool] = loop.create_future()

    def stop() -> None:
        if not end.done():
            end.set_result(False)

    def fail(_: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, OSError) and "transport" in context:
            logging.getLogger("quorate").warning("connection-error", extra={"fields": {"error": str(error)}})
        elif not end.done():
            end.set_exception(error or QuorateError(str(context.get("message"))))

    with ExitStack() as stack:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
            stack.callback(loop.remove_signal_handler, number)
        loop.set_exception_handler(fail)
        stack.callback(loop.set_exception_handler, None)
        yield end


async def _connect(assembly: Assembly) -> tuple[Listener, list[Dialer]]:
    """Listen, and dial the replicas with lower ids: one link a pair."""
    folder = assembly.folder
    identity = Identity(folder.key_pair, folder.configuration, assembly.name_of_client)
    members = folder.configuration.replicas
    own = members[folder.replica_id]
    settings = folder.configuration.settings
    limits = LinkLimits(client_rate=Rate(settings.client_bytes_per_second, settings.client_requests_per_second))
    credentials = credentials_of(folder.path, folder.key_pair, folder.configuration)
    refused = assembly.telemetry.handshake_refused
    listener = await listen(
        folder.settings.listen_host or own.host,
        own.port,
        identity,
        assembly.handler,
        limits,
        credentials=credentials,
        tell=partial(refused, "listener"),
    )
    dialers = [
        Dialer(
            identity,
            member.host,
            member.port,
            bytes.fromhex(member.public_key),
            assembly.handler,
            counters=listener.counters,
            credentials=credentials,
            tell=partial(refused, f"dialer of {member.host}:{member.port}"),
        )
        for member in members[: folder.replica_id]
    ]
    assembly.inspector.watch(listener.counters, dict(enumerate(dialers)))
    return listener, dialers


async def _disconnect(listener: Listener, dialers: list[Dialer]) -> None:
    listener.close()
    for dialer in dialers:
        dialer.close()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await asyncio.gather(listener.wait_closed(), *(dialer.wait_closed() for dialer in dialers))
    except TimeoutError:
        logging.getLogger("quorate").warning("links-did-not-close")


def _watch_storage(assembly: Assembly) -> None:
    """Look at the files that are kept, now and then."""
    keeper, interval = assembly.found.keeper, assembly.folder.configuration.settings.scrub_interval_ms
    if keeper is not None and interval > 0:
        say = assembly.telemetry.say
        keeper.when_damaged = lambda what: say(logging.WARNING, "storage-damaged", {"damage": what})
        keeper.look(interval / 1000)


def _announce(assembly: Assembly) -> None:
    member = assembly.folder.configuration.replicas[assembly.folder.replica_id]
    fields = {"address": f"{member.host}:{member.port}", "pid": os.getpid()}
    assembly.telemetry.say(logging.INFO, "started", fields)
    if assembly.found.damage is not None and assembly.replica.report().needs_state:
        remedy = "what differs is fetched from the other replicas; see to the disk"
        assembly.telemetry.say(logging.WARNING, "state-damaged", {"damage": assembly.found.damage, "remedy": remedy})
    if assembly.found.votes_lost is not None:
        remedy = _RECOVERS if assembly.replica.report().status == RECOVERING else _STAYS_SILENT
        assembly.telemetry.say(logging.WARNING, "votes-lost", {"why": assembly.found.votes_lost, "remedy": remedy})


def _allow_many_files() -> None:
    """Raise the soft limit of open files as far as the hard one lets us."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(hard, _FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _settle_memory() -> None:
    """What is there now stays: the garbage collector need not look at it again."""
    gc.collect()
    gc.freeze()
