"""Which links are open."""

from __future__ import annotations

from typing import Any

from quorate.runtime.roster import Roster


def test_a_replica_that_dials_again_is_reached_by_its_new_link(links: Any) -> None:
    roster = Roster()
    old, new = links.replica(1), links.replica(1)
    roster.add(old)
    roster.add(new)

    roster.remove(old)

    assert roster.replica(1) is new
    roster.remove(new)
    assert roster.replica(1) is None
    assert list(roster.replicas()) == []


def test_a_client_is_reached_by_all_its_links(links: Any) -> None:
    roster = Roster()
    one, two, other = links.client(b"a" * 32), links.client(b"a" * 32), links.client(b"b" * 32)
    for link in (one, two, other):
        roster.add(link)

    assert list(roster.client(b"a" * 32)) == [one, two]
    assert roster.client_link_count() == 3
    roster.remove(one)
    roster.remove(one)
    assert list(roster.client(b"a" * 32)) == [two]
    roster.remove(two)
    assert list(roster.client(b"a" * 32)) == []
