"""Whether what callers saw can have happened, and what they had of the service. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from quorate.lab.chaos.history import Deed, balances_of, by_key
from quorate.lab.measure import Appended, account, gaps_of
from quorate.lab.verdict import unexplained

_PROBLEMS_MAX: Final = 6
"""How many of each kind are told."""
_DETAILS: Final = re.compile(r" \(|;|(?<=unknown):")
"""Where a failure begins to tell of single replicas and of remedies."""


def wrong_in(deeds: Sequence[Deed], final: Mapping[str, str]) -> list[str]:
    """What is wrong with a history. *final* has the last value of every key that could be read at the end."""
    histories = by_key(deeds)
    calls = {key: [deed.call for deed in some] for key, some in histories.items()}
    logs = {key: some for key, some in histories.items() if key in final and key.startswith(("log", "ledger"))}
    counters = {key: some for key, some in histories.items() if key in final and key.startswith("counter")}
    lost = account({key: _appended(some) for key, some in logs.items()}, final)
    kinds = (lost, _miscounted(counters, final), _unbalanced(deeds), unexplained(calls))
    return [problem for problems in kinds for problem in problems[:_PROBLEMS_MAX]]


def _appended(deeds: Sequence[Deed]) -> Appended:
    texts = [(deed, deed.operation.split(" ")[2]) for deed in deeds if deed.operation.startswith("append ")]
    acknowledged = [text for deed, text in texts if deed.result is not None]
    return Appended(acknowledged, [text for deed, text in texts if deed.result is None])


def _miscounted(counters: Mapping[str, Sequence[Deed]], final: Mapping[str, str]) -> list[str]:
    """Counters whose final value is no sum of what was acknowledged and some of what nobody knows of."""
    problems = []
    for key, deeds in counters.items():
        amounts = [(deed, int(deed.operation.split(" ")[2])) for deed in deeds if deed.operation.startswith("add ")]
        known = sum(amount for deed, amount in amounts if deed.result is not None)
        sums = {known}
        for amount in (amount for deed, amount in amounts if deed.result is None):
            sums |= {total + amount for total in sums}
        value = int(final[key]) if final[key] != "-" else 0
        if value not in sums:
            problems.append(f"{key}: {value} is no sum of what was added: {known} was acknowledged")
    return problems


def _unbalanced(deeds: Sequence[Deed]) -> list[str]:
    """Moments in which a ledger and its accounts told different things: a transaction was not one."""
    return [
        f"{deed.key}: the accounts hold {deed.balances}, the ledger says {balances_of(deed.result)}: {deed}"
        for deed in deeds
        if deed.balances is not None and deed.result is not None and deed.balances != balances_of(deed.result)
    ]


def final_values(deeds: Sequence[Deed]) -> dict[str, str]:
    """What the reads at the end found: those of the caller `the end`."""
    reads = (deed for deed in deeds if deed.caller == "the end" and deed.operation.startswith("read "))
    return {deed.key: deed.result for deed in reads if deed.result is not None}


def longest_gaps(deeds: Sequence[Deed], since: int, until: int, outages: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """The longest time without any answer, in microseconds: one that touched an *outage* (all replicas were killed),
    and one that touched none."""
    answered = sorted(deed.returned for deed in deeds if deed.returned is not None)
    during, otherwise = [0], [0]
    for first, last in gaps_of(answered, since, until):
        touched = any(begin < last and first < end for begin, end in outages)
        (during if touched else otherwise).append(last - first)
    return max(during), max(otherwise)


def failures_of(deeds: Sequence[Deed]) -> dict[str, int]:
    """Why callers did not learn outcomes, and how often."""
    counts: dict[str, int] = {}
    for deed in (deed for deed in deeds if deed.returned is None):
        reason = _DETAILS.split(deed.failure)[0]
        counts[reason] = counts.get(reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: -item[1]))
