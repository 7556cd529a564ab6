"""Carries out a plan of faults on running processes, and waits for those that were hit to recover."""

from __future__ import annotations

import asyncio
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from random import Random
from typing import Final

from quorate.core.quorum import Quorums
from quorate.lab.chaos.damage import STATE_FILES, do_damage, draw_damage, used_bytes
from quorate.lab.chaos.ledger import Ledger
from quorate.lab.chaos.machines import Machines
from quorate.lab.chaos.plan import PARTITIONS, Fault, Step
from quorate.lab.chaos.watch import Watch
from quorate.lab.paths import lost_paths
from quorate.lab.workload import now
from quorate.storage.votes import VOTES_FILE

RECOVER_SECONDS: Final = 180.0
"""Who has not recovered by itself within so long never will. The machine may be busy with other things."""
_AGAIN_SECONDS: Final = 0.6
"""Kills that follow one another come so far apart at most."""
_IN_RECOVERY_SECONDS: Final = 2.5
"""The same, for kills of who recovers: it takes about so long to start and to fetch."""
KILLED_IN_RECOVERY: Final = "killed in recovery"


class Driver:
    """One run. What it did stands in its counters afterwards."""

    def __init__(self, machines: Machines, watch: Watch, quorums: Quorums, tell: Callable[[int, str], None]) -> None:
        self.done: Counter[str] = Counter()
        """How often each fault hit a replica, or a gateway; and what happened to files."""
        self.skipped: Counter[str] = Counter()
        self.outages: list[tuple[int, int]] = []
        """From when to when, in microseconds, all replicas were killed or recovered from that."""
        self.slowest: dict[str, float] = {}
        """The longest time from a fault's end until a replica had recovered from it, in seconds."""
        self.stuck: list[str] = []
        """Replicas that did not recover by themselves."""
        self._machines = machines
        self._watch = watch
        self._quorums = quorums
        self._tell = tell
        self._ledger = Ledger(quorums)
        self._down = [asyncio.Lock() for _ in range(quorums.replica_count)]
        """Whoever keeps a replica down holds its lock."""
        self._cuts: dict[Step, Fault] = {}
        self._routing = asyncio.Lock()
        self._changed = asyncio.Event()

    async def carry_out(self, plan: Sequence[Step], seconds: float) -> None:
        """Begin steps for so many seconds, then wait until all are over. The first that never is ends it early."""
        end = now() + int(seconds * 1_000_000)
        async with asyncio.TaskGroup() as steps:
            for step in plan:
                await asyncio.sleep(step.pause)
                if step.fault in PARTITIONS and self._machines.why_no_partitions() is not None:
                    self.skipped[step.fault] += 1
                    continue
                while not (self._ledger.may_begin(step) or self.stuck):
                    self._changed.clear()
                    await self._changed.wait()
                if now() >= end or self.stuck:
                    return
                self._ledger.begin(step)
                self._tell(step.number, str(step))
                steps.create_task(self._take(step))

    async def _take(self, step: Step) -> None:
        """One step: hit whom it hits, and wait until they have recovered."""
        if step.fault is Fault.KILL_GATEWAY:
            self.done[step.fault] += 1
            gateway = step.chance % self._machines.gateway_count
            await self._machines.restart_gateway(gateway, step.seconds)
            return
        begin = now()
        async with asyncio.TaskGroup() as hits:
            for replica in step.replicas:
                hits.create_task(self._hit(step, replica))
        if step.fault is Fault.KILL_ALL:
            self.outages.append((begin, now()))

    async def _hit(self, step: Step, replica: int) -> None:
        if step.fault is not Fault.KILL_ALL or not self._down[replica].locked():  # else it is down already
            self.done[step.fault] += 1
            await self._HANDS[step.fault](self, step, replica)
        ended = now()
        if await self._watch.has_recovered(replica, RECOVER_SECONDS):
            took = (now() - ended) / 1_000_000
            self.slowest[step.fault] = max(self.slowest.get(step.fault, 0.0), took)
            self._tell(step.number, f"replica {replica} has recovered {took:.1f} s after {step.fault}")
            self._ledger.release(step, replica)
        else:
            self.stuck.append(
                f"replica {replica} has not recovered within {RECOVER_SECONDS:.0f} s after step {step.number} "
                f"({step}): {self._watch.describe(replica)}"
            )
        self._changed.set()

    # ------------------------------------------------------------------------------------------- the faults

    async def _kill(self, step: Step, replica: int) -> None:
        async with self._down[replica]:
            await self._machines.kill(replica)
            await asyncio.sleep(step.seconds)
            await self._machines.start(replica)

    async def _kill_again(self, step: Step, replica: int) -> None:
        random = Random(step.chance + replica)
        async with self._down[replica]:
            for _ in range(random.randint(2, 5)):
                await self._machines.kill(replica)
                await self._machines.start(replica)
                await asyncio.sleep(random.uniform(0, _AGAIN_SECONDS))
            await self._machines.kill(replica)
            await self._machines.start(replica)

    async def _stop(self, step: Step, replica: int) -> None:
        async with self._down[replica]:
            await self._machines.stop(replica)
            await asyncio.sleep(step.seconds)
            await self._machines.start(replica)

    async def _pause(self, step: Step, replica: int) -> None:
        self._machines.pause(replica)
        await asyncio.sleep(step.seconds)
        self._machines.resume(replica)

    async def _partition(self, step: Step, replica: int) -> None:
        """The whole step's, by the first of those that it hits."""
        if replica == step.replicas[0]:
            await self._route(lambda: self._cuts.update({step: step.fault}))
        await asyncio.sleep(step.seconds)
        if replica == step.replicas[0]:
            await self._route(lambda: self._cuts.pop(step))

    async def _route(self, change: Callable[[], object]) -> None:
        async with self._routing:
            change()
            count = self._quorums.replica_count
            paths = {path for step, fault in self._cuts.items() for path in lost_paths(fault, step.replicas, count)}
            await self._machines.lose(sorted(paths))

    async def _recover(self, step: Step, replica: int) -> None:
        async with self._down[replica]:
            await self._machines.kill(replica)
            await self._machines.let_recover(replica, is_clean=step.chance % 2 == 0)
            await asyncio.sleep(step.seconds)
            await self._bring_up(step, replica)

    async def _wipe(self, step: Step, replica: int) -> None:
        async with self._down[replica]:
            await self._machines.kill(replica)
            shutil.rmtree(self._machines.storage(replica))
            await asyncio.sleep(step.seconds)
            await self._bring_up(step, replica)

    async def _damage_state(self, step: Step, replica: int) -> None:
        await self._damage(step, replica, STATE_FILES)

    async def _damage_votes(self, step: Step, replica: int) -> None:
        await self._damage(step, replica, VOTES_FILE)

    async def _damage(self, step: Step, replica: int, pattern: str) -> None:
        """While it is down, or while it runs: then it is killed afterwards, as damage shows when files are read."""
        random = Random(step.chance + replica)
        is_running = random.random() < 0.5
        if is_running:
            self._do_damage(step, replica, pattern, random)
            await asyncio.sleep(step.seconds)
        async with self._down[replica]:
            await self._machines.kill(replica)
            if not is_running:
                self._do_damage(step, replica, pattern, random)
                await asyncio.sleep(step.seconds)
            await self._bring_up(step, replica)

    async def _bring_up(self, step: Step, replica: int) -> None:
        """Start it; sometimes it is killed again before it has got back what it lost."""
        random = Random(step.chance - replica)
        await self._machines.start(replica)
        for _ in range(random.choice((0, 0, 1, 2))):
            await asyncio.sleep(random.uniform(0, _IN_RECOVERY_SECONDS))
            await self._machines.kill(replica)
            await self._machines.start(replica)
            self.done[KILLED_IN_RECOVERY] += 1

    def _do_damage(self, step: Step, replica: int, pattern: str, random: Random) -> None:
        folder = self._machines.storage(replica)
        try:
            damage = draw_damage(used_bytes(folder, pattern), random)
            if damage is not None:
                do_damage(folder, damage)
        except FileNotFoundError as error:  # a running replica has just replaced it
            self._tell(step.number, f"replica {replica}: nothing damaged, {error.filename} has gone")
            return
        self.done[f"{pattern} {damage.kind}" if damage else "no file to damage"] += 1
        self._tell(step.number, f"replica {replica}: {damage or 'no file to damage'}")

    _HANDS: Final[dict[Fault, Callable[[Driver, Step, int], Awaitable[None]]]] = {
        Fault.KILL: _kill,
        Fault.KILL_ALL: _kill,
        Fault.KILL_AGAIN: _kill_again,
        Fault.STOP: _stop,
        Fault.PAUSE: _pause,
        Fault.CUT: _partition,
        Fault.DEAF: _partition,
        Fault.UNHEARD: _partition,
        Fault.DAMAGE_STATE: _damage_state,
        Fault.DAMAGE_VOTES: _damage_votes,
        Fault.WIPE: _wipe,
        Fault.RECOVER: _recover,
    }
