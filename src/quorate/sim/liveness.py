"""Has everything come to an end once the world is healed? If not: what is pending, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from quorate.core.replica import Replica
from quorate.sim.checkers import Judge
from quorate.sim.nodes import ReplicaNode
from quorate.sim.rot import hashed, is_whole
from quorate.sim.workload import ClientNode


class Pending(NamedTuple):
    """Not yet: these things are outstanding."""

    reasons: tuple[str, ...]

    def describe(self) -> str:
        """One line a reason."""
        return "\n    ".join(("not done in the time that is given:", *self.reasons))


def look_for_end(replicas: Sequence[ReplicaNode], clients: Sequence[ClientNode], judge: Judge) -> Pending | None:
    """None when every request of a correct client is answered and committed, all correct replicas executed the same,
    those that restarted without their votes have recovered, and those whose memory rotted have repaired it."""
    waiting = [client for client in clients if client.is_correct and (client.attempt is not None or not client.is_done)]
    behind = [node for node in replicas if node.is_correct and not _is_level(node, judge)]
    silent = [node for node in replicas if node.is_correct and node.has_lost_votes]
    rotten = [node for node in replicas if node.is_correct and not node.service.is_sound]
    promised = judge.promised()
    if not waiting and not behind and not silent and not rotten and not promised:
        return None
    reasons = [client.describe() for client in waiting]
    reasons += [f"replica {node.address} has not executed {judge.last_executed}" for node in behind]
    reasons += [f"replica {node.address} lost its votes and has not recovered" for node in silent]
    reasons += [f"the memory of replica {node.address} rotted and is not repaired" for node in rotten]
    reasons += [f"client {promise}, and no replica has committed it" for promise in promised]
    reasons += [node.describe() for node in replicas]
    return Pending(tuple(reasons))


def _is_level(node: ReplicaNode, judge: Judge) -> bool:
    report = node.report()
    return report is not None and report.last_executed >= judge.last_executed


def is_rot_hidden(node: ReplicaNode) -> bool:
    """Whether the memory of a correct replica rotted, and it does not know. It shows at the next checkpoint at the
    latest: clients have to go on until there is one."""
    report = node.report()
    return node.is_correct and not node.service.is_sound and report is not None and not report.needs_state


def check_states(replicas: Sequence[ReplicaNode], judge: Judge) -> None:
    """At the end all correct replicas hold the same, nothing that rotted lies hidden, and those to whom that happened
    have told."""
    ends: dict[bytes, int] = {}
    for node in replicas:
        report = node.report()
        if not node.is_correct or report is None or report.last_executed != judge.last_executed:
            continue
        assert isinstance(node.behaviour, Replica)
        if node.behaviour.core.tentative is not None:
            continue  # its state is ahead of what it has committed
        service, number = node.service.service, report.last_executed + 1
        service.checkpoint(number)
        ends.setdefault(hashed(service, number) + node.behaviour.core.tables.digest(), node.address)
        if not is_whole(service, number):
            judge.accuse("whole states", f"replica {node.address} ends with a state that is damaged")
        if node.address in judge.rotten.found and not any(what.startswith("STATE: ") for what in report.incidents):
            judge.accuse("told damage", f"replica {node.address} found its state damaged, and reports no incident")
    if len(ends) > 1:
        judge.accuse("equal states", f"these replicas end with different states: {sorted(ends.values())}")
