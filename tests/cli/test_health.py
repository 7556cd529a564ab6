"""What the replicas' answers say about the cluster."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.cli.health import NoAnswer, assess, describe_cluster, entered_view
from quorate.cli.init import describe_group
from quorate.folder import ClusterFolder

SILENT = NoAnswer("connection refused")


def answer(view: int = 0, status: str = "normal", **more: Any) -> dict[str, Any]:
    return {
        "pid": 7,
        "view": view,
        "status": status,
        "is_primary": False,
        "last_executed": 130,
        "low_watermark": 128,
        "stable_checkpoint": 128,
        "state_digest": "ab" * 32,
        "view_changes": 0,
        "needs_state": False,
        "transfer": None,
        "refused": [],
        **more,
    }


def test_the_document_has_what_the_readme_names(cluster_folder: ClusterFolder) -> None:
    report = assess(cluster_folder.configuration, [answer(is_primary=True), answer(), answer(), SILENT])

    assert {"n", "f", "view", "replicas"} <= report.keys()
    assert (report["n"], report["f"], report["view"], report["healthy"]) == (4, 1, 0, False)
    replicas: Any = report["replicas"]
    assert [replica["id"] for replica in replicas] == [0, 1, 2, 3]
    assert [replica["reachable"] for replica in replicas] == [True, True, True, False]
    assert [replica["role"] for replica in replicas] == ["primary", "backup", "backup", None]
    assert {key: replicas[1][key] for key in ("pid", "last_executed", "stable_checkpoint", "state_digest")} == {
        "pid": 7,
        "last_executed": 130,
        "stable_checkpoint": 128,
        "state_digest": "ab" * 32,
    }
    assert replicas[3]["status"] == "unreachable"
    assert replicas[3]["pid"] is None
    assert [replica["reason"] for replica in replicas] == [None, None, None, "connection refused"]
    assert len({frozenset(replica) for replica in replicas}) == 1


@pytest.mark.parametrize(
    ("answers", "healthy", "faults_left"),
    [
        ([answer()] * 4, True, 1),
        ([*[answer()] * 3, SILENT], False, 0),
        ([*[answer()] * 3, answer(status="lost-votes")], False, 0),
        ([*[answer()] * 3, answer(status="recovering")], False, 0),
        ([*[answer()] * 3, answer(needs_state=True)], False, 0),
        ([*[answer()] * 3, answer(1, "view-change")], False, 1),
        ([answer(), answer(), SILENT, SILENT], False, -1),
    ],
)
def test_who_counts_as_failed(cluster_folder: ClusterFolder, answers: Any, healthy: bool, faults_left: int) -> None:
    report = assess(cluster_folder.configuration, answers)

    assert (report["healthy"], report["faults_left"]) == (healthy, faults_left)


@pytest.mark.parametrize(
    ("statuses", "has_lost"),
    [
        (["lost-votes"] * 4, True),
        (["recovering"] * 4, True),
        (["recovering", "lost-votes", "normal", "normal"], True),
        (["recovering"] + ["normal"] * 3, False),
        (["lost-votes"] * 2 + ["normal"] * 2, True),
        (["lost-votes"] + ["normal"] * 3, False),
        (["lost-votes"] + [None] * 3, False),
        ([None] * 4, False),
    ],
)
def test_a_cluster_without_a_quorum_that_knows_its_votes_never_goes_on(
    cluster_folder: ClusterFolder, statuses: list[str | None], has_lost: bool
) -> None:
    """Whoever cannot be reached may come back."""
    answers = [SILENT if status is None else answer(status=status) for status in statuses]

    assert assess(cluster_folder.configuration, answers)["has_lost_its_votes"] is has_lost


@pytest.mark.parametrize(
    ("views", "view"),
    [([3, 3, 3, 3], 3), ([9, 3, 3, 3], 3), ([9, 4, 3, 3], 4), ([9, None, None, None], None), ([1, 1, None, None], 1)],
)
def test_the_view_is_one_that_a_correct_replica_vouches_for(
    cluster_folder: ClusterFolder, views: list[int | None], view: int | None
) -> None:
    answers = [SILENT if each is None else answer(each) for each in views]

    assert assess(cluster_folder.configuration, answers)["view"] == view


def test_how_much_more_may_fail_is_said_in_words() -> None:
    assert describe_cluster(1, 4, 1) == "n=4 f=1; 1 more may fail before it stops"
    assert describe_cluster(1, 3, 0) == "n=3 f=0; 1 more may crash before it stops, but none may lie"
    assert describe_cluster(0, 4, 1) == "n=4 f=1; it works, but stops if one more fails"
    assert describe_cluster(-1, 4, 1) == "n=4 f=1; it has stopped: it needs 3 replicas that work, and has 2"


def test_a_view_that_is_only_asked_for_is_not_entered(cluster_folder: ClusterFolder) -> None:
    asked = assess(cluster_folder.configuration, [SILENT, SILENT, answer(1, "view-change"), answer(1, "view-change")])
    entered = assess(cluster_folder.configuration, [SILENT, answer(1), answer(1), answer(2, "view-change")])

    assert (asked["view"], entered_view(asked)) == (1, None)
    assert entered_view(entered) == 1


@pytest.mark.parametrize(
    ("replicas", "text"),
    [
        (1, "1 replica, which tolerates no faults: four tolerate one"),
        (2, "2 replicas, which tolerate no faults: four tolerate one"),
        (3, "3 replicas, of which 1 may crash but none may lie: of four, one may"),
        (4, "4 replicas, of which 1 may crash or lie"),
        (7, "7 replicas, of which 2 may crash or lie"),
    ],
)
def test_how_many_may_fail_is_said_when_a_cluster_is_made(replicas: int, text: str) -> None:
    assert describe_group(replicas) == text
