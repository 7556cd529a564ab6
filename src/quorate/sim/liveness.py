"""Has everything come to an end once the world is healed? If not: what is pending, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quorate.sim.checkers import Judge
from quorate.sim.nodes import ReplicaNode
from quorate.sim.workload import ClientNode


class Pending(NamedTuple):
    """Not yet: these things are outstanding."""

    reasons: tuple[str, ...]

    def describe(self) -> str:
        """One line a reason."""
        return "\n    ".join(("not done in the time that is given:", *self.reasons))


def look_for_end(replicas: Sequence[ReplicaNode], clients: Sequence[ClientNode], judge: Judge) -> Pending | None:
    """None when every request of every correct client is answered, all correct replicas executed the same, and those
    that restarted without their votes have recovered."""
    waiting = [client for client in clients if client.is_correct and (client.attempt is not None or not client.is_done)]
    behind = [node for node in replicas if node.is_correct and not _is_level(node, judge)]
    silent = [node for node in replicas if node.is_correct and node.has_lost_votes]
    if not waiting and not behind and not silent:
        return None
    reasons = [client.describe() for client in waiting]
    reasons += [f"replica {node.address} has not executed {judge.last_executed}" for node in behind]
    reasons += [f"replica {node.address} lost its votes and has not recovered" for node in silent]
    reasons += [node.describe() for node in replicas]
    return Pending(tuple(reasons))


def _is_level(node: ReplicaNode, judge: Judge) -> bool:
    report = node.report()
    return report is not None and report.last_executed >= judge.last_executed
