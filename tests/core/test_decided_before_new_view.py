"""A laggard may hear what was decided in a view before it hears of the view."""

from __future__ import annotations

from core.group import Group
from quorate.core.context import Status
from quorate.messages.protocol import Decided, NewView, Prepare, PrePrepare, Request, ViewChange

LAGGARD = 3
ORDERING = (PrePrepare, Prepare, NewView, ViewChange, Request)


def test_a_new_view_is_entered_though_its_first_decisions_came_before_it() -> None:
    """DECIDED claims for what was ordered in view 1 overtake the NEW-VIEW of view 1, which does not name them."""
    group = Group()
    group.stopped.add(0)
    group.reaches = lambda sender, receiver, message: receiver != LAGGARD
    for replica in (1, 2):
        group.replicas[replica].core.timers.behind_since = 0
        group.replicas[replica].core.timers.behind_until = 60_000_000
        group.settle(replica)
    group.stopped.clear()
    group.run()
    group.advance(200)
    assert [replica.core.view for replica in group.replicas] == [1, 1, 1, 0]
    group.submit(group.request((), 0, 1), 1)
    assert [replica.core.last_executed for replica in group.replicas] == [1, 1, 1, 0]

    group.reaches = lambda sender, receiver, message: receiver != LAGGARD or not isinstance(message, ORDERING)
    group.advance(3000)
    laggard = group.replicas[LAGGARD]
    assert laggard.core.last_executed == 1
    assert (laggard.core.view, laggard.core.status) == (0, Status.NORMAL)

    group.reaches = lambda sender, receiver, message: True
    group.advance(3000)

    assert laggard.core.view == 1
    laggard.check_invariants()
    group.submit(group.request((), 0, 2))
    assert [replica.core.last_executed for replica in group.replicas] == [2, 2, 2, 2]
    assert any(isinstance(message, Decided) for _, message in group.sent)
