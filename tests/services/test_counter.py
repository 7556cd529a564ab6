"""The example service."""

from __future__ import annotations

import pytest

from quorate.core.ports import Context
from quorate.services.conformance import assert_conforms
from quorate.services.counter import CounterService

_CONTEXT = Context(bytes(32), 1, bytes(32), 1)


@pytest.fixture
def counter() -> CounterService:
    return CounterService()


def test_it_adds_up(counter: CounterService) -> None:
    answers = [counter.execute(operation, _CONTEXT) for operation in (b"get", b"add 5", b"add -7", b"get")]

    assert answers == [b"0", b"5", b"-2", b"-2"]


@pytest.mark.parametrize(
    "operation", [b"", b"add", b"add x", b"add 1 2", b"subtract 1", b"add 9223372036854775808", b"\xff"]
)
def test_what_is_no_operation_is_an_error_and_changes_nothing(operation: bytes, counter: CounterService) -> None:
    counter.execute(b"add 1", _CONTEXT)

    assert counter.execute(operation, _CONTEXT).startswith(b"error: ")
    assert counter.execute(b"get", _CONTEXT) == b"1"


def test_the_total_stays_within_what_can_be_stored(counter: CounterService) -> None:
    counter.execute(b"add %d" % (2**63 - 1), _CONTEXT)

    assert counter.execute(b"add 1", _CONTEXT) == b"error: the total would not fit 64 bits"
    counter.checkpoint(1)


def test_only_get_is_a_query(counter: CounterService) -> None:
    counter.execute(b"add 3", _CONTEXT)

    assert counter.query(b"get", _CONTEXT) == b"3"
    assert counter.query(b"add 1", _CONTEXT) is None
    assert counter.query(b"garbage", _CONTEXT) is None


def test_it_conforms() -> None:
    operations = [b"add %d" % number for number in range(50)] + [b"get", b"add 99999999999999999999", b"get"]

    assert_conforms("quorate.services.counter:CounterService", operations)
