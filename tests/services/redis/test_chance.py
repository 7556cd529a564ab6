"""Commands that choose at random: from the agreed seed, without repetition where none is allowed, and all can come."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest

from quorate.services.redis.choice import Choices

_MEMBERS = {f"m{number}".encode() for number in range(20)}


def _parsed(reply: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(reply)
    return reader.gets()


@pytest.fixture
def filled(subject: Any) -> Any:
    for number in range(20):
        subject.ask("SADD", "set", f"m{number}")
        subject.ask("HSET", "hash", f"m{number}", "v")
        subject.ask("ZADD", "zset", number, f"m{number}")
    return subject


@pytest.mark.parametrize("command", ["SRANDMEMBER set", "HRANDFIELD hash", "ZRANDMEMBER zset"])
def test_different_elements_up_to_all(command: str, filled: Any) -> None:
    some = _parsed(filled.ask(*command.split(), 7))
    everything = _parsed(filled.ask(*command.split(), 100))

    assert len(some) == len(set(some)) == 7
    assert set(some) <= _MEMBERS
    assert sorted(everything) == sorted(_MEMBERS)


@pytest.mark.parametrize("command", ["SRANDMEMBER set", "HRANDFIELD hash", "ZRANDMEMBER zset"])
def test_elements_that_may_repeat(command: str, filled: Any) -> None:
    drawn = _parsed(filled.ask(*command.split(), -200))

    assert len(drawn) == 200
    assert set(drawn) == _MEMBERS


@pytest.mark.parametrize("command", ["SRANDMEMBER set", "HRANDFIELD hash", "ZRANDMEMBER zset", "RANDOMKEY"])
def test_each_element_comes_sooner_or_later(command: str, filled: Any) -> None:
    expected = {b"set", b"hash", b"zset"} if command == "RANDOMKEY" else _MEMBERS

    assert {_parsed(filled.ask(*command.split())) for _ in range(400)} == expected


def test_pairs_belong_together(filled: Any) -> None:
    flat = _parsed(filled.ask("ZRANDMEMBER", "zset", 5, "WITHSCORES"))

    assert all(member == b"m%b" % score for member, score in zip(flat[::2], flat[1::2], strict=True))


def test_spop_takes_out_what_it_gives(filled: Any) -> None:
    one = _parsed(filled.ask("SPOP", "set"))
    five = _parsed(filled.ask("SPOP", "set", 5))
    left = _parsed(filled.ask("SMEMBERS", "set"))

    assert sorted([one, *five, *left]) == sorted(_MEMBERS)
    assert _parsed(filled.ask("SPOP", "set", 14)) is not None
    assert filled.ask("EXISTS", "set") == b":0\r\n"


def test_two_choices_of_one_operation_are_two(filled: Any) -> None:
    """One seed for the whole batch, yet not the same element again and again."""
    command = b"*3\r\n$11\r\nSRANDMEMBER\r\n$3\r\nset\r\n$1\r\n5\r\n"
    replies = filled.run(command + command)

    assert replies[: len(replies) // 2] != replies[len(replies) // 2 :]


def test_two_operations_with_one_seed_choose_differently() -> None:
    """Operations of a batch share its seed; the number of the operation tells them apart."""
    first, second = Choices(bytes(32), 1), Choices(bytes(32), 2)

    assert [first.below(1000) for _ in range(5)] != [second.below(1000) for _ in range(5)]
