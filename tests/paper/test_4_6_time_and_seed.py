"""Non-determinism: agreed time and seed (OSDI'99 4.6, 6.2; decisions)."""

from __future__ import annotations

from hashlib import sha256

from core.group import Group
from quorate.config import Settings
from quorate.core.access import AccessTable
from quorate.core.ports import Context
from quorate.core.tables import GENESIS_SEED, ReplicatedTables
from quorate.services.counter import CounterService

SECOND = 1_000_000


class Clockwork(CounterService):
    """A service that notes what it sees, and wants a tick."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Context] = []
        self.ticks: list[Context] = []
        self.wanted: int | None = None

    def execute(self, operation: bytes, context: Context) -> bytes:
        self.seen.append(context)
        return super().execute(operation, context)

    def tick(self, context: Context) -> None:
        self.ticks.append(context)
        self.wanted = None

    def next_deadline(self) -> int | None:
        return self.wanted


def clockworks(settings: Settings | None = None) -> tuple[Group, list[Clockwork]]:
    group = Group(4, settings)
    services = [Clockwork() for _ in range(4)]
    for number, service in enumerate(services):
        group.core(number).service = service  # type: ignore[misc]
        service.checkpoint(0)
    return group, services


def test_time_1_effective_time_is_the_proposed_or_one_more_than_the_last() -> None:
    """6.2: BFS takes "the maximum of the proposed and 1 + the largest value selected for any previous request"."""
    tables = ReplicatedTables(AccessTable(()), 4)
    seen = []
    for number, proposed in enumerate([100, 50, 50, 200, 0, 201, 2**63 - 1, 5], start=1):
        tables.advance(proposed, number, b"d" * 32)
        seen.append(tables.time)
    assert seen == [100, 101, 102, 200, 201, 202, 2**63 - 1, 2**63]


def test_time_1_every_replica_executes_with_the_same_time_and_seed() -> None:
    """4.6: "all non-faulty replicas ... agree on the value"; nothing else of the outside world is seen."""
    group, services = clockworks()
    session = group.open_session()
    for timestamp in range(1, 6):
        group.submit(group.request((b"add 1", b"get"), session, timestamp), 0)
        group.advance(20)
    assert all(service.seen == services[0].seen for service in services)
    times = [context.time for context in services[0].seen]
    assert times == sorted(times)
    assert len(set(times)) == 5
    assert {context.client for context in services[0].seen} == {group.clients[0].client_id}


def test_time_1_the_seed_follows_from_the_order_alone() -> None:
    """Decisions, seed: "derived at execution from the previous seed, the sequence number and the batch digest, never
    proposed"."""
    tables = ReplicatedTables(AccessTable(()), 4)
    tables.advance(5, 1, b"a" * 32)
    assert tables.seed == sha256(GENESIS_SEED + (1).to_bytes(8, "big") + b"a" * 32).digest()
    other = ReplicatedTables(AccessTable(()), 4)
    other.advance(99, 1, b"a" * 32)
    assert other.seed == tables.seed
    other.advance(99, 2, b"b" * 32)
    tables.advance(99, 2, b"c" * 32)
    assert other.seed != tables.seed


def test_time_2_the_primary_orders_a_tick_when_the_service_waits_for_the_time() -> None:
    """Decisions, time: "when a deadline of the service passes while no request arrives, the primary orders a
    tick"."""
    group, services = clockworks()
    group.open_session()
    for service in services:
        service.wanted = group.wall + 2 * SECOND
    group.advance(1900)
    assert [service.ticks for service in services] == [[]] * 4
    group.advance(200)
    (first,) = {tuple(service.ticks) for service in services}
    assert len(first) == 1
    assert first[0].time >= group.wall - 200_000
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4


def test_time_2_a_tick_comes_before_the_batch_that_passes_the_deadline() -> None:
    """A key that has expired is gone for the first request after it."""
    group, services = clockworks()
    session = group.open_session()
    for service in services:
        service.wanted = group.wall + 1
    group.now += 10
    group.wall += 10
    group.submit(group.request((b"get",), session, 1), 0)
    assert all(service.ticks[0].time <= service.seen[-1].time for service in services)


def test_time_2_a_due_tick_waits_for_what_is_in_flight_and_nobody_spins() -> None:
    """While a batch is in flight no tick is ordered, and the next deadline is not `now` again and again."""
    group, services = clockworks()
    group.open_session()
    group.reaches = lambda sender, receiver, message: False
    group.submit(group.request((), 0, 2), 0)
    services[0].wanted = group.wall - 1
    group.advance(500)
    deadline = group.replicas[0].next_deadline()
    assert deadline is not None
    assert deadline > group.now
