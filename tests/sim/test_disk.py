"""The simulated disk: what is safe, what a crash leaves, and what damage does to a replica."""

from __future__ import annotations

from random import Random

import pytest
from msgspec.structs import replace

from quorate.core.effects import Trace
from quorate.core.ports import Context
from quorate.messages.protocol import Commit, Prepare, PrePrepare
from quorate.messages.records import CheckpointRecord, DecidedRecord, Forget, Record, StableRecord, ViewRecord
from quorate.sim.disk import BitRotFound, Disk, leaves_of
from quorate.sim.plan import BitRot, Crash, Fault, FullDisk, SlowDisk
from quorate.sim.register import RegisterService
from quorate.sim.scenario import message_of
from quorate.sim.world import World
from sim.test_liveness import PLAN

CONTEXT = Context(client=bytes(32), time=0, seed=bytes(32), sequence_number=1)
RECORDS: list[Record] = [ViewRecord(1, True, b"frame"), *(DecidedRecord(at, bytes([at]) * 32) for at in range(1, 9))]


def disk_of(*records: Record) -> Disk:
    disk = Disk(Random(1))
    for record in records:
        disk.write(record)
    return disk


def test_what_was_synced_outlives_a_crash() -> None:
    disk = disk_of(*RECORDS)
    assert disk.sync() == RECORDS
    assert disk.crash(0.0) is None
    assert disk.read().records == RECORDS


def test_of_what_was_not_synced_a_crash_leaves_whole_records_from_the_beginning() -> None:
    seen = set()
    for share in range(101):
        disk = disk_of(*RECORDS)
        what = disk.crash(share / 100)
        found = disk.read().records
        assert found == RECORDS[: len(found)]
        assert what in ({None} if share == 100 else {"torn write", "lost tail"})
        seen.add((len(found), what))
    assert {count for count, _ in seen} == set(range(len(RECORDS) + 1))
    assert (0, "lost tail") in seen


def test_what_survived_a_crash_is_safe_from_then_on() -> None:
    disk = disk_of(*RECORDS)
    disk.crash(1.0)
    disk.read()
    disk.crash(0.0)
    assert disk.read().records == RECORDS


def test_every_bit_that_rots_is_found() -> None:
    for share in range(1000):
        disk = disk_of(*RECORDS)
        disk.sync()
        assert disk.rot(share / 1000)
        with pytest.raises(BitRotFound):
            disk.read()


def test_an_empty_disk_has_nothing_that_rots() -> None:
    disk = disk_of()
    assert not disk.rot(0.5)
    assert disk.read() == ([], None, None)


def test_it_forgets_what_it_is_told_to() -> None:
    disk = disk_of(DecidedRecord(1, bytes(32)), DecidedRecord(2, bytes(32)), Forget(1))
    disk.sync()
    assert disk.read().records == [DecidedRecord(2, bytes(32))]


def state_of(disk: Disk) -> RegisterService:
    service = RegisterService()
    state = disk.read().state
    if state is not None:
        service.install(*state)
    return service


def test_it_gives_back_the_state_of_the_stable_checkpoint() -> None:
    disk, service = Disk(Random(1)), RegisterService()
    for number in (4, 8):
        service.execute(b"write x %d" % number, CONTEXT)
        digest = service.checkpoint(number)
        disk.stage(number, leaves_of(service, number, digest))
        disk.write(CheckpointRecord(number, bytes(32), digest, b""))
        if number == 4:
            disk.write(StableRecord(number, bytes(32), ()))
    disk.sync()
    assert state_of(disk).value(b"x") == b"4"


def test_a_state_that_rots_is_found_and_no_vote_is_lost() -> None:
    damages = set()
    for share in range(100):
        disk, service = Disk(Random(1)), RegisterService()
        service.execute(b"write x " + b"v" * 500, CONTEXT)
        digest = service.checkpoint(4)
        disk.stage(4, leaves_of(service, 4, digest))
        records: list[Record] = [CheckpointRecord(4, bytes(32), digest, b""), StableRecord(4, bytes(32), ())]
        for record in records:
            disk.write(record)
        disk.sync()
        disk.rot(share / 100)
        try:
            found = disk.read()
        except BitRotFound:
            damages.add("votes")
            continue
        assert (found.records, found.state) == (records, None)
        damages.add(found.damage or "nothing")
    assert damages == {"votes", "the state is not as it was written"}


