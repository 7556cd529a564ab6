"""Cases that seeds draw too rarely, played by hand: the weakened rule is wrong there, the real one is not."""

from __future__ import annotations

from mutants.catalogue import MUTANTS
from mutants.mutation import mutated
from quorate.core.new_view import Choice, Undecided, compute_new_view
from quorate.core.quorum import quorums_of
from quorate.messages.protocol import CheckpointClaim, PreparedClaim, PrePreparedClaim, ViewChange

X, START, LATER = b"x" * 32, b"0" * 32, b"1" * 32


def view_change(replica: int, low: int, *, knows_x: bool = False) -> ViewChange:
    """A VIEW-CHANGE for view 1 of a replica whose stable checkpoint is *low*."""
    claims = ((1, X, 0),) if knows_x else ()
    return ViewChange(
        1,
        low,
        (CheckpointClaim(low, LATER if low else START),),
        tuple(PreparedClaim(*claim) for claim in claims),
        tuple(PrePreparedClaim(*claim) for claim in claims),
        replica,
        0,
    )


def test_null_needs_a_quorum_that_remembers_the_number() -> None:
    """Facts 2.6, 2: seven replicas, x is committed at 1. A has it stable already, B has prepared it, C1 and C2 saw
    nothing, the traitors D1 and D2 claim nothing, E is not heard yet. Only the guard h < n saves x."""
    heard = [view_change(0, 1), view_change(1, 0, knows_x=True), *(view_change(replica, 0) for replica in range(2, 6))]
    assert isinstance(compute_new_view(heard, quorums_of(7), 2), Undecided)
    (mutant,) = [mutant for mutant in MUTANTS if "no guard" in mutant.name]
    with mutated(mutant):
        lost = compute_new_view(heard, quorums_of(7), 2)
    assert lost == Choice(CheckpointClaim(0, START), ()), "null at 1, at the end and therefore left out"
