"""What is said of an attack: whether anything was broken, and what callers felt of it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import chain
from typing import Final

from msgspec import Struct

from quorate.core.quorum import quorums_of
from quorate.lab.control import Event, Told
from quorate.lab.measure import grown
from quorate.sim.checkers import Judge
from quorate.sim.linearizability import Call, is_linearizable, unexplained_prefix

_PROBLEMS_MAX: Final = 20
_CALLS_SHOWN: Final = 8
_SETTLED: Final = "normal"
"""The status of a replica that is in its view, and not on its way to another."""
Counts = dict[str, int]


class Verdict(Struct, frozen=True, kw_only=True):
    """How one attack ended."""

    attack: str
    kind: str
    row: str
    replicas: tuple[int, ...] = ()
    """To whom it was given; nobody when a client attacked."""
    skipped: str = ""
    """Why it was not run."""
    failed: str = ""
    """Why it was run and there is no verdict."""
    safe: bool = True
    """Whether what correct replicas did agrees, and all of them still run."""
    linearizable: bool = True
    """Whether what callers saw is a run of the specification, and no acknowledged write is lost."""
    available: bool = True
    """Whether every caller was served again after the attack, and all correct replicas are up to date."""
    problems: tuple[str, ...] = ()
    operations: int = 0
    unknown_outcomes: int = 0
    operations_per_second: float = 0.0
    operations_per_second_before: float = 0.0
    longest_gap_seconds: float = 0.0
    recovery_seconds: float | None = None
    views: int = 0
    """How many views further the cluster was at the end."""
    noticed: Counts = {}
    """What correct replicas say of the attacker that they did not say before, and how often."""
    remarks: tuple[str, ...] = ()

    @property
    def is_bad(self) -> bool:
        """Whether anything was broken, or nobody can say."""
        return bool(self.failed) or not (self.safe and self.linearizable and self.available)


class Look(Struct, frozen=True):
    """The cluster at one moment: what replicas answer to INSPECT and to TELL. Who does not answer is not there."""

    reports: dict[int, dict[str, object]]
    told: dict[int, Told]

    def view(self, replica_count: int) -> int:
        """The view that the cluster works in: the latest that f + 1 replicas have entered, or gone past. Who was cut
        off may ask for a later one all alone."""
        settled = [replica for replica, report in self.reports.items() if report.get("status") == _SETTLED]
        views = sorted(self._numbers("view", settled), reverse=True)
        weak = quorums_of(replica_count).weak
        return views[weak - 1] if len(views) >= weak else max(views, default=0)

    def executed(self, replicas: Collection[int]) -> list[int]:
        """What each of these executed last."""
        return self._numbers("last_executed", replicas)

    def _numbers(self, name: str, replicas: Collection[int]) -> list[int]:
        found = (report.get(name) for replica, report in self.reports.items() if replica in replicas)
        return [number for number in found if isinstance(number, int)]


def broken_rules(correct: Collection[int], told: Mapping[int, Told], faults: int) -> list[str]:
    """What the simulator's judge says of the steps of the correct replicas, in the order of the machine's clock."""
    judge = Judge(set(correct), set(), faults)
    for replica, event in sorted(_steps(correct, told), key=lambda step: step[1].time):
        judge.hear(replica, event.name, event.details)
        if event.name == "state-diverged":
            judge.accuse("equal checkpoints", f"replica {replica} has another state than a quorum: {event.details}")
    return [f"{rule}: {text}" for rule, text in judge.verdicts[:_PROBLEMS_MAX]]


def _steps(correct: Collection[int], told: Mapping[int, Told]) -> list[tuple[int, Event]]:
    return [(replica, event) for replica in sorted(correct) if replica in told for event in told[replica].events]


def absent(correct: Collection[int], look: Look) -> list[str]:
    """Correct replicas that do not answer any more."""
    gone = [replica for replica in sorted(correct) if replica not in look.told]
    return [f"replica {replica} is correct and does not run any more" for replica in gone]


def unexplained(histories: Mapping[str, list[Call]]) -> list[str]:
    """Registers whose histories are not linearizable, and the calls to look at."""
    problems = []
    for key, calls in sorted(histories.items()):
        if not is_linearizable(calls):
            lines = [f"  {_line(call)}" for call in unexplained_prefix(calls)[-_CALLS_SHOWN:]]
            problems.append("\n".join([f"register {key} has no linearization; the last calls:", *lines]))
    return problems


def _line(call: Call) -> str:
    learnt = "?" if call.results is None else call.results[0].decode()
    return f"{call.invoked} to {call.returned} {call.client}: {call.operations[0].decode()} -> {learnt}"


def noticed(
    correct: Collection[int], attackers: Collection[int], liar: str, before: Look, after: Look, since: int
) -> Counts:
    """What the correct replicas noticed: messages refused that are an attacker's by name, frames of an attacker's link
    that were refused before any rule saw them, and why they left views after *since*."""
    counts: Counts = {}
    for _, event in _steps(correct, after.told):
        if event.name == "view-change" and event.time >= since:
            what = f"view left: {event.details['reason']}"
            counts[what] = counts.get(what, 0) + 1
    for replica in correct:
        if replica in before.told and replica in after.told:
            incidents = _grown(before, after, replica, _incidents)
            named = grown(_named(before.told[replica], attackers), _named(after.told[replica], attackers))
            ours = {what: count for what, count in named.items() if what.partition(" of ")[0] in incidents}
            frames = _grown(before, after, replica, lambda report: _frames(report, attackers, liar))
            for what, count in chain(ours.items(), frames.items()):
                counts[what] = counts.get(what, 0) + count
    return dict(sorted(counts.items(), key=lambda item: -item[1]))


def _grown(before: Look, after: Look, replica: int, count: Callable[[Mapping[str, object]], Counts]) -> Counts:
    return grown(count(before.reports.get(replica, {})), count(after.reports.get(replica, {})))


def _incidents(report: Mapping[str, object]) -> Counts:
    incidents = report.get("incidents")
    return incidents if isinstance(incidents, dict) else {}


def _named(told: Told, attackers: Collection[int]) -> Counts:
    """Refusals of messages in an attacker's name."""
    found = (refusal for refusal in told.refusals if refusal.sender in attackers)
    return {f"{one.type}: {one.reason} of replica {one.sender}": one.count for one in found}


def _frames(report: Mapping[str, object], attackers: Collection[int], liar: str) -> Counts:
    """Frames that an attacker's link brought and that were refused before any rule saw them."""
    names = {f"replica {replica}" for replica in attackers} | {f"client {liar}"}
    rows = report.get("refused")
    found: Counts = {}
    for row in rows if isinstance(rows, list) else ():
        if row["peer"] in names:
            found[f"{row['reason']} from {row['peer']}"] = row["count"]
    return found
