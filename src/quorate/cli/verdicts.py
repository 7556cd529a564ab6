"""How attacks are listed, and what came of them is printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from quorate.cli.output import print_json, print_table, say
from quorate.lab.catalogue import ATTACKS, find_attack
from quorate.lab.verdict import Verdict

_WORDS: Final = ("attack", "row", "by", "safety", "linear-\nizable", "served\nafter")
_NUMBERS: Final = ("op/s", "op/s\nbefore", "longest\ngap s", "recovery\ns", "views")
_COLUMNS: Final = (*_WORDS, *_NUMBERS, "noticed as")


def print_catalogue(as_json: bool) -> None:
    """Every attack, and what to expect of it."""
    if as_json:
        fields = ("name", "row", "text", "expect")
        print_json(
            [{"kind": one.kind.value} | {name: getattr(one, name) for name in fields} for one in ATTACKS.values()]
        )
        return
    for one in ATTACKS.values():
        say(f"{one.name} ({one.kind.value}, {one.row}): {one.text}")
        say(f"    expect: {one.expect}")


def summary(verdict: Verdict) -> str:
    """A verdict in a line, and what is wrong below it."""
    if verdict.skipped:
        return f"skipped: {verdict.skipped}"
    if verdict.failed:
        return f"failed: {verdict.failed}"
    return "\n".join(["BROKEN", *verdict.problems]) if verdict.is_bad else "nothing was broken"


# ------------------------------------------------------------------------------------------- the whole matrix


def print_matrix(verdicts: Sequence[Verdict]) -> None:
    """A table, a row an attack."""
    print_table(list(_COLUMNS), [_cells(verdict) for verdict in verdicts], frozenset(_NUMBERS))
    for verdict in verdicts:
        for problem in verdict.problems:
            say(f"{verdict.attack}: {problem}")
    say(_total(verdicts))


def print_matrix_as_markdown(verdicts: Sequence[Verdict]) -> None:
    """The same for documents."""
    titles = [column.replace("-\n", "").replace("\n", " ") for column in _COLUMNS]
    lines = ["---:" if column in _NUMBERS else "---" for column in _COLUMNS]
    for cells in (titles, lines, *map(_cells, verdicts)):
        say(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    say()
    say(_total(verdicts))


def _total(verdicts: Sequence[Verdict]) -> str:
    skipped = sum(1 for verdict in verdicts if verdict.skipped)
    failed = sum(1 for verdict in verdicts if verdict.failed)
    broke = sum(1 for verdict in verdicts if verdict.is_bad) - failed
    run = len(verdicts) - skipped
    return f"attacks run: {run}; broke something: {broke}; without a verdict: {failed}; skipped: {skipped}"


def _cells(verdict: Verdict) -> list[str]:
    if verdict.skipped or verdict.failed:
        empty = ["-"] * (len(_COLUMNS) - 3)
        return [verdict.attack, verdict.row, *empty, summary(verdict)]
    return [
        verdict.attack,
        verdict.row,
        ", ".join(map(str, verdict.replicas)) or "client",
        "holds" if verdict.safe else "BROKEN",
        "yes" if verdict.linearizable else "NO",
        "yes" if verdict.available else "NO",
        f"{verdict.operations_per_second:.0f}",
        f"{verdict.operations_per_second_before:.0f}",
        f"{verdict.longest_gap_seconds:.2f}",
        "never" if verdict.recovery_seconds is None else f"{verdict.recovery_seconds:.2f}",
        str(verdict.views),
        _noticed(verdict),
    ]


def _noticed(verdict: Verdict) -> str:
    """What was noticed most, and how much else."""
    if not verdict.noticed:
        return "-"
    what, count = next(iter(verdict.noticed.items()))
    others = len(verdict.noticed) - 1
    return f"{what} ({count})" + (f"; {others} more kind{'s' * (others > 1)}" if others else "")


# ------------------------------------------------------------------------------------------------ one attack


def print_one(verdict: Verdict) -> None:
    """All that is known of one attack."""
    found = find_attack(verdict.attack)
    who = ", ".join(f"replica {replica}" for replica in verdict.replicas) or "a client of the cluster"
    say(f"{verdict.attack} ({verdict.row}) by {who}: {found.text}")
    say(f"expected:      {found.expect}")
    say(f"safety:        {'holds' if verdict.safe else 'BROKEN'}")
    say(f"linearizable:  {'yes, and no acknowledged write is lost' if verdict.linearizable else 'NO'}")
    say(f"served after:  {'yes, every caller' if verdict.available else 'NO'}")
    rates = f"{verdict.operations_per_second:.0f} a second, {verdict.operations_per_second_before:.0f} before"
    say(f"operations:    {verdict.operations} ({rates}); {verdict.unknown_outcomes} with unknown outcome")
    say(f"longest gap:   {verdict.longest_gap_seconds:.2f} seconds")
    say(f"recovered:     {_recovery(verdict)}")
    say(f"views:         {verdict.views} further")
    for what, count in verdict.noticed.items():
        say(f"noticed:       {what} ({count})")
    for remark in (*verdict.remarks, *verdict.problems):
        say(remark)


def _recovery(verdict: Verdict) -> str:
    if verdict.recovery_seconds is None:
        return "never"
    if verdict.recovery_seconds == 0:
        return "there was nothing to recover from: no gap was long"
    return f"{verdict.recovery_seconds:.2f} seconds after the attack began"
