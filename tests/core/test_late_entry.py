"""A view is entered late: what the others decided in it, or after it, is known here already (DEC-2 before NV-5)."""

from __future__ import annotations

import pytest

from core.group import Group, total_of
from quorate.core.log import MessageLog
from quorate.core.quorum import quorums_of
from quorate.errors import InvariantViolation
from quorate.messages.protocol import NewView

X, Y = b"x" * 32, b"y" * 32


def test_a_new_view_that_comes_after_what_was_decided_in_it_is_entered() -> None:
    """The others answer STATUS with DECIDED; the NEW-VIEW was lost, and comes later than the claims."""
    group = Group()
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: receiver != 3 and sender != 0
    group.submit(group.request((b"add 1",), session, 1), 1, 2, 3)
    group.advance(1100)
    group.reaches = lambda sender, receiver, message: receiver != 3
    group.advance(1500)
    assert [group.core(number).view for number in range(4)] == [1, 1, 1, 1]
    group.reaches = lambda sender, receiver, message: not isinstance(message, NewView)
    group.advance(1500)
    assert group.replicas[3].report().status == "view-change"
    assert total_of(group.services[3]) == 1
    group.reaches = lambda sender, receiver, message: True

    group.advance(1500)

    assert {(r.report().view, r.report().status) for r in group.replicas} == {(1, "normal")}
    group.submit(group.request((b"add 10",), session, 2))
    assert [total_of(service) for service in group.services] == [11] * 4


def test_a_decision_of_this_view_or_a_later_one_is_not_voted_against() -> None:
    """A primary that signs two NEW-VIEWs: f + 1 replicas decided under one, the other one comes here."""
    log = MessageLog(8, quorums_of(4))
    log.slot(2).decided = X
    log.choose(3, {2: (Y, b""), 3: (Y, b"")})

    assert log.admit_chosen() == [3]

    assert log.slot(2).digest is None


def test_a_new_view_keeps_what_committed_here() -> None:
    log = MessageLog(8, quorums_of(4))
    log.slot(2).decided = log.slot(2).committed = X
    log.choose(2, {2: (Y, b"")})

    with pytest.raises(InvariantViolation, match="keeps what committed"):
        log.admit_chosen()


def test_a_new_view_covers_what_committed_here() -> None:
    log = MessageLog(8, quorums_of(4))
    log.slot(2).committed = X

    with pytest.raises(InvariantViolation, match="covers what committed"):
        log.choose(1, {1: (Y, b"")})
