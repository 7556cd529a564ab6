"""What `quorate up` does while it runs: starts the processes, tells what becomes of them, stops them."""

from __future__ import annotations

import asyncio
import shlex
from asyncio.subprocess import PIPE
from typing import Any, Final, NamedTuple

from quorate.cli.health import LOST_VOTES, NORMAL, RECOVERING, Answer, NoAnswer, assess, entered_view
from quorate.cli.operations import REDIS
from quorate.cli.output import own_name, say
from quorate.cli.processes import Child, Children
from quorate.cli.status import ask_all
from quorate.client.aio import AsyncClient, connect
from quorate.core.quorum import primary_of, quorums_of
from quorate.folder import ClusterFolder
from quorate.runtime.inspection import CONNECTED

START_SECONDS: Final = 30.0
REPLICA_COMMAND: Final = "replica"
LAB_COMMAND: Final = "lab-replica"
_POLL_SECONDS: Final = 0.1
_WATCH_SECONDS: Final = 0.5
_ANSWER_SECONDS: Final = 1.0
OK: Final = 0
FAILED: Final = 1


class Gateway(NamedTuple):
    """Where Redis clients connect."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Supervisor:
    """The processes of one cluster. Nothing is started twice: a process that ends is reported."""

    def __init__(
        self,
        cluster: ClusterFolder,
        gateway: Gateway | None,
        log_level: str,
        is_laboratory: bool = False,
    ) -> None:
        self._cluster = cluster
        self._gateway = gateway
        self._log_level = log_level
        self._is_laboratory = is_laboratory
        self._quorums = quorums_of(cluster.configuration.replica_count)
        self._children = Children()
        self._replicas: dict[int, Child] = {}
        self._end: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._is_starting = True

    def ask_to_stop(self) -> None:
        """Ctrl-C or SIGTERM came."""
        self._finish(OK)

    def _finish(self, code: int) -> None:
        if not self._end.done():
            self._end.set_result(code)

    async def run(self) -> int:
        """Until Ctrl-C, or until nothing is left. The exit code."""
        work = asyncio.create_task(self._work())
        try:
            either: set[asyncio.Future[Any]] = {work, self._end}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if work.done():
                work.result()  # it ends by itself only when it failed
            return await self._end
        finally:
            work.cancel()
            await asyncio.wait([work])
            await self._children.stop()
            say("all processes have stopped")

    async def _work(self) -> None:
        async with connect(self._cluster.client(), wait_seconds=0) as client:
            try:
                async with asyncio.timeout(START_SECONDS):
                    await self._start(client)
            except TimeoutError:
                say(f"the cluster did not come up in {START_SECONDS:.0f} seconds; --log-level info tells more")
                self._finish(FAILED)
                return
            self._is_starting = False
            self._explain()
            await self._watch_views(client)

    # ------------------------------------------------------------------------------------------- starting

    async def _start(self, client: AsyncClient) -> None:
        command = LAB_COMMAND if self._is_laboratory else REPLICA_COMMAND
        for replica_id, folder in enumerate(self._cluster.replicas()):
            arguments = [command, str(folder), "--log-level", self._log_level]
            self._replicas[replica_id] = await self._children.start(
                f"replica {replica_id}", arguments, self._replica_ended
            )
        await self._await_replicas(client)
        if self._gateway is not None:
            await self._start_gateway(self._gateway)

    async def _await_replicas(self, client: AsyncClient) -> None:
        """Say of each replica that it is up, once it answers and is connected to all others."""
        waiting = set(self._replicas)
        while waiting:
            answers = await ask_all(client, self._quorums.replica_count, _ANSWER_SECONDS)
            for replica_id in sorted(waiting):
                answer = answers[replica_id]
                if not isinstance(answer, NoAnswer) and self._is_up(replica_id, answer):
                    waiting.discard(replica_id)
                    say(f"replica {replica_id} is up: {_role(answer)}, {answer['address']}, pid {answer['pid']}")
            if waiting:
                await asyncio.sleep(_POLL_SECONDS)

    def _is_up(self, replica_id: int, answer: Answer) -> bool:
        links = answer.get("links")
        return (
            answer.get("pid") == self._pid(replica_id)
            and answer.get("status") in (NORMAL, LOST_VOTES, RECOVERING)
            and isinstance(links, dict)
            and all(state == CONNECTED for state in links.values())
        )

    def _pid(self, replica_id: int) -> int:
        return self._replicas[replica_id].pid

    async def _start_gateway(self, gateway: Gateway) -> None:
        arguments = ["gateway", "redis", str(self._cluster.client()), "--listen", str(gateway)]
        arguments += ["--log-level", self._log_level]
        child = await self._children.start("the gateway", arguments, self._gateway_ended, output=PIPE)
        if not await child.first_line():  # that connections are accepted there may be the work of another program
            await asyncio.Event().wait()  # it ends: `_gateway_ended` tells that, and ends this
        say(f"the gateway is up: Redis protocol at {gateway}, pid {child.pid}")

    def _explain(self) -> None:
        """What to try next."""
        command = own_name()
        directory, client = shlex.quote(str(self._cluster.path)), shlex.quote(str(self._cluster.client()))
        say()
        say("Try:")
        if self._gateway is not None:
            host, port = self._gateway
            at = "" if (host, port) == ("127.0.0.1", 6379) else f" -h {host} -p {port}"
            say(f"  redis-cli{at} set greeting hello    # of Debian's redis-tools, or any other Redis client")
            say(f"  {command} invoke {client} -- GET greeting    # without the gateway: no single replica is believed")
        say(f"  {command} status {directory}")
        if self._cluster.configuration.service == REDIS:
            say(f"  {command} bench {directory}")
        if self._is_laboratory:
            say(
                f"  {command} attack equivocate {directory}    # the primary contradicts itself; attack --list has more"
            )
        if self._quorums.faults:
            say(f"  kill -9 {self._pid(0)}    # replica 0, the primary: the others elect a new one and go on")
        say("Ctrl-C stops everything.")

    # ------------------------------------------------------------------------------------------- watching

    async def _watch_views(self, client: AsyncClient) -> None:
        """Say it when the replicas have elected a new primary."""
        configuration = self._cluster.configuration
        view = 0
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            report = assess(configuration, await ask_all(client, configuration.replica_count, _ANSWER_SECONDS))
            now = entered_view(report)
            if now is not None and now > view:
                view = now
                say(f"view {view}: replica {primary_of(view, configuration.replica_count)} is the primary")

    # --------------------------------------------------------------------------------------------- endings

    def _replica_ended(self, child: Child) -> None:
        if self._is_starting:
            self._give_up(child)
            return
        total = self._quorums.replica_count
        running = sum(1 for replica in self._replicas.values() if replica.is_running)
        spare = running - self._quorums.quorum
        if spare >= 0:
            meaning = f"the cluster tolerates {spare} more"
        else:
            meaning = f"it needs {self._quorums.quorum} and answers nothing until it is started anew"
        say(f"{child.name} exited ({child.how_it_ended()}); {running} of {total} run; {meaning}")
        if running == 0:
            self._finish(FAILED)

    def _gateway_ended(self, child: Child) -> None:
        if self._is_starting:
            self._give_up(child)
            return
        say(f"{child.name} exited ({child.how_it_ended()}); start another: {self._gateway_command()}")

    def _give_up(self, child: Child) -> None:
        say(f"{child.name} exited ({child.how_it_ended()}) while the cluster started; what it said stands above")
        self._finish(FAILED)

    def _gateway_command(self) -> str:
        return f"{own_name()} gateway redis {self._cluster.client()} --listen {self._gateway}"


def _role(answer: Answer) -> str:
    if answer.get("status") == LOST_VOTES:
        return f"silent, for it has lost its votes ({answer.get('votes_lost')})"
    if answer.get("status") == RECOVERING:
        return f"recovering, for it has lost its votes ({answer.get('votes_lost')})"
    return "primary" if answer.get("is_primary") else "backup"
