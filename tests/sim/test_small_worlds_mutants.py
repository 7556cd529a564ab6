"""The explorer finds what is wrong: with more traitors than are tolerated, and with rules of the core weakened."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from quorate.core import admission, view_change
from quorate.core.context import Core
from quorate.core.log import MessageLog, Phase, Slot
from quorate.core.new_view import Choice
from quorate.core.quorum import Quorums
from quorate.messages.protocol import NewView, PrePrepare, ViewChange
from quorate.sim.small_worlds.bounds import Bounds
from quorate.sim.small_worlds.narration import Story, tell
from quorate.sim.small_worlds.search import Limits

Weaken = Callable[[pytest.MonkeyPatch], None]
LIMITS = Limits(depth=14, states=60_000)


def quorum_minus_one(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("quorate.core.context.quorums_of", lambda count: Quorums(count, 1, 2, 2))


def prepared_set_forgotten(patch: pytest.MonkeyPatch) -> None:
    honest = view_change.own_view_change

    def without_prepared(core: Core) -> ViewChange:
        return replace(honest(core), prepared=())

    patch.setattr(view_change, "own_view_change", without_prepared)


def new_view_believed(patch: pytest.MonkeyPatch) -> None:
    def believe(core: Core, message: NewView) -> Choice:
        return Choice(message.checkpoint, message.chosen)

    patch.setattr(view_change, "examine", believe)


def prepares_of_any_digest(patch: pytest.MonkeyPatch) -> None:
    def is_prepared(log: MessageLog, slot: Slot) -> bool:
        return len(slot.prepares) >= log.quorums.quorum - 1

    patch.setattr(MessageLog, "is_prepared", is_prepared)


def weak_certificate_commits(patch: pytest.MonkeyPatch) -> None:
    def is_committed(log: MessageLog, slot: Slot) -> bool:
        matching = sum(1 for vote in slot.commits.values() if vote.digest == slot.digest)
        return slot.phase >= Phase.PREPARED and matching >= log.quorums.weak

    patch.setattr(MessageLog, "is_committed_local", is_committed)


def second_proposal_accepted(patch: pytest.MonkeyPatch) -> None:
    honest = admission.accept_pre_prepare

    def accept(core: Core, message: PrePrepare) -> str | None:
        slot = core.log.slots.get(message.sequence_number)
        if slot is not None and slot.phase is Phase.PRE_PREPARED and slot.digest != message.digest:
            slot.digest, slot.phase = None, Phase.EMPTY
        return honest(core, message)

    patch.setattr(admission, "accept_pre_prepare", accept)


def claim_of_one_decides(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("quorate.core.context.quorums_of", lambda count: Quorums(count, 1, 1, 3))


@pytest.mark.parametrize(
    ("weaken", "traitor", "rules"),
    [
        (quorum_minus_one, 0, {"prepared uniqueness", "agreement"}),
        (prepared_set_forgotten, 2, {"survival", "agreement", "the core's own invariants"}),
        (new_view_believed, 1, {"survival", "agreement", "the core's own invariants", "prepared uniqueness"}),
        (prepares_of_any_digest, 0, {"prepared uniqueness"}),
        (weak_certificate_commits, 1, {"survival", "agreement", "the core's own invariants"}),
        (second_proposal_accepted, 0, {"prepared uniqueness"}),
        (claim_of_one_decides, 2, {"agreement"}),
    ],
)
def test_a_weakened_rule_is_found(
    weaken: Weaken, traitor: int, rules: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weaken(monkeypatch)

    story = tell(Bounds(traitors=(traitor,)), LIMITS)

    assert story is not None
    print_story(story)
    assert story.verdict.rule in rules
    assert story.is_real


@pytest.mark.parametrize("traitors", [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)])
def test_two_traitors_of_four_break_safety(traitors: tuple[int, ...]) -> None:
    story = tell(Bounds(traitors=traitors), LIMITS)

    assert story is not None
    print_story(story)
    assert story.verdict.rule == "agreement"
    assert story.is_real


def test_two_traitors_need_no_claims_of_decisions() -> None:
    """The classic: a primary that proposes two digests, and a backup that votes for both."""
    powers = frozenset({"PrePrepare", "Prepare", "Commit"})

    story = tell(Bounds(traitors=(0, 3), powers=powers), LIMITS)

    assert story is not None
    print_story(story)
    assert story.verdict.rule == "prepared uniqueness"
    assert story.is_real


def print_story(story: Story) -> None:
    """Shown when the test fails, or with -s."""
    print(story.verdict)
    print("\n".join(story.lines))
