"""What prepared survives view changes, however many; nothing that did not commit is answered (facts 2.6, points 11, 13
and 14)."""

from __future__ import annotations

import pytest

from bugs_of_others.staging import CAUGHT, Stage, weaken
from quorate.client.votes import Votes
from quorate.core import view_change
from quorate.core.quorum import quorums_of
from quorate.messages.protocol import Commit, Decided, NewView, Outcome, Reply
from quorate.messages.protocol import Status as StatusMessage
from quorate.messages.records import DecidedRecord

LEAVING = "core.status = Status.VIEW_CHANGE\n"


def commit_at_one(failed_views: int) -> Stage:
    """A request commits, and is executed, at replica 3 alone, which then is not heard any more; so many views fail
    among the three others, for want of a NEW-VIEW, before one of them is entered."""
    stage = Stage()
    stage.open()
    stage.cut(Commit, Decided, StatusMessage, only_to=(0, 1, 2))
    stage.add()
    assert stage.executed() == [1, 1, 1, 2]
    stage.stopped.add(3)
    stage.cut(Commit, Decided, NewView)
    for number in (0, 1, 2):
        view_change.start(stage.core(number), 1, "the test says so")
        stage.settle(number)
    stage.run()
    while max(stage.views()) <= failed_views:
        stage.advance(100)
    stage.cut(Decided)
    stage.submit(stage.request((), 0, 1, client=1), 0, 1, 2)
    for _ in range(400):
        stage.advance(100)
        if stage.executed()[:3] == [3] * 3:
            break
    assert stage.executed()[:3] == [3] * 3
    return stage


def test_correction_14_a_view_change_keeps_what_prepared() -> None:
    """raijin #8, and most toy implementations: prepared requests are dropped when the view changes, and one that had
    committed somewhere is replaced by another. Here the only replica that executed it may be away: the others still
    decide the same."""
    stage = commit_at_one(0)
    stage.assert_recovers()
    assert stage.totals() == [1] * 4


def test_correction_14_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """P and Q forgotten when a view is left."""
    forget = "core.log.prepared_claims.clear(); core.log.pre_prepared_claims.clear(); "
    weaken(monkeypatch, view_change.leave, LEAVING, forget + LEAVING)
    with pytest.raises(CAUGHT):
        commit_at_one(0).assert_recovers()


@pytest.mark.parametrize("failed_views", [1, 2, 5])
def test_correction_13_so_do_many_view_changes_in_a_row(failed_views: int) -> None:
    """indy-plenum #1268: P and Q were made of the view that was just left, so what prepared two views ago was lost once
    a view had failed in between. All committed requests survive any number of failed views."""
    stage = commit_at_one(failed_views)
    stage.assert_recovers()
    assert stage.totals() == [1] * 4


def test_correction_13_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """P of the view that is left only. One view change does no harm, two do."""
    of_this_view = "{n: c for n, c in core.log.prepared_claims.items() if c.view == core.view}"
    weaken(monkeypatch, view_change.leave, LEAVING, f"core.log.prepared_claims = {of_this_view}; {LEAVING}")
    commit_at_one(0).assert_recovers()
    with pytest.raises(CAUGHT):
        commit_at_one(1).assert_recovers()


def prepare_in_several_views() -> Stage:
    """A request prepares in view 0 and in every view after it, and commits in none: no COMMIT arrives."""
    stage = Stage()
    stage.open()
    stage.cut(Commit, Decided)
    stage.add()
    for _ in range(3):
        before = max(stage.views())
        while max(stage.views()) == before:
            stage.advance(100)
        stage.advance(300)
    return stage


def replies_in_views(*views: int) -> Votes:
    """Each replica says the same of one request, tentatively, in a view of its own."""
    votes = Votes(quorums_of(4))
    for replica, view in enumerate(views):
        votes.take(Reply(view, b"c" * 32, 1, 1, Outcome.EXECUTED, (b"1",), replica, True))
    return votes


def test_correction_11_replies_of_different_views_never_stand_for_a_prepared_request() -> None:
    """The authors' library lets two tentative replies match across views, so that a client may believe a result that is
    prepared here in one view, there in another, and will commit in neither: one replica in each, and a liar in both."""
    assert replies_in_views(0, 1, 1).certified() is None
    assert replies_in_views(0, 1, 2, 3).certified() is None
    assert replies_in_views(0, 1, 1, 1).certified() is not None


def test_correction_11_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library's rule."""
    weaken(monkeypatch, Votes.agreed, " and other.view == vote.view", "")
    assert replies_in_views(0, 1, 1).certified() is not None


def test_correction_11_a_reply_names_the_view_in_which_its_request_was_prepared() -> None:
    """Also when it is repeated in a later one, in which nothing is prepared yet."""
    stage = prepare_in_several_views()
    prepared = [trace.details for traces in stage.traces for trace in traces if trace.event == "prepared"]
    assert len({details["view"] for details in prepared if details["sequence_number"] == 2}) > 1
    tentative = [(replica, reply) for replica, reply in stage.replies if reply.session]
    assert {reply.view for _, reply in tentative} == {0}
    assert all(reply.is_tentative for _, reply in tentative)
    stage.assert_recovers()
    answers = [(replica, reply) for replica, reply in stage.replies if reply.session and not reply.is_tentative]
    assert {replica for replica, _ in answers} == {0, 1, 2, 3}
    assert {reply.results for _, reply in answers} == {(b"1",)}
    for number in range(4):
        assert [record for record in stage.records[number] if isinstance(record, DecidedRecord)]