def test_a_state_whose_record_was_not_written_is_gone() -> None:
    disk, service = Disk(Random(1)), RegisterService()
    service.execute(b"write x 1", CONTEXT)
    disk.stage(4, leaves_of(service, 4, service.checkpoint(4)))
    assert state_of(disk).value(b"x") == b"-"


# Whole worlds


class Votes:
    """Reads along: when a replica's votes arrive, and what happens to it."""

    def __init__(self) -> None:
        self.times: dict[int, list[int]] = {replica: [] for replica in range(4)}

    def deliver(self, time: int, sender: int, receiver: int, frame: bytes) -> None:
        message = message_of(frame)
        if isinstance(message, PrePrepare | Prepare | Commit) and message.replica == sender:
            self.times[sender].append(time)

    def note(self, time: int, node: int | None, text: str) -> None:
        """Not looked at."""

    def trace(self, time: int, node: int, effect: Trace) -> None:
        """Not looked at."""


def play(*faults: Fault, syncs: tuple[int, ...] = ()) -> tuple[World, Votes]:
    votes = Votes()
    clients = tuple(replace(client, requests=20, think=20_000) for client in PLAN.clients)
    world = World(replace(PLAN, faults=faults, syncs=syncs, clients=clients), votes)
    assert world.run().verdicts == ()
    return world, votes


def test_a_full_disk_stops_votes_and_goes_on_when_there_is_room() -> None:
    world, votes = play(FullDisk(100_000, 300_000, 2))
    assert not any(102_000 < time < 300_000 for time in votes.times[2])
    assert any(time < 100_000 for time in votes.times[2])
    assert any(time > 300_000 for time in votes.times[2])
    assert world.replicas[2].report() is not None


def test_a_vote_waits_for_its_sync() -> None:
    world, _ = play(syncs=(40_000,) * 4)
    _, at_once = play()
    assert world.messages > 0
    slow, quick = (votes.times[0][4] for votes in (play(SlowDisk(0, 400_000, 0, 300_000))[1], at_once))
    assert slow > quick + 10_000


@pytest.mark.parametrize(("kept", "what"), [(0.0, "lost tail"), (0.4, "torn write")])
def test_a_crash_in_the_middle_of_writing_is_survived(kept: float, what: str) -> None:
    world, _ = play(*(Crash(50_000 * at, 50_000 * at + 30_000, at, None, False, True, kept) for at in range(4)))
    happened = world.happened
    assert happened[what] == 4


def test_a_replica_whose_disk_rotted_is_silent_until_it_has_recovered() -> None:
    world, votes = play(BitRot(100_000, 200_000, 2, 0.02))
    assert world.happened["bit rot"] == world.happened["recovery"] == 1
    assert not world.replicas[2].has_lost_votes
    assert any(time < 100_000 for time in votes.times[2])
    back = min((time for time in votes.times[2] if time > 102_000), default=0)
    assert back > 200_000
    epoch = world.replicas[2].report().epoch
    assert epoch > 0


def test_a_replica_whose_state_rotted_votes_on_and_fetches_it() -> None:
    """At the place where its state lies; what it says later shows that it went on."""
    for place in range(100):
        world, votes = play(BitRot(200_000, 300_000, 2, place / 100))
        if world.happened["state rot"]:
            break
    assert world.happened["bit rot"] == 0
    assert not world.replicas[2].has_lost_votes
    assert max(votes.times[2]) > 300_000
    assert world.replicas[2].report().state_digest == world.replicas[1].report().state_digest


def test_more_than_f_rotten_disks_are_a_liveness_verdict() -> None:
    faults = (BitRot(100_000, 200_000, 2, 0.02), BitRot(100_000, 200_000, 3, 0.02))
    clients = tuple(replace(client, requests=50, think=20_000) for client in PLAN.clients)
    verdicts = World(replace(PLAN, faults=faults, clients=clients)).run().verdicts
    assert [verdict.rule for verdict in verdicts] == ["liveness"]
