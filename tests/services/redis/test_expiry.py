"""Keys expire by the agreed time, nowhere else: at all replicas at the same operation."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.services.redis import Pipeline, Versions, decode_versions, encode_operation
from quorate.services.redis.limits import EXPIRED_KEYS_A_STEP

_MILLISECOND = 1000


def _query(subject: Any, *arguments: object) -> bytes | None:
    parts = [str(argument).encode() for argument in arguments]
    commands = b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
    answer: bytes | None = subject.service.query(encode_operation(Pipeline(0, 2, commands)), subject.context())
    return answer


def test_a_key_is_there_up_to_its_deadline_and_gone_after_it(subject: Any) -> None:
    subject.ask("SET", "key", "value", "PX", 100)

    subject.time += 100 * _MILLISECOND
    assert subject.ask("GET", "key") == b"$5\r\nvalue\r\n"
    assert subject.ask("PTTL", "key") == b":0\r\n"
    subject.time += 1 * _MILLISECOND
    assert subject.ask("GET", "key") == b"$-1\r\n"
    assert subject.ask("PTTL", "key") == b":-2\r\n"


@pytest.mark.parametrize(
    "command",
    ["KEYS *", "SCAN 0", "DBSIZE", "RANDOMKEY", "EXISTS key", "TYPE key", "DEL key", "RENAMENX other key", "MGET key",
     "STRLEN key", "INCR key", "SETNX key x", "PERSIST key", "COPY key copy", "OBJECT ENCODING key", "INFO keyspace"],
)  # fmt: skip
def test_no_command_sees_an_expired_key(command: str, new_subject: Any) -> None:
    """Every command answers as if the key had never been, although more keys have expired than one step removes."""
    subject, fresh = new_subject(), new_subject()
    for number in range(EXPIRED_KEYS_A_STEP + 10):
        subject.ask("SET", f"earlier{number}", "", "PX", 1)
    subject.ask("SET", "key", "5", "PX", 2)
    for each in (subject, fresh):
        each.ask("SET", "other", "x")
    subject.time += 10 * _MILLISECOND

    assert subject.ask(*command.split()) == fresh.ask(*command.split())


def test_an_expired_key_has_no_version(subject: Any) -> None:
    subject.ask("SET", "key", "value", "PX", 1)
    subject.time += 2 * _MILLISECOND
    versions = subject.service.execute(encode_operation(Versions([(0, b"key")])), subject.context())

    assert decode_versions(versions) == [0]


def test_the_next_deadline_is_the_first_moment_without_the_key(subject: Any) -> None:
    assert subject.service.next_deadline() is None
    subject.ask("SET", "later", "", "PX", 100)
    subject.ask("SET", "key", "", "PX", 50)

    deadline = subject.service.next_deadline()
    subject.time = deadline - 1
    assert subject.ask("EXISTS", "key") == b":1\r\n"
    subject.time = deadline
    assert subject.ask("EXISTS", "key") == b":0\r\n"


@pytest.mark.parametrize(
    "command", ["PERSIST key", "SET key x", "DEL key", "FLUSHALL", "GETSET key x", "MSET key x", "GETDEL key"]
)
def test_there_is_no_deadline_once_no_key_has_one(command: str, subject: Any) -> None:
    """Otherwise a primary would order ticks for nothing."""
    subject.ask("SET", "key", "", "PX", 50)

    subject.ask(*command.split())

    assert subject.service.next_deadline() is None


@pytest.mark.parametrize(
    "command", ["INCR key", "APPEND key 1", "SETRANGE key 0 9", "SET key 1 KEEPTTL", "RENAME key new"]
)
def test_a_deadline_stays_with_what_only_changes_the_value(command: str, subject: Any) -> None:
    subject.ask("SET", "key", "1", "PX", 50)
    deadline = subject.service.next_deadline()

    subject.ask(*command.split())

    assert subject.service.next_deadline() == deadline


def test_a_tick_removes_what_expired(subject: Any, new_subject: Any) -> None:
    """After as many ticks as it takes, the state is that of a service that never had the keys."""
    for number in range(2 * EXPIRED_KEYS_A_STEP):
        subject.ask("SET", f"key{number}", "", "PX", 1)
    ticks = 0
    while (deadline := subject.service.next_deadline()) is not None:
        subject.time = max(subject.time, deadline)
        subject.service.tick(subject.context())
        ticks += 1

    assert ticks == 2
    assert subject.ask("DBSIZE") == b":0\r\n"


def test_which_keys_go_first_does_not_depend_on_history(new_subject: Any) -> None:
    """A replica that installed the state removes the same keys at the same operations."""
    one = new_subject()
    for number in range(3 * EXPIRED_KEYS_A_STEP):
        one.ask("SET", f"key{number}", "", "PX", 1000 - number)
        one.ask("SET", f"key{number}", "", "PX", 1 + number % 7)
    other = one.successor()
    for subject in (one, other):
        subject.time += 10 * _MILLISECOND
    for number in range(2, 6):
        for subject in (one, other):
            subject.service.tick(subject.context())
        assert one.checkpoint(number) == other.checkpoint(number)


def test_a_query_of_a_key_with_a_deadline_has_to_be_ordered(subject: Any) -> None:
    """Its answer depends on the time; that of other keys does not."""
    subject.ask("SET", "mortal", "value", "PX", 50)
    subject.ask("SET", "immortal", "value")

    assert _query(subject, "GET", "mortal") is None
    assert _query(subject, "DBSIZE") is None
    assert _query(subject, "KEYS", "*") is None
    assert _query(subject, "TTL", "mortal") is None
    assert _query(subject, "GET", "immortal") == b"$5\r\nvalue\r\n"
    assert _query(subject, "TTL", "immortal") == b":-1\r\n"


def test_a_query_removes_nothing(subject: Any) -> None:
    subject.ask("SET", "key", "value", "PX", 50)
    subject.time += 60 * _MILLISECOND
    digest = subject.checkpoint(1)

    assert _query(subject, "GET", "key") is None
    assert subject.checkpoint(2) == digest


def test_time_is_the_agreed_time(subject: Any) -> None:
    subject.time = 1_234_567_890_123_456

    assert subject.ask("TIME") == b"*2\r\n$10\r\n1234567890\r\n$6\r\n123456\r\n"


def test_many_deadlines_of_one_key_do_not_pile_up(subject: Any) -> None:
    """Each new deadline makes the one before void; void ones are dropped."""
    for number in range(5000):
        subject.ask("SET", "key", "", "PX", 1000 + number)

    assert len(subject.service._keyspace.deadlines._heap) < 2000


def test_deadlines_are_those_of_the_checkpoint_after_a_revert(subject: Any) -> None:
    """A deadline that was taken away, one that came, and a key that expired: all as if it had never been."""
    subject.ask("SET", "early", "1", "PX", 10)
    subject.ask("SET", "late", "1", "PX", 500)
    subject.service.checkpoint(1)
    deadline = subject.service.next_deadline()
    subject.time += 100 * _MILLISECOND
    subject.ask("PERSIST", "late")
    subject.ask("SET", "new", "1", "PX", 50)
    assert subject.ask("EXISTS", "early") == b":0\r\n"

    subject.service.revert()

    assert subject.service.next_deadline() == deadline
    subject.time -= 100 * _MILLISECOND
    assert subject.ask("PTTL", "early") == b":10\r\n"
    assert subject.ask("EXISTS", "new") == b":0\r\n"
    subject.time += 600 * _MILLISECOND
    assert subject.ask("DBSIZE") == b":0\r\n"
