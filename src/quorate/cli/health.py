"""What the replicas' answers say about the cluster. Pure: answers in, what is printed out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from quorate.config import ClusterConfiguration
from quorate.core.quorum import Quorums, quorums_of

Answer = Mapping[str, object]
"""What one replica answered to INSPECT."""


class NoAnswer(NamedTuple):
    """A replica gave none."""

    reason: str


UNREACHABLE: Final = "unreachable"
NORMAL: Final = "normal"
CHANGING_VIEW: Final = "view-change"
LOST_VOTES: Final = "lost-votes"
RECOVERING: Final = "recovering"
_FROM_ANSWER: Final = (
    "pid",
    "view",
    "status",
    "last_executed",
    "low_watermark",
    "stable_checkpoint",
    "state_digest",
    "view_changes",
    "needs_state",
    "transfer",
    "waiting_requests",
    "uptime_seconds",
    "links",
    "incidents",
    "refused",
    "storage_trouble",
    "votes_lost",
    "epoch",
    "recovery_point",
)


def assess(configuration: ClusterConfiguration, answers: Sequence[Answer | NoAnswer]) -> dict[str, object]:
    """The JSON document of `quorate status`, from each replica's answer."""
    quorums = quorums_of(configuration.replica_count)
    replicas = [_replica(configuration, index, answer) for index, answer in enumerate(answers)]
    failed = sum(1 for replica in replicas if _has_failed(replica))
    silent = sum(1 for replica in replicas if replica["status"] in (LOST_VOTES, RECOVERING))
    return {
        "n": quorums.replica_count,
        "f": quorums.faults,
        "view": _view_of_cluster(quorums, replicas),
        "healthy": all(is_healthy(replica) for replica in replicas),
        "faults_left": quorums.replica_count - failed - quorums.quorum,
        "has_lost_its_votes": quorums.replica_count - silent < quorums.quorum,
        "service": configuration.service,
        "durability": configuration.settings.durability,
        "replicas": replicas,
    }


def _replica(configuration: ClusterConfiguration, replica_id: int, answer: Answer | NoAnswer) -> dict[str, object]:
    member = configuration.replicas[replica_id]
    row: dict[str, object] = {
        "id": replica_id,
        "address": f"{member.host}:{member.port}",
        "reachable": not isinstance(answer, NoAnswer),
    }
    if isinstance(answer, NoAnswer):
        return row | dict.fromkeys(_FROM_ANSWER) | {"role": None, "status": UNREACHABLE, "reason": answer.reason}
    role = "primary" if answer.get("is_primary") else "backup"
    return row | {name: answer.get(name) for name in _FROM_ANSWER} | {"role": role, "reason": None}


def is_healthy(replica: Mapping[str, object]) -> bool:
    """Whether a replica answers, takes part and lacks nothing."""
    return replica["status"] == NORMAL and not replica["needs_state"] and replica["storage_trouble"] is None


def _has_failed(replica: Mapping[str, object]) -> bool:
    """Whether it counts as one of the f: a replica that is changing its view does not."""
    return replica["status"] not in (NORMAL, CHANGING_VIEW) or bool(
        replica["needs_state"] or replica["storage_trouble"]
    )


def _view_of_cluster(quorums: Quorums, replicas: Sequence[Mapping[str, object]]) -> int | None:
    """The highest view that f+1 replicas are in or beyond: at least one of them is correct."""
    views = sorted((view for replica in replicas if isinstance(view := replica["view"], int)), reverse=True)
    return views[quorums.weak - 1] if len(views) >= quorums.weak else None


def entered_view(report: Mapping[str, Any]) -> int | None:
    """The cluster's view, but for replicas that only ask for one: its primary has been elected."""
    settled = [replica for replica in report["replicas"] if replica["status"] == NORMAL]
    return _view_of_cluster(quorums_of(report["n"]), settled)


def describe_cluster(faults_left: int, n: int, f: int) -> str:
    """One line: how much more may fail."""
    group = f"n={n} f={f}"
    if faults_left > 0 and f == 0:
        return f"{group}; {faults_left} more may crash before it stops, but none may lie"
    if faults_left > 0:
        return f"{group}; {faults_left} more may fail before it stops"
    if faults_left == 0:
        return f"{group}; it works, but stops if one more fails"
    quorum = quorums_of(n).quorum
    return f"{group}; it has stopped: it needs {quorum} replicas that work, and has {quorum + faults_left}"
