"""One run of chaos on a cluster that is up: callers, faults, the end of all faults, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from quorate.client.aio import AsyncClient
from quorate.core.quorum import quorums_of
from quorate.lab.chaos.doors import DirectDoor, Door, GatewayDoor
from quorate.lab.chaos.driver import Driver
from quorate.lab.chaos.history import Deed
from quorate.lab.chaos.judge import failures_of, final_values, longest_gaps, wrong_in
from quorate.lab.chaos.machines import Machines
from quorate.lab.chaos.plan import Step
from quorate.lab.chaos.verdict import Verdict
from quorate.lab.chaos.watch import Report, Watch, number
from quorate.lab.chaos.workload import Workload
from quorate.lab.workload import now

PATIENCE_SECONDS: Final = (60.0, 2.0)
"""How long each caller of a client or a gateway waits for an answer. Who is impatient may never learn what it did."""
SERVED_SECONDS: Final = 180.0
"""When the faults are over every caller is served again, and all replicas are level, within so long."""
_TOUCHES: Final = 4
"""Writes between two looks, while the last checkpoint is waited for."""
_MICROSECONDS: Final = 1_000_000


class Course:
    """One run. The first of the clients also looks at the replicas."""

    def __init__(
        self,
        machines: Machines,
        clients: Sequence[AsyncClient],
        gateways: Sequence[tuple[str, int]],
        tell: Callable[[int, str], None],
    ) -> None:
        self._machines = machines
        self._quorums = quorums_of(clients[0].configuration.replica_count)
        self._watch = Watch(clients[0], self._quorums)
        self._driver = Driver(machines, self._watch, self._quorums, tell)
        self._doors = _doors(clients, gateways, PATIENCE_SECONDS)
        self._patient = _doors(clients, gateways, PATIENCE_SECONDS[:1]).keys()
        """The impatient are perhaps never answered in time where the machine is busy."""
        self._tell = tell
        self._problems: list[str] = []
        self.deeds: Sequence[Deed] = ()
        """The history, afterwards."""
        self._begin = self._over = 0
        """When the callers began, and were stopped."""

    async def run(self, plan: Sequence[Step], seed: int, seconds: float) -> None:
        """Maltreat the cluster for so many seconds, and see whether all is well again afterwards."""
        workload = Workload(self._doors, seed)
        self.deeds = workload.deeds
        async with AsyncExitStack() as closing:
            for door in self._doors.values():
                closing.push_async_callback(door.close)
            closing.push_async_callback(workload.stop, 0)
            workload.start()
            self._begin = now()
            if not await workload.all_served_since(self._begin, SERVED_SECONDS, self._patient):
                self._problems.append("callers were not served before the first fault")
            await self._driver.carry_out(plan, seconds)
            await self._settle(workload)

    def reports(self) -> dict[int, Report]:
        """What each replica said last."""
        return self._watch.reports()

    async def _settle(self, workload: Workload) -> None:
        """Nothing is done to anybody any more: see that all goes well again without help."""
        self._tell(0, "the faults are over; waiting until everybody is served and all replicas are level")
        if self._driver.stuck:
            await self._stop(workload, 1.0)
            return
        if not await workload.all_served_since(now(), SERVED_SECONDS, self._patient):
            self._problems.append(f"not every caller was served within {SERVED_SECONDS:.0f} s after the last fault")
            await self._stop(workload, 1.0)
            return
        await self._stop(workload, max(PATIENCE_SECONDS))
        await workload.read_all()
        await self._level(workload)

    async def _stop(self, workload: Workload, seconds: float) -> None:
        self._over = now()
        await workload.stop(seconds)

    async def _level(self, workload: Workload) -> None:
        """All have executed the same, and the digests of all that callers wrote are equal."""
        if not await self._watch.all_executed_equally(SERVED_SECONDS):
            self._report_differences("the replicas are not level")
            return
        goal = max(number(report, "last_executed") for report in self._watch.reports().values())
        deadline = now() + int(SERVED_SECONDS * _MICROSECONDS)
        while not await self._watch.all_level(1.0, goal):
            if now() > deadline:
                self._report_differences("the replicas have no equal checkpoint of the final state")
                return
            for _ in range(_TOUCHES):
                await workload.touch()

    def _report_differences(self, what: str) -> None:
        lines = [f"  replica {one}: {self._watch.describe(one)}" for one in range(self._quorums.replica_count)]
        self._problems.append("\n".join([f"{what} {SERVED_SECONDS:.0f} s after the last fault:", *lines]))

    # ----------------------------------------------------------------------------------------- the verdict

    def judge(self, seed: int, seconds: float) -> Verdict:
        """What is to be said of it."""
        driver, deeds = self._driver, self.deeds
        final = final_values(deeds)
        wrong = wrong_in(deeds, final)
        outage, gap = longest_gaps(deeds, self._begin, self._over, driver.outages)
        reports = self._watch.reports()
        incidents: Counter[str] = Counter()
        for report in reports.values():
            told = report["incidents"]
            incidents.update(told if isinstance(told, dict) else {})
        return Verdict(
            seed=seed,
            replicas=self._quorums.replica_count,
            seconds=seconds,
            problems=(*wrong, *driver.stuck, *self._problems, *self._machines.ended_by_itself()),
            faults=dict(sorted(driver.done.items())),
            skipped=dict(sorted(driver.skipped.items())),
            why_skipped=self._machines.why_no_partitions() or "",
            operations=sum(1 for deed in deeds if deed.returned is not None),
            unknown_outcomes=sum(1 for deed in deeds if deed.returned is None),
            failures=failures_of(deeds),
            keys=len({deed.key for deed in deeds}),
            longest_outage_seconds=outage / _MICROSECONDS,
            longest_gap_seconds=gap / _MICROSECONDS,
            slowest_recoveries=dict(sorted(driver.slowest.items())),
            views=max((number(report, "view") for report in reports.values()), default=0),
            incidents=dict(sorted(incidents.items())),
            apart=tuple(sorted(one for one, report in reports.items() if report["status"] == "view-change")),
        )


def _doors(
    clients: Sequence[AsyncClient], gateways: Sequence[tuple[str, int]], patience: Sequence[float]
) -> dict[str, Door]:
    """A few callers for each client and each gateway."""
    doors: dict[str, Door] = {}
    for one, seconds in enumerate(patience):
        for index, client in enumerate(clients):
            doors[f"client {index}-{one}"] = DirectDoor(client, seconds)
        for index, (host, port) in enumerate(gateways):
            doors[f"gateway {index}-{one}"] = GatewayDoor(host, port, seconds)
    return doors
