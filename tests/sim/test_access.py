"""Worlds in which clients are let in and shut out."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from quorate.core.access import AccessTable
from quorate.messages.access import Grant
from quorate.messages.reads import ReadReply
from quorate.sim.checkers import Judge
from quorate.sim.plan import AccessChange, Plan, TraitorPlan
from quorate.sim.profiles import draw_plan
from quorate.sim.world import World

SEEDS = range(12)


def world_with_a_puppet(seed: int) -> Plan:
    """The first primary is a traitor that makes requests with the keys of lying clients, which are shut out."""
    plan = draw_plan(seed, "access", strategies=("own-requests",))
    return replace(plan, traitors=(TraitorPlan(0, ("own-requests",)),), faults=())


@pytest.mark.parametrize("seed", SEEDS)
def test_worlds_of_the_profile_are_right(seed: int) -> None:
    plan = draw_plan(seed, "access")
    assert any(change.is_revoked for change in plan.access)
    assert World(plan).run().verdicts == ()


@pytest.mark.parametrize("seed", [12013729, 12014452])
def test_an_administrator_signs_what_it_repeats(seed: int) -> None:
    """Like every client of the library (REQ-3): in these worlds its MACs are doubted, and nobody would be let in."""
    assert World(draw_plan(seed, "access")).run().verdicts == ()


def test_what_is_proposed_for_a_revoked_client_gets_nowhere() -> None:
    """A traitorous primary orders requests of clients that are shut out, with their own keys: nothing is executed."""
    ordered = 0
    for seed in SEEDS:
        world = World(world_with_a_puppet(seed))
        assert world.run().verdicts == ()
        ordered += world.judge.revocations.ordered_behind
    assert ordered > 0


def test_the_judge_sees_what_is_executed_for_a_revoked_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a replica to go on with whom it revoked, worlds would show it."""

    def grant(self: AccessTable, client: bytes) -> Grant | None:
        row = self._rows.get(client)
        return None if row is None else row.grant

    monkeypatch.setattr(AccessTable, "grant", grant)
    rules = {verdict.rule for seed in SEEDS for verdict in World(world_with_a_puppet(seed)).run().verdicts}
    assert "revoked" in rules


def test_the_judge_sees_that_a_revoked_client_is_answered() -> None:
    """By those who know of it; one whose process starts again may not know any more."""
    judge, client = Judge({0, 1}, set()), b"c" * 32
    judge.see_sent(0, ReadReply(client, 1, 3, (None,), 0))
    judge.hear(0, "client-revoked", {"client": client.hex(), "sequence_number": 4})
    judge.see_sent(1, ReadReply(client, 1, 3, (None,), 1))
    assert judge.verdicts == []
    judge.see_sent(0, ReadReply(client, 2, 4, (None,), 0))
    assert [verdict.rule for verdict in judge.verdicts] == ["revoked"]
    judge.see_start(0)
    judge.see_sent(0, ReadReply(client, 3, 2, (None,), 0))
    assert len(judge.verdicts) == 1


def test_a_client_is_let_in_while_it_asks() -> None:
    """Nobody knows it at first; in the end it has all its answers."""
    plan = replace(draw_plan(1, "calm"), access=(AccessChange(300_000, 1, is_revoked=False),))
    assert len(plan.clients) > 1
    world = World(plan)
    assert world.run().verdicts == ()
    assert all(client.is_done for client in world.clients)
    assert any("unknown client" in reason for reason in world.judge.refusals)


def test_the_judge_compares_where_a_client_was_shut_out() -> None:
    judge = World(draw_plan(1, "access")).judge
    details = {"client": "ab" * 32, "sequence_number": 5}
    judge.hear(0, "client-revoked", details)
    judge.hear(1, "client-revoked", details)
    assert judge.verdicts == []
    judge.hear(2, "client-revoked", details | {"sequence_number": 6})
    assert [verdict.rule for verdict in judge.verdicts] == ["equal access"]
