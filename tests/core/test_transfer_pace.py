"""ST-5: a fetch asks all peers, lets each rest between two questions, and says how far it is."""

from __future__ import annotations

from itertools import pairwise

import pytest

from core.group import Group
from quorate.config import Settings
from quorate.core import answers, state_transfer
from quorate.core.ports import Context
from quorate.messages.protocol import FetchState, StatePieces
from quorate.sim.register import RegisterService

KEYS = [b"key%d" % number for number in range(60)]


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Group:
    """Replica 2 was away for longer than its peers' history, and lacks all registers; one node a question."""
    monkeypatch.setattr("core.group.KeptCounter", lambda kept: RegisterService())
    monkeypatch.setattr(state_transfer, "PATHS_MAX", 1)
    group = Group(4, Settings(checkpoint_interval=4))
    session = group.open_session()
    group.stopped.add(2)
    for timestamp, key in enumerate(KEYS, 1):
        group.submit(group.request((b"write %s value" % key,), session, timestamp), 0)
    group.stopped.clear()
    group.sent.clear()
    return group


def has_all(group: Group) -> bool:
    service = group.services[2]
    return all(service.execute(b"read " + key, Context(b"", 0, b"", 0)) == b"value" for key in KEYS)


def test_st_5_all_peers_are_asked_and_none_too_often(group: Group) -> None:
    asked: dict[int, list[int]] = {0: [], 1: [], 3: []}
    reaches = group.reaches

    def watched(sender: int, receiver: int, message: object) -> bool:
        if isinstance(message, FetchState) and message.paths:
            asked[receiver].append(group.now)
        return reaches(sender, receiver, message)  # type: ignore[arg-type]

    group.reaches = watched
    group.advance(5000)
    assert has_all(group)
    for times in asked.values():
        assert len(times) > 3
        pauses = [later - earlier for earlier, later in pairwise(times)]
        assert min(pauses) >= state_transfer.REST
        assert max(pauses) <= 2 * state_transfer.REST


def test_st_5_the_report_says_how_far_it_is(group: Group) -> None:
    seen = []
    for _ in range(200):
        group.advance(20)
        progress = group.replicas[2].report().transfer
        if progress is not None:
            seen.append(progress)
    assert has_all(group)
    assert group.replicas[2].report().transfer is None
    fetched = [progress.nodes for progress in seen]
    assert fetched == sorted(fetched)
    assert fetched[-1] > 10
    assert seen[-1].size > 1000
    assert max(progress.outstanding for progress in seen) > 3


def test_st_5_who_asks_for_more_than_an_honest_replica_gets_little(group: Group) -> None:
    """Nodes are charged for by what it costs to look them up, not by their few bytes."""
    core = group.replicas[0].core
    number = core.log.low_watermark
    path = (0, 0)
    before = len(group.sent)
    for _ in range(100):
        group.say(2, FetchState(number, (path,) * 256, 2), 0)
    sent = [message for _, message in group.sent[before:] if isinstance(message, StatePieces)]
    nodes = sum(len(message.paths) for message in sent)
    assert 256 <= nodes <= answers.BYTES_MAX / (state_transfer.NODE_CHARGE * answers.PIECE_BYTES) + 256
