"""Bounded for each link, and fair between links."""

from __future__ import annotations

from typing import Any

from quorate.runtime.inbox import Inbox


def test_frames_of_a_link_keep_their_order(links: Any) -> None:
    inbox = Inbox()
    link = links.replica(1)

    inbox.put(link, [b"1", b"2"])
    inbox.put(link, [b"3"])

    assert inbox.take(10) == [(link, b"1"), (link, b"2"), (link, b"3")]
    assert not inbox


def test_a_link_with_much_gets_its_share(links: Any) -> None:
    inbox = Inbox()
    loud, quiet = links.client(), links.replica(1)

    inbox.put(loud, [b"x"] * 100)
    inbox.put(quiet, [b"y"])

    assert inbox.take(10) == [(loud, b"x")] * 5 + [(quiet, b"y")]
    assert len(inbox.take(1000)) == 95


def test_who_was_cut_short_goes_behind_the_others(links: Any) -> None:
    inbox = Inbox()
    first, second = links.replica(1), links.replica(2)
    inbox.put(first, [b"1", b"1"])
    inbox.put(second, [b"2", b"2"])

    order = [link for _ in range(4) for link, _ in inbox.take(1)]

    assert order == [first, second, first, second]


def test_a_full_link_loses_its_newest_frames_and_nobody_elses(links: Any) -> None:
    inbox = Inbox(frames_max=2, bytes_max=10)
    loud, large, quiet = links.client(), links.replica(1), links.replica(2)

    assert inbox.put(loud, [b"1", b"2", b"3", b"4"]) == 2
    assert inbox.put(large, [b"x" * 11, b"x"]) == 1
    assert inbox.put(quiet, [b"y"]) == 0

    assert inbox.take(100) == [(loud, b"1"), (loud, b"2"), (large, b"x" * 11), (quiet, b"y")]
    assert not inbox


def test_what_was_taken_makes_room(links: Any) -> None:
    inbox = Inbox(frames_max=1, bytes_max=4)
    link = links.replica(1)

    for _ in range(3):
        assert inbox.put(link, [b"1234"]) == 0
        assert inbox.take(1) == [(link, b"1234")]


def test_a_closed_link_leaves_nothing(links: Any) -> None:
    inbox = Inbox()
    link = links.replica(1)
    inbox.put(link, [b"1"])

    inbox.discard(link)
    inbox.discard(links.replica(2))

    assert not inbox
