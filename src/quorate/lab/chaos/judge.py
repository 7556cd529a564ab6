"""Whether what callers saw can have happened, and what they had of the service. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

from quorate.lab.chaos.evidence import can_have_happened, likely_calls
from quorate.lab.chaos.history import Deed, addends_in, balances_of, by_key
from quorate.lab.measure import Appended, account, gaps_of
from quorate.lab.verdict import unexplained

_PROBLEMS_MAX: Final = 6
"""How many of each kind are told."""
_DETAILS: Final = re.compile(r" \(|;|(?<=unknown):")
"""Where a failure begins to tell of single replicas and of remedies."""


def wrong_in(deeds: Sequence[Deed], final: Mapping[str, str]) -> list[str]:
    """What is wrong with a history. *final* has the last value of every key that could be read at the end."""
    histories = by_key(deeds)
    impossible = {key: likely_calls(some) for key, some in histories.items() if not can_have_happened(some)}
    kinds = (_misaccounted(histories, final), _unbalanced(deeds), unexplained(impossible))
    return [problem for problems in kinds for problem in problems[:_PROBLEMS_MAX]]


def _misaccounted(histories: Mapping[str, Sequence[Deed]], final: Mapping[str, str]) -> list[str]:
    """Whatever was acknowledged and is not there, or is there twice: in logs, ledgers and counters."""
    values = {key: value for key, value in final.items() if key.startswith(("log", "ledger"))}
    for key in (key for key in final if key.startswith("counter")):
        values[key] = "".join(f"{addend}." for addend in addends_in(final[key]))
    return account({key: _appended(histories[key]) for key in values}, values)


def _appended(deeds: Sequence[Deed]) -> Appended:
    texts = [(deed, deed.words[0].rstrip(".") + ".") for deed in deeds if deed.verb in ("append", "add")]
    acknowledged = [text for deed, text in texts if deed.result is not None]
    return Appended(acknowledged, [text for deed, text in texts if deed.result is None])


def _unbalanced(deeds: Sequence[Deed]) -> list[str]:
    """Moments in which a ledger and its accounts told different things: a transaction was not one."""
    return [
        f"{deed.key}: the accounts hold {deed.balances}, the ledger says {balances_of(deed.result)}: {deed}"
        for deed in deeds
        if deed.balances is not None and deed.result is not None and deed.balances != balances_of(deed.result)
    ]


def final_values(deeds: Sequence[Deed]) -> dict[str, str]:
    """What the reads at the end found: those of the caller `the end`."""
    reads = (deed for deed in deeds if deed.caller == "the end" and deed.verb == "read")
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
