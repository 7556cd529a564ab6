"""The load process's parts: the closed loop, the operations, etcd's bytes, redis-benchmark's words."""

from __future__ import annotations

from collections import deque

import pytest
from benchmarks.load.closed_loop import CLIENT, ClosedLoop, Done
from benchmarks.load.etcd_client import LATER_HEADERS, first_headers, frame, put_message
from benchmarks.load.operations import keys, quorate_operations, redis_commands
from benchmarks.load.order import Order
from benchmarks.measurement import MeasurementFailed
from benchmarks.plan import KEYS
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
    assert sum(measured.histogram.values()) == measured.operations
    assert list(measured.processor_seconds) == [CLIENT]


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
    assert {service.execute(operation, context) for operation in quorate_operations()} == {b"+OK\r\n"}
    for key, command in zip(keys(), redis_commands(), strict=True):
        assert b"\r\nSET\r\n$16\r\n%b\r\n$32\r\n" % key in command


def test_a_frame_of_http_2():
    assert frame(0x1, 0x5, 3, b"abc") == bytes.fromhex("000003 01 05 00000003") + b"abc"


def test_a_put_of_grpc():
    assert put_message(b"key", b"value") == b"\0\0\0\0\x0c\x0a\x03key\x12\x05value"


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
