"""The course of one attack on a running laboratory: a workload before, during and after it, and the verdict."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from quorate.client.aio import AsyncClient
from quorate.core.quorum import primary_of, quorums_of
from quorate.errors import ConfigurationError, RequestFailed
from quorate.lab.catalogue import Attack, Kind, Nudge, Role, choose_paused, choose_traitor
from quorate.lab.control import tell
from quorate.lab.dialects import dialect_of
from quorate.lab.hands import Cutter, Hands, LabCutter
from quorate.lab.liar import LyingClient
from quorate.lab.measure import account, availability, rate
from quorate.lab.members import LIAR, Laboratory
from quorate.lab.verdict import Look, Verdict, absent, broken_rules, noticed, unexplained
from quorate.lab.workload import Workload, now

BEFORE_SECONDS: Final = 1.0
"""How long the workload runs before the attack, for comparison."""
NUDGE_AFTER_SECONDS: Final = 0.3
NUDGE_TIMEOUTS: Final = 2.5
"""How long the nudge lasts, in view-change time-outs: longer than it takes to suspect the primary."""
SERVED_SECONDS: Final = 40.0
"""Every caller is served again within so long after the attack, or the service counts as unavailable."""
CAUGHT_UP_SECONDS: Final = 30.0
_INSPECT_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.1
_STAYS: Final = (
    "replica {} follows the rules again, and stays counted as faulty: it may have contradicted itself, and only a new "
    "history (`quorate up --lab --fresh`) takes that back"
)


class Times(NamedTuple):
    """When it happened, in microseconds of the monotonic clock."""

    started: int
    begin: int
    end: int
    over: int


class Course:
    """One attack."""

    def __init__(
        self, laboratory: Laboratory, attack: Attack, seconds: float, seed: int, cutter: Cutter | None = None
    ) -> None:
        self._laboratory = laboratory
        self._configuration = laboratory.configuration
        self._quorums = quorums_of(self._configuration.replica_count)
        self._attack = attack
        self._seconds = seconds
        self._seed = seed
        folder, count = laboratory.cluster.replica, self._quorums.replica_count
        self._hands = Hands(folder, count, cutter or LabCutter(folder, count))
        self._dialect = dialect_of(self._configuration.service)
        self._run = f"attack-{secrets.token_hex(4)}"

    async def run(self, wanted: Sequence[int] = (), announce: Callable[[], None] = lambda: None) -> Verdict:
        """Attack, by these replicas or by the one that suits the attack, and judge. Calls *announce* once it is clear
        that it can be done. Raises ConfigurationError where more than f would be faulty."""
        eye = AsyncClient(self._laboratory.callers[0], self._configuration)
        try:
            before = await self._look(eye)
            replicas = self._choose(before, wanted)
            correct = self._correct(before, replicas)
            announce()
            workload = Workload(self._configuration, self._laboratory.callers, self._dialect, self._run, self._seed)
            try:
                return await self._attack_and_judge(eye, before, workload, replicas, correct)
            finally:
                await workload.close()
        finally:
            eye.close()
            await eye.wait_closed()

    # ------------------------------------------------------------------------------------------ who it is

    def _choose(self, look: Look, wanted: Sequence[int]) -> tuple[int, ...]:
        count = self._quorums.replica_count
        if not look.told:
            raise ConfigurationError(
                f"no replica of {self._laboratory.cluster.path} runs as a laboratory's; "
                f"start it: quorate up --lab --dir {self._laboratory.cluster.path}"
            )
        if self._attack.kind is Kind.CLIENT:
            if wanted:
                raise ConfigurationError(f"{self._attack.name} is what a client does: leave out --replica")
            replicas: tuple[int, ...] = ()
        else:
            liars = [replica for replica, told in look.told.items() if told.has_lied]
            replicas = tuple(wanted) or (choose_traitor(self._attack, look.view(count), count, liars),)
        if any(replica >= count for replica in replicas):
            raise ConfigurationError(f"there is no replica {max(replicas)}: they are 0 to {count - 1}")
        absentees = [replica for replica in replicas if replica not in look.told]
        if absentees:
            raise ConfigurationError(
                f"replica {absentees[0]} does not answer as a laboratory's: it has ended, is stopped, or was not "
                "started by `quorate up --lab`; choose another"
            )
        self._refuse_too_many(look, replicas)
        return replicas

    def _refuse_too_many(self, look: Look, replicas: Sequence[int]) -> None:
        """More than f faulty replicas can break anything: that would be no finding."""
        count, faults = self._quorums.replica_count, self._quorums.faults
        faulty = {replica for replica in range(count) if replica not in look.told or look.told[replica].has_lied}
        if len(faulty | set(replicas)) > faults:
            already = f"; already faulty: {', '.join(map(str, sorted(faulty)))}" if faulty else ""
            raise ConfigurationError(
                f"{len(faulty | set(replicas))} of {count} replicas would be faulty, and at most f = {faults} may be"
                f"{already}; attack by who is faulty anyway, with --replica, or start anew: "
                f"quorate up --lab --fresh --dir {self._laboratory.cluster.path}"
            )

    def _correct(self, look: Look, replicas: Sequence[int]) -> frozenset[int]:
        """Who has to be right and here at the end: who is only slow, cut off or has a wrong clock, is too."""
        gone = set(replicas) if self._attack.is_lie or self._attack.name == "kill" else set()
        return frozenset(replica for replica, told in look.told.items() if not told.has_lied and replica not in gone)

    # ------------------------------------------------------------------------------------------ the course

    async def _attack_and_judge(
        self, eye: AsyncClient, before: Look, workload: Workload, replicas: Sequence[int], correct: frozenset[int]
    ) -> Verdict:
        started = now()
        await workload.start()
        is_served = await workload.all_completed_since(started, SERVED_SECONDS)
        if not is_served:
            raise RequestFailed("the workload was not served even before the attack: is the cluster well?")
        await asyncio.sleep(BEFORE_SECONDS)
        begin = now()
        await self._attack_for_a_while(before, replicas)
        end = now()
        problems = []
        if not await workload.all_completed_since(end, SERVED_SECONDS):
            problems.append(f"not every caller was served again within {SERVED_SECONDS:.0f} seconds after the attack")
        times = Times(started, begin, end, now())
        await workload.stop(1.0)
        values: dict[str, str] = {}
        if not problems:
            values = await workload.read_all(SERVED_SECONDS)
            problems += await self._await_caught_up(eye, correct)
        after = await self._look(eye, record=True)
        await self._forget(workload, values)
        return self._judge(before, after, workload, values, times, replicas, correct, problems)

    async def _attack_for_a_while(self, look: Look, replicas: Sequence[int]) -> None:
        attack = self._attack
        view = look.view(self._quorums.replica_count)
        paused = choose_paused(attack, view, self._quorums.replica_count, replicas)
        try:
            await self._hands.begin(attack, replicas, self._seed)
            liar = self._liar() if attack.kind is Kind.CLIENT else None
            try:
                await asyncio.gather(asyncio.sleep(self._seconds), self._nudge(paused))
            finally:
                if liar is not None:
                    await liar.stop()
        finally:
            await self._hands.end(attack, replicas)

    def _liar(self) -> LyingClient:
        return LyingClient(
            self._laboratory.liar,
            self._configuration,
            self._attack.strategies,
            self._dialect,
            f"{self._run}-liar",
            self._seed,
        )

    async def _nudge(self, paused: int | None) -> None:
        """What the attack needs to come into play."""
        if paused is not None:
            await asyncio.sleep(NUDGE_AFTER_SECONDS)
            seconds = NUDGE_TIMEOUTS * self._configuration.settings.view_change_timeout_ms / 1000
            await self._hands.pause_for(paused, seconds)

    async def _await_caught_up(self, eye: AsyncClient, correct: frozenset[int]) -> list[str]:
        """Until all correct replicas have executed the same."""
        deadline = now() + int(CAUGHT_UP_SECONDS * 1_000_000)
        while True:
            look = await self._look(eye)
            executed = look.executed(correct)
            if len(executed) == len(correct) and min(executed) == max(executed):
                return []
            if now() > deadline:
                return [f"correct replicas do not catch up within {CAUGHT_UP_SECONDS:.0f} seconds: {executed}"]
            await asyncio.sleep(_POLL_SECONDS)

    async def _forget(self, workload: Workload, values: dict[str, str]) -> None:
        if values:
            await workload.forget([*values, f"{self._run}-liar"])

    async def _look(self, eye: AsyncClient, record: bool = False) -> Look:
        """What everyone says now."""
        everyone = range(self._quorums.replica_count)
        told = await asyncio.gather(*(tell(self._laboratory.cluster.replica(one), record=record) for one in everyone))
        here = {replica: one for replica, one in zip(everyone, told, strict=True) if one is not None}
        reports = await asyncio.gather(*(_inspect(eye, replica) for replica in here))
        return Look({replica: one for replica, one in zip(here, reports, strict=True) if one is not None}, here)

    # ----------------------------------------------------------------------------------------- the verdict

    def _judge(
        self,
        before: Look,
        after: Look,
        workload: Workload,
        values: dict[str, str],
        times: Times,
        replicas: Sequence[int],
        correct: frozenset[int],
        unavailable: list[str],
    ) -> Verdict:
        count, completed = self._quorums.replica_count, workload.completions()
        disruption = self._configuration.settings.view_change_timeout_ms * 1000 // 2
        felt = availability(completed, times.begin, times.end, times.over, disruption)
        unsafe = absent(correct, after) + broken_rules(correct, after.told, self._quorums.faults)
        lost = account(workload.appended(), values) if values else []
        wrong = unexplained(workload.histories()) + lost
        return Verdict(
            attack=self._attack.name,
            kind=self._attack.kind.value,
            row=self._attack.row,
            replicas=tuple(replicas),
            safe=not unsafe,
            linearizable=not wrong,
            available=not unavailable,
            problems=tuple(unsafe + wrong + unavailable),
            operations=felt.operations,
            unknown_outcomes=workload.unknown(),
            operations_per_second=felt.operations_per_second,
            operations_per_second_before=rate(completed, times.begin - int(BEFORE_SECONDS * 1_000_000), times.begin),
            longest_gap_seconds=felt.longest_gap_seconds,
            recovery_seconds=felt.recovery_seconds,
            views=after.view(count) - before.view(count),
            noticed=noticed(correct, replicas, LIAR, before, after, times.begin),
            remarks=self._remarks(before, after, replicas),
        )

    def _remarks(self, before: Look, after: Look, replicas: Sequence[int]) -> tuple[str, ...]:
        remarks = []
        primary = primary_of(before.view(self._quorums.replica_count), self._quorums.replica_count)
        if self._attack.is_lie and self._attack.role is Role.PRIMARY and primary not in replicas:
            remarks.append(f"replica {primary} was the primary when it began: what only a primary can do was not tried")
        if self._attack.nudge is not Nudge.NONE:
            remarks.append(self._attack.nudge.value)
        for replica in replicas:
            told = after.told.get(replica)
            if told is None:
                remarks.append(f"replica {replica} is dead and counts as faulty")
            elif told.has_lied:
                remarks.append(_STAYS.format(replica))
                if told.failure:
                    remarks.append(f"its own lies stopped replica {replica}: {told.failure}")
        return tuple(remarks)


async def _inspect(eye: AsyncClient, replica: int) -> dict[str, object] | None:
    try:
        return await eye.inspect(replica, _INSPECT_SECONDS)
    except RequestFailed:
        return None
