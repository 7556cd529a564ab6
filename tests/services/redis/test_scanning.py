"""The SCAN family: whatever changes between the steps, what stays is seen."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st


def _parsed(reply: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(reply)
    return reader.gets()


_CONTAINERS = [
    ("SSCAN", ["SADD", "key"], ["SREM", "key"], 1),
    ("HSCAN", ["HSET", "key"], ["HDEL", "key"], 2),
    ("ZSCAN", ["ZADD", "key"], ["ZREM", "key"], 2),
]


@pytest.mark.parametrize(("scan", "add", "remove", "width"), _CONTAINERS, ids=lambda value: str(value)[:5])
def test_elements_that_stay_are_seen(
    scan: str, add: list[str], remove: list[str], width: int, new_subject: Any
) -> None:
    def element(number: int) -> list[str]:
        return {"SSCAN": [f"m{number}"], "HSCAN": [f"m{number}", "v"], "ZSCAN": [f"{number * 7 % 5}", f"m{number}"]}[
            scan
        ]

    @settings(max_examples=25, deadline=None)
    @given(st.data())
    def check(data: st.DataObject) -> None:
        subject = new_subject()
        subject.ask(*add, *[part for number in range(700) for part in element(number)])
        staying = {f"m{number}".encode() for number in range(0, 700, 2)}
        seen: set[bytes] = set()
        cursor = b"0"
        while True:
            cursor, elements = _parsed(subject.ask(scan, "key", cursor, "COUNT", 150))
            seen.update(elements[::width])
            if cursor == b"0":
                break
            for number in data.draw(st.lists(st.integers(0, 349), max_size=20)):
                odd = 2 * number + 1
                subject.ask(*remove, f"m{odd}")
                if data.draw(st.booleans()):
                    subject.ask(*add, *element(odd))
        assert staying <= seen

    check()


def test_a_scan_of_keys_goes_in_steps(subject: Any) -> None:
    """Each step gives about as many as asked for, and together they give all."""
    names = {f"key:{number}".encode() for number in range(1000)}
    for name in names:
        subject.ask("SET", name, "")
    seen: list[bytes] = []
    steps = 0
    cursor = b"0"
    while steps == 0 or cursor != b"0":
        cursor, keys = _parsed(subject.ask("SCAN", cursor, "COUNT", 100))
        seen += keys
        steps += 1

    assert sorted(seen) == sorted(names)
    assert 5 <= steps <= 10


def test_types_are_selected(subject: Any) -> None:
    subject.ask("SET", "string", "")
    subject.ask("RPUSH", "list", "")

    assert _parsed(subject.ask("SCAN", 0, "TYPE", "list")) == [b"0", [b"list"]]
