"""The load process's parts: the closed loop, the operations, etcd's bytes, redis-benchmark's words."""

from __future__ import annotations

import time
from collections import deque

import pytest
from benchmarks.latencies import count
from benchmarks.load.closed_loop import CLIENT, ClosedLoop, Done
from benchmarks.load.etcd_client import (
    LATER_HEADERS,
    TRANSACTION,
    first_headers,
    frame,
    message_of,
    operation_of_transaction,
    put,
)
from benchmarks.load.filling import Filling
from benchmarks.load.open_loop import OpenLoop
from benchmarks.load.operations import (
    answer_to,
    keys,
    maker,
    quorate_operation,
    redis_commands,
    refuse_others,
)
from benchmarks.load.order import Order
from benchmarks.measurement import MeasurementFailed
from benchmarks.plan import DEFAULT_OPERATIONS, KEYS, Operations
from benchmarks.redis_benchmark import parse

from quorate.core.ports import Context
from quorate.services.redis import RedisService

CSV = (
    '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"'
    '\n"SET","20000.00","1.200","0.100","1.000","3.000","4.000","9.000"\n'
)


class Wire:
    """Answers operations in their order, when asked to."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.waiting: deque[Done] = deque()
        self.most_waiting = 0

    def submit(self, number: int, done: Done) -> None:
        """Note an operation."""
        self.numbers.append(number)
        self.waiting.append(done)
        self.most_waiting = max(self.most_waiting, len(self.waiting))

    def answer_all(self, *, are_right: bool = True) -> None:
        """Answer until no more operations come."""
        while self.waiting:
            self.waiting.popleft()(are_right)


def order(outstanding: int, seconds: float = 0.01) -> Order:
    """A short one."""
    return Order(outstanding=outstanding, seconds=seconds, warm_up=0.001, roles={})


def test_a_closed_loop_keeps_as_many_operations_outstanding_as_it_is_told():
    wire = Wire()
    finished: list[bool] = []
    closed_loop = ClosedLoop(order(7), wire.submit, lambda: finished.append(True))

    closed_loop.start()
    wire.answer_all()

    measured = closed_loop.result()
    assert wire.most_waiting == 7
    assert wire.numbers == list(range(len(wire.numbers)))
    assert finished == [True]
    assert closed_loop.is_finished
    assert 0 < measured.operations < measured.operations_in_all == len(wire.numbers)
    assert count(measured.histogram) == measured.operations
    assert measured.moments == {}
    assert list(measured.processor_seconds) == [CLIENT]


@pytest.mark.parametrize("outstanding", [1, 64])
def test_a_system_that_answers_only_after_the_planned_end_is_measured_all_the_same(outstanding):
    wire = Wire()
    closed_loop = ClosedLoop(order(outstanding, seconds=0.001), wire.submit)

    closed_loop.start()
    time.sleep(0.01)
    wire.answer_all()

    measured = closed_loop.result()
    assert measured.operations > 0
    assert measured.seconds >= 0.001


def test_wrong_answers_are_counted_and_not_measured():
    wire = Wire()
    closed_loop = ClosedLoop(order(3), wire.submit)

    closed_loop.start()
    wire.answer_all(are_right=False)

    with pytest.raises(MeasurementFailed, match=f"{len(wire.numbers)} wrong"):
        closed_loop.result()


def test_all_systems_get_the_same_keys_and_values():
    service = RedisService()
    context = Context(bytes(32), 1, bytes(32), 1)

    assert len(set(keys())) == KEYS
    operations = [quorate_operation(DEFAULT_OPERATIONS, key) for key in keys()]
    assert {service.execute(operation, context) for operation in operations} == {b"+OK\r\n"}
    for key, command in zip(keys(), redis_commands(), strict=True):
        assert b"\r\nSET\r\n$16\r\n%b\r\n$32\r\n" % key in command


def test_a_frame_of_http_2():
    assert frame(0x1, 0x5, 3, b"abc") == bytes.fromhex("000003 01 05 00000003") + b"abc"


def test_a_put_of_grpc():
    assert message_of(put(b"key", b"value")) == b"\0\0\0\0\x0c\x0a\x03key\x12\x05value"


def test_a_put_in_a_transaction():
    request = put(b"key", b"value")

    # TxnRequest.success (2) holds RequestOp, whose request_put (2) holds the PutRequest.
    assert operation_of_transaction(request) == b"\x12\x0e\x12\x0c" + request
    assert b"\x44\x14/etcdserverpb.KV/Txn" in first_headers(TRANSACTION)


def test_later_header_blocks_name_the_fields_of_the_first_by_their_places():
    # The first block adds four fields to the dynamic table; the newest has place 62 (RFC 7541, section 2.3.3).
    assert first_headers().startswith(b"\x83\x86\x44\x14/etcdserverpb.KV/Put")
    assert [place & 0x7F for place in LATER_HEADERS[2:]] == [65, 64, 63, 62]


def test_the_figures_of_redis_benchmark():
    rate, latency = parse(CSV)

    assert rate == 20000.0
    assert latency == pytest.approx({"p50": 0.001, "p99": 0.004})


@pytest.mark.parametrize("output", ["", "Could not connect to Redis", CSV.splitlines()[0]])
def test_an_output_without_figures_is_a_failure(output):
    with pytest.raises(MeasurementFailed, match="no figures"):
        parse(output)


# ------------------------------------------------------------------------------------------------ open loop


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Now."""
        return self.now


