"""What must hold between any two correct replicas, by what they concluded. Each rule is about two facts."""

from __future__ import annotations

from typing import Final, NamedTuple

from quorate.messages.digests import NULL_DIGEST
from quorate.sim.small_worlds.behaviour import BROKEN, NO_VIEW, Fact, State


class Verdict(NamedTuple):
    """A rule that was broken, and the facts that break it."""

    rule: str
    text: str


FINAL: Final = frozenset({"committed", "decided", "executed"})
"""Conclusions about a sequence number that stand for good."""


def conflict(one: State, other: State) -> Verdict | None:
    """The first rule that two states, of two correct replicas or of the same, break together."""
    for fact in sorted(one.facts | other.facts):
        if fact.what == BROKEN:
            return Verdict("the core's own invariants", fact.text)
    for fact in sorted(one.facts):
        for against in sorted(other.facts):
            rule = broken_by(fact, against) or broken_by(against, fact)
            if rule is not None:
                return Verdict(rule, f"{describe(fact)}; {describe(against)}")
    return None


def broken_by(fact: Fact, against: Fact) -> str | None:
    """The rule that two facts break, if any.

    - agreement: one digest is committed, decided and executed for a sequence number;
    - prepared uniqueness: one digest is prepared for a view and sequence number (facts 1.4);
    - survival: what is committed in a view is chosen by every NEW-VIEW that is accepted for a later one.
    """
    is_other = fact.number == against.number and fact.digest != against.digest
    if is_other and fact.what in FINAL and against.what in FINAL:
        return "agreement"
    if is_other and fact.what == against.what == "prepared" and fact.view == against.view:
        return "prepared uniqueness"
    if fact.what == "committed" and against.what == "entered" and fact.view < against.view:
        is_kept = fact.number <= against.number or dict(against.chosen).get(fact.number) == fact.digest
        return None if is_kept else "survival"
    return None


def describe(fact: Fact) -> str:
    """A fact for people."""
    if fact.what == BROKEN:
        return f"stopped: {fact.text}"
    if fact.what == "entered":
        listed = ", ".join(f"{number}:{_short(digest)}" for number, digest in fact.chosen)
        return f"entered view {fact.view} with {{{listed}}}"
    where = f"at {fact.number}" if fact.view == NO_VIEW else f"in view {fact.view} at {fact.number}"
    return f"{fact.what} {_short(fact.digest)} {where}"


def _short(digest: bytes) -> str:
    return "null" if digest == NULL_DIGEST else digest.hex()[:6]
