"""The driver does what a plan says to processes that note it, waits for who has not recovered, and leaves nothing cut,
paused or down."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from quorate.core.quorum import quorums_of
from quorate.lab.chaos import driver as driver_module
from quorate.lab.chaos.driver import KILLED_IN_RECOVERY, Driver
from quorate.lab.chaos.plan import Fault, Step
from quorate.lab.chaos.watch import Watch
from quorate.lab.paths import Path as LinkPath


class Machines:
    """Processes that note what is done to them."""

    gateway_count = 2

    def __init__(self, folder: Path, why_not: str | None = None) -> None:
        self.folder = folder
        self.why_not = why_not
        self.did: list[str] = []
        self.running = [True] * 4
        self.paused: set[int] = set()
        self.lost: list[LinkPath] = []
        self.ever_lost: set[LinkPath] = set()

    def storage(self, replica: int) -> Path:
        return self.folder

    async def start(self, replica: int) -> None:
        assert not self.running[replica], f"replica {replica} runs already"
        self.running[replica] = True
        self.did.append(f"start {replica}")

    async def kill(self, replica: int) -> None:
        self.running[replica] = False
        self.did.append(f"kill {replica}")
        await asyncio.sleep(0)

    async def stop(self, replica: int) -> None:
        self.running[replica] = False
        self.did.append(f"stop {replica}")

    async def let_recover(self, replica: int, is_clean: bool) -> None:
        assert not self.running[replica]
        self.did.append(f"recover {replica}{' clean' * is_clean}")

    def pause(self, replica: int) -> None:
        self.paused.add(replica)

    def resume(self, replica: int) -> None:
        self.paused.remove(replica)

    async def restart_gateway(self, gateway: int, seconds: float) -> None:
        self.did.append(f"gateway {gateway}")

    async def lose(self, paths: Sequence[LinkPath]) -> None:
        self.lost = list(paths)
        self.ever_lost |= set(paths)

    def why_no_partitions(self) -> str | None:
        return self.why_not

    def ended_by_itself(self) -> list[str]:
        return []


class Recovery:
    """Replicas that recover when they are told to."""

    def __init__(self, never: int | None = None) -> None:
        self.never = never
        self.may = asyncio.Event()
        self.waiting: list[int] = []

    async def has_recovered(self, replica: int, seconds: float) -> bool:
        self.waiting.append(replica)
        if replica == self.never:
            return False
        await self.may.wait()
        return True

    def describe(self, replica: int) -> str:
        return "it sleeps"


def step_of(number: int, fault: Fault, *replicas: int, chance: int = 7, seconds: float = 0.01) -> Step:
    return Step(number, 0.0, fault, replicas, seconds, chance)


def driver_of(machines: Machines, watch: Recovery, lines: list[str] | None = None, replicas: int = 4) -> Driver:
    def tell(step: int, text: str) -> None:
        if lines is not None:
            lines.append(text)

    return Driver(machines, cast(Watch, watch), quorums_of(replicas), tell)


@pytest.fixture(autouse=True)
def _hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_module, "_IN_RECOVERY_SECONDS", 0.01)
    monkeypatch.setattr(driver_module, "_AGAIN_SECONDS", 0.01)


def carry_out(machines: Machines, *plan: Step, lines: list[str] | None = None) -> Driver:
    async def run() -> Driver:
        watch = Recovery()
        watch.may.set()
        driver = driver_of(machines, watch, lines)
        await driver.carry_out(plan, 60)
        return driver

    return asyncio.run(run())


@pytest.mark.parametrize("fault", sorted(set(Fault)))
def test_nothing_is_left_behind(fault: Fault, tmp_path: Path) -> None:
    machines = Machines(tmp_path / "storage")
    (tmp_path / "storage").mkdir()
    (tmp_path / "storage" / "votes.log").write_bytes(b"votes")
    (tmp_path / "storage" / "state-1.log").write_bytes(b"state")
    whom = (0, 1, 2, 3) if fault is Fault.KILL_ALL else () if fault is Fault.KILL_GATEWAY else (2,)

    driver = carry_out(machines, step_of(1, fault, *whom))

    assert all(machines.running)
    assert not machines.paused
    assert not machines.lost
    assert driver.done[fault] == max(1, len(whom))
    assert not driver.stuck


def test_who_recovers_is_killed_again_sometimes(tmp_path: Path) -> None:
    counts = set()
    for chance in range(8):
        machines = Machines(tmp_path)
        driver = carry_out(machines, step_of(1, Fault.DAMAGE_VOTES, 1, chance=chance))
        counts.add(driver.done[KILLED_IN_RECOVERY])
        assert machines.did == ["kill 1", "start 1"] * (1 + driver.done[KILLED_IN_RECOVERY])
    assert counts == {0, 1, 2}


def test_a_kill_and_a_stop(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    carry_out(machines, step_of(1, Fault.KILL, 1), step_of(2, Fault.STOP, 3))
    assert machines.did == ["kill 1", "start 1", "stop 3", "start 3"]


def test_killed_again_and_again(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    carry_out(machines, step_of(1, Fault.KILL_AGAIN, 1))
    assert machines.did == ["kill 1", "start 1"] * (len(machines.did) // 2)
    assert len(machines.did) >= 6


def test_a_wipe_takes_everything(tmp_path: Path) -> None:
    (folder := tmp_path / "storage").mkdir()
    machines = Machines(folder)
    carry_out(machines, step_of(1, Fault.WIPE, 1))
    assert not folder.exists()
    assert machines.did == ["kill 1", "start 1"]


def test_a_replica_is_let_recover_while_it_is_down(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    carry_out(machines, step_of(1, Fault.RECOVER, 1), step_of(2, Fault.RECOVER, 2, chance=8))
    assert machines.did == ["kill 1", "recover 1", "start 1", "kill 2", "recover 2 clean", "start 2"]


def test_links_are_cut_as_the_shape_says(tmp_path: Path) -> None:
    machines = Machines(tmp_path)
    carry_out(machines, step_of(1, Fault.DEAF, 1))
    assert machines.ever_lost == {(0, 1), (2, 1), (3, 1)}


def test_where_links_cannot_be_cut_that_is_counted(tmp_path: Path) -> None:
    machines = Machines(tmp_path, why_not="not permitted")
    driver = carry_out(machines, step_of(1, Fault.CUT, 1), step_of(2, Fault.CUT, 2), step_of(3, Fault.KILL, 1))
    assert driver.skipped == {"cut": 2}
    assert driver.done == {"kill": 1}


@pytest.mark.parametrize("chance", range(6))
def test_after_damage_a_replica_starts_again(tmp_path: Path, chance: int) -> None:
    """Also when it ran meanwhile: no damage waits to be found when others are down."""
    machines, lines = Machines(tmp_path), list[str]()
    (tmp_path / "state-1.log").write_bytes(before := b"some state")

    driver = carry_out(machines, step_of(1, Fault.DAMAGE_STATE, 1, chance=chance), lines=lines)

    assert machines.did == ["kill 1", "start 1"] * (1 + driver.done[KILLED_IN_RECOVERY])
    path = tmp_path / "state-1.log"
    assert not path.exists() or path.read_bytes() != before
    assert sum(count for name, count in driver.done.items() if name.startswith("state-")) == 1
    assert any("state-1.log" in line for line in lines)


def test_where_there_is_no_file_nothing_is_damaged(tmp_path: Path) -> None:
    driver = carry_out(Machines(tmp_path), step_of(1, Fault.DAMAGE_STATE, 1))
    assert driver.done["no file to damage"] == 1


async def until(condition: Any) -> None:
    while not condition():
        await asyncio.sleep(0.001)


def test_the_next_step_waits_until_a_replica_has_recovered(tmp_path: Path) -> None:
    async def run() -> None:
        machines, watch = Machines(tmp_path), Recovery()
        driver = driver_of(machines, watch)
        work = asyncio.create_task(driver.carry_out([step_of(1, Fault.KILL, 1), step_of(2, Fault.KILL, 2)], 60))
        await until(lambda: watch.waiting == [1])
        await asyncio.sleep(0.05)
        assert machines.did == ["kill 1", "start 1"]
        watch.may.set()
        await work
        assert machines.did == ["kill 1", "start 1", "kill 2", "start 2"]

    asyncio.run(run())


def test_all_are_killed_though_one_is_down_and_each_is_started_once(tmp_path: Path) -> None:
    async def run() -> None:
        machines, watch = Machines(tmp_path), Recovery()
        driver = driver_of(machines, watch)
        plan = [step_of(1, Fault.KILL, 1, seconds=0.2), step_of(2, Fault.KILL_ALL, 0, 1, 2, 3)]
        work = asyncio.create_task(driver.carry_out(plan, 60))
        await until(lambda: len(watch.waiting) == 5)
        watch.may.set()
        await work
        assert sorted(machines.did) == sorted([f"{what} {one}" for what in ("kill", "start") for one in range(4)])
        assert driver.done == {"kill": 1, "kill-all": 3}
        assert len(driver.outages) == 1

    asyncio.run(run())


def test_who_never_recovers_ends_the_run_and_is_named(tmp_path: Path) -> None:
    async def run() -> None:
        machines, watch = Machines(tmp_path), Recovery(never=1)
        watch.may.set()
        driver = driver_of(machines, watch)
        await driver.carry_out([step_of(1, Fault.KILL, 1), step_of(2, Fault.KILL, 2)], 60)
        [problem] = driver.stuck
        assert problem.startswith("replica 1 has not recovered within")
        assert problem.endswith("after step 1 (kill 1 for 0.0 s): it sleeps")
        assert machines.did == ["kill 1", "start 1"]

    asyncio.run(run())


def test_a_run_ends_when_its_time_is_over(tmp_path: Path) -> None:
    async def run() -> None:
        machines, watch = Machines(tmp_path), Recovery()
        watch.may.set()
        await driver_of(machines, watch).carry_out([step_of(1, Fault.KILL, 1)], 0)
        assert machines.did == []

    asyncio.run(run())