def pump_all(open_loop: OpenLoop, clock: Clock) -> None:
    """Be punctual until the end."""
    while (due := open_loop.pump()) is not None:
        assert due > clock.now
        clock.now = due


def test_an_open_loop_sends_at_its_rate_whatever_is_answered():
    wire, clock = Wire(), Clock()
    open_loop = OpenLoop(Order(rate=1000.0, seconds=10.0, warm_up=1.0), wire.submit, clock)

    pump_all(open_loop, clock)

    assert clock.now == 111.0
    assert len(wire.waiting) == pytest.approx(11_000, rel=0.05)
    assert not open_loop.is_finished
    wire.answer_all()
    assert open_loop.is_finished
    measured = open_loop.result()
    assert measured.operations == pytest.approx(10_000, rel=0.05)
    assert measured.throughput == measured.operations / 10.0
    assert measured.operations_in_all == len(wire.numbers)
    assert measured.failures == 0


def test_a_stop_is_felt_by_all_that_arrive_meanwhile():
    wire, clock = Wire(), Clock()
    open_loop = OpenLoop(Order(rate=1000.0, seconds=2.0, warm_up=0.0), wire.submit, clock)

    def answer_after_a_stop_of_a_second() -> None:
        while (due := open_loop.pump()) is not None:
            if not 101.0 < clock.now < 102.0:
                wire.answer_all()
            clock.now = due
        wire.answer_all()

    answer_after_a_stop_of_a_second()

    # Half of all operations arrived in the second in which nothing was answered: they waited half a second on average.
    measured = open_loop.result()
    assert measured.latency["p50"] < 0.1
    assert measured.latency["p90"] == pytest.approx(0.8, abs=0.1)


def test_a_late_generator_counts_from_the_schedule():
    wire, clock = Wire(), Clock()
    open_loop = OpenLoop(Order(rate=100.0, seconds=1.0, warm_up=0.0), wire.submit, clock)
    open_loop.pump()

    clock.now += 5.0
    assert open_loop.pump() is None
    wire.answer_all()

    assert open_loop.result().latency["p50"] > 4.0


def test_what_is_never_answered_has_failed():
    wire, clock = Wire(), Clock()
    open_loop = OpenLoop(Order(rate=100.0, seconds=1.0, warm_up=0.0), wire.submit, clock)
    pump_all(open_loop, clock)
    wire.waiting.popleft()
    for _ in range(10):
        wire.waiting.popleft()(True)
    unanswered = len(wire.waiting) + 1

    assert not open_loop.is_finished
    clock.now += 11.0
    assert open_loop.is_finished
    assert open_loop.result().failures == unanswered


# ---------------------------------------------------------------------------------------- filling, operations


def test_filling_sets_every_key_once():
    wire = Wire()
    finished: list[bool] = []
    filling = Filling(Order(outstanding=7, operations=Operations(keys=50)), wire.submit, lambda: finished.append(True))

    filling.start()
    wire.answer_all()

    assert wire.numbers == list(range(50))
    assert wire.most_waiting == 7
    assert finished == [True]
    assert filling.result().operations == 50


def test_keys_that_could_not_be_set_end_the_measurement():
    wire = Wire()
    filling = Filling(Order(outstanding=2, operations=Operations(keys=3)), wire.submit, lambda: None)

    filling.start()
    wire.answer_all(are_right=False)

    with pytest.raises(MeasurementFailed, match="3 keys"):
        filling.result()


@pytest.mark.parametrize("value_bytes", [32, 4096])
def test_what_was_set_is_what_is_read(value_bytes):
    service = RedisService()
    context = Context(bytes(32), 1, bytes(32), 1)
    writes = Operations(keys=20, value_bytes=value_bytes)
    reads = Operations(keys=20, value_bytes=value_bytes, is_read=True)

    for operations in (writes, reads):
        make = maker(operations)
        assert {service.execute(make(number), context) for number in range(20)} == {answer_to(operations)}


@pytest.mark.parametrize("is_random", [False, True])
def test_composed_operations_are_those_that_would_be_prepared(is_random):
    many = Operations(keys=20_000, is_random=is_random)
    prepared = {quorate_operation(many, key) for key in keys(many)}

    made = [maker(many)(number) for number in range(3)] + list(map(maker(many), range(200)))

    assert set(made) <= prepared
    assert len(set(made)) > 150


def test_a_peers_client_refuses_operations_that_it_does_not_know():
    refuse_others(DEFAULT_OPERATIONS)
    with pytest.raises(MeasurementFailed):
        refuse_others(Operations(value_bytes=4096))
