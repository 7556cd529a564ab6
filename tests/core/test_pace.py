"""A checkpoint is hashed a little a turn, and quicker when the next one has to wait for it."""

from __future__ import annotations

import pytest

from core.group import Group
from quorate.config import Settings
from quorate.core import checkpoints
from quorate.services.counter import CounterService


class LaboriousCounter(CounterService):
    """Its digest takes many calls."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self._left: dict[int, int] = {}

    def checkpoint(self, sequence_number: int) -> bytes | None:  # type: ignore[override]
        """Freeze the total; nothing of it is hashed yet."""
        super().checkpoint(sequence_number)
        self._left[sequence_number] = self.steps
        return self.digest(sequence_number)

    def digest(self, sequence_number: int) -> bytes | None:
        """The digest, after so many calls."""
        self._left[sequence_number] -= 1
        return super().digest(sequence_number) if self._left[sequence_number] < 0 else None


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Group:
    """Four replicas; with one request a batch."""
    monkeypatch.setattr("core.group.KeptCounter", lambda kept: LaboriousCounter())
    return Group(4, Settings(checkpoint_interval=16, batch_requests_max=1))


def run(group: Group, session: int, first: int, last: int) -> None:
    for timestamp in range(first, last + 1):
        group.submit(group.request((b"add 1",), session, timestamp), 0)
        group.advance(2)


def test_little_work_is_spread_over_turns(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LaboriousCounter, "steps", 5)
    session = group.open_session()
    run(group, session, 1, 40)
    assert {replica.core.checkpoints.pace for replica in group.replicas} == {1}
    assert group.replicas[0].report().low_watermark >= 32


def test_it_is_hashed_quicker_the_more_of_the_interval_has_gone_by(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LaboriousCounter, "steps", 10_000)
    session = group.open_session()
    core = group.replicas[1].core
    run(group, session, 1, 16 - core.last_executed)
    assert core.checkpoints.hashing is not None
    assert core.last_executed == 16
    paces = {}
    for timestamp in range(16, 30):
        run(group, session, timestamp, timestamp)
        paces[core.last_executed] = checkpoints.present_pace(core, 16)
    assert [paces[number] for number in (17, 19, 20, 23, 24, 27, 28, 30)] == [1, 1, 2, 2, 4, 4, 8, 8]
    assert not core.checkpoints.is_late


def test_much_work_is_done_quicker_when_it_was_late_and_slower_again(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LaboriousCounter, "steps", 600)
    session = group.open_session()
    run(group, session, 1, 40)
    group.advance(500)
    core = group.replicas[1].core
    assert 1 < core.checkpoints.pace <= checkpoints.PACE_MAX
    group.advance(5000)
    monkeypatch.setattr(LaboriousCounter, "steps", 1)
    run(group, session, 41, 300)
    assert core.checkpoints.pace == 1
    assert core.last_executed == group.replicas[0].core.last_executed > 200
    assert len({replica.report().state_digest for replica in group.replicas}) == 1
