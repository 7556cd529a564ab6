"""What is known of operations whose outcome nobody learnt: others may have seen what they did. Pure.

Such an operation may have happened at any time, or never, and a checker that has to try all of that for dozens of them
does not end. But every operation leaves a mark that no other leaves: a text, a value or an addend. If somebody saw the
mark, it had happened when he was answered. If nobody did, it need not have happened; only a compare-and-set may have
failed because of a write that nobody saw, so for those there is a second look.
"""

from __future__ import annotations

from collections.abc import Sequence

from quorate.lab.chaos.history import Deed, addends_in, entries_in
from quorate.sim.linearizability import Call, is_linearizable
from quorate.sim.register import DONE


def can_have_happened(deeds: Sequence[Deed]) -> bool:
    """Whether the deeds on one register are linearizable."""
    likely, possible = likely_calls(deeds), possible_calls(deeds)
    return is_linearizable(likely) or (len(possible) > len(likely) and is_linearizable(possible))


def likely_calls(deeds: Sequence[Deed]) -> list[Call]:
    """The deeds of which somebody knows. If they are linearizable, all of them are: the others never happened."""
    seen = _seen(deeds)
    return [_call(deed, seen) for deed in deeds if deed.result is not None or mark_of(deed) in seen]


def possible_calls(deeds: Sequence[Deed]) -> list[Call]:
    """Those, and also writes that nobody saw: they may have kept a compare-and-set from succeeding."""
    seen = _seen(deeds)
    return [
        _call(deed, seen)
        for deed in deeds
        if deed.result is not None or mark_of(deed) in seen or deed.verb in ("write", "swap")
    ]


def mark_of(deed: Deed) -> str:
    """What others see of it, if it happens; nothing of a read."""
    return deed.words[-1] if deed.words else ""


def marks_in(deed: Deed) -> list[str]:
    """What a caller saw who was answered."""
    result = deed.result or ""
    kind = deed.key.partition("-")[0]
    if deed.verb == "swap":
        return deed.words[:1] if result == DONE.decode() else []
    if deed.verb == "write":
        return []
    if kind in ("log", "ledger"):
        return entries_in(result)
    return [str(one) for one in addends_in(result)] if kind == "counter" else [result]


def _seen(deeds: Sequence[Deed]) -> dict[str, Deed]:
    """Who was answered first of those that saw each mark."""
    seen: dict[str, Deed] = {}
    answered = (deed for deed in deeds if deed.returned is not None)
    for deed in sorted(answered, key=lambda one: one.call.returned):
        for mark in marks_in(deed):
            seen.setdefault(mark, deed)
    return seen


def _call(deed: Deed, seen: dict[str, Deed]) -> Call:
    """What nobody learnt and somebody saw has happened by then; and of an appended text he saw what stood before it."""
    witness = seen.get(mark_of(deed))
    if deed.result is not None or witness is None:
        return deed.call
    call = deed.call._replace(returned=witness.call.returned)
    if deed.verb != "append":
        return call
    entries = entries_in(witness.result or "")
    before = entries[: entries.index(mark_of(deed)) + 1]
    return call._replace(results=("".join(before).encode(),))
