"""DISK-5: a partition that changes behind a replica's back is found though nobody writes to it, and fetched."""

from __future__ import annotations

from typing import Any

import pytest

from core.group import Filter, Group
from quorate.config import Settings
from quorate.core import scrub
from quorate.core.ports import Context
from quorate.messages.protocol import Checkpoint, FetchState, StatePieces, Status
from quorate.messages.tree import DIGEST_SIZE, EMPTY
from quorate.sim.register import RegisterService

SETTINGS = Settings(checkpoint_interval=1)
KEYS = [b"key%d" % number for number in range(30)]


@pytest.fixture
def group(monkeypatch: pytest.MonkeyPatch) -> Group:
    """Four replicas with thirty registers in sixteen partitions, all of which are part of a stable checkpoint."""
    monkeypatch.setattr("core.group.KeptCounter", lambda kept: RegisterService())
    group = Group(4, SETTINGS)
    session = group.open_session()
    for timestamp, key in enumerate(KEYS, 1):
        group.submit(group.request((b"write %s right" % key,), session, timestamp), 0)
    group.advance(200)
    assert group.replicas[2].report().low_watermark == group.replicas[2].report().last_executed > 0
    return group


def table_of(group: Group, replica: int) -> Any:
    return group.services[replica]._table


def value_of(group: Group, replica: int, key: bytes) -> bytes:
    return group.services[replica].execute(b"read " + key, Context(b"", 0, b"", 0))


def assert_repaired(group: Group) -> None:
    assert [value_of(group, 2, key) for key in KEYS] == [b"right"] * len(KEYS)
    reports = [replica.report() for replica in group.replicas]
    assert len({(report.state_digest, report.last_executed) for report in reports}) == 1
    assert not any(report.needs_state for report in reports)
    assert reports[2].incidents[f"STATE: {scrub.DAMAGED}"] == 1
    events = [trace.event for trace in group.traces[2]]
    assert events.count("state-damaged") == events.count("state-fetched") == 1


def asked_for(group: Group) -> int:
    return sum(len(message.paths) for _, message in group.sent if isinstance(message, FetchState))


def test_disk_5_what_nobody_writes_to_is_found_and_repaired(group: Group) -> None:
    table_of(group, 2)._values[KEYS[7]] = b"wrong"
    group.advance(3000)
    assert_repaired(group)
    assert asked_for(group) == 3  # the leaf, its parent and the root: nothing else differs


def test_disk_5_a_key_that_is_gone_comes_back(group: Group) -> None:
    del table_of(group, 2)._values[KEYS[7]]
    group.advance(3000)
    assert_repaired(group)


@pytest.mark.parametrize("place", [0, 40, -1])
def test_disk_5_a_damaged_inner_node_is_repaired(group: Group, place: int) -> None:
    """The own digests are wrong, the contents are right."""
    nodes = table_of(group, 2)._tree._levels[1]
    number = next(iter(nodes))
    damaged = bytearray(nodes[number])
    damaged[place] ^= 1
    nodes[number] = bytes(damaged)
    group.advance(3000)
    assert_repaired(group)


def test_disk_5_a_digest_where_nothing_is_goes_again(group: Group) -> None:
    """A partition that is empty has a digest all the same, and no contents whose writing would put it right."""
    tree = table_of(group, 2)._tree
    empty = next(leaf for leaf in range(tree.shape.leaves) if tree.leaf_digest(leaf) == EMPTY)
    nodes, parent = tree._levels[1], empty // tree.shape.fanout
    damaged = bytearray(nodes[parent])
    damaged[empty % tree.shape.fanout * DIGEST_SIZE] ^= 1
    nodes[parent] = bytes(damaged)
    group.advance(3000)
    assert_repaired(group)


def is_hindered(kinds: tuple[type, ...]) -> Filter:
    """Nothing of these kinds reaches replica 2; the root of a state that it fetches does."""
    return lambda _, receiver, message: (
        receiver != 2 or not isinstance(message, kinds) or (isinstance(message, StatePieces) and not message.paths)
    )


def test_disk_5_what_is_fetched_is_not_below_what_is_stable_meanwhile(group: Group) -> None:
    """It has executed one number more, and that is stable while the state below it is still on its way."""
    session = group.open_session(timestamp=2)
    reaches = is_hindered((StatePieces,))
    group.reaches = lambda sender, receiver, message: (
        reaches(sender, receiver, message) and not isinstance(message, Checkpoint)
    )
    group.submit(group.request((b"write new right",), session, 1), 0)
    table_of(group, 2)._values[KEYS[7]] = b"wrong"
    group.advance(500)
    transfer, report = group.core(2).transfer, group.replicas[2].report()
    assert transfer is not None
    assert transfer.sequence_number == report.low_watermark == report.last_executed - 1
    group.reaches = reaches
    group.advance(200)
    assert group.replicas[2].report().low_watermark == report.last_executed
    group.reaches = is_hindered(())
    group.advance(3000)
    assert_repaired(group)


def test_disk_5_a_state_that_others_vouch_against_is_never_stable(group: Group) -> None:
    """Not even when they have gone far ahead while it cannot be fetched: a restart would begin from it."""
    group.reaches = is_hindered((StatePieces, FetchState))
    session = group.open_session(timestamp=2)
    table_of(group, 2)._values[KEYS[7]] = b"wrong"
    for timestamp in range(1, 9):
        group.submit(group.request((b"append %s !" % KEYS[7],), session, timestamp), 0)
        group.advance(100)
    stable = [dict(trace.details) for replica in range(4) for trace in group.traces[replica] if trace.event == "stable"]
    digests = {(details["sequence_number"], details["digest"]) for details in stable}
    assert len(digests) == len({number for number, _ in digests})
    group.reaches = is_hindered(())
    group.advance(3000)
    assert value_of(group, 2, KEYS[7]) == value_of(group, 0, KEYS[7]) == b"right!!!!!!!!"


def test_disk_5_what_was_said_of_a_damaged_state_is_not_said_again(
    group: Group, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkpoint that was taken of it stands above what is fetched. A peer asks before it is taken anew."""
    session, stable = group.open_session(timestamp=2), group.replicas[2].report().low_watermark
    assert stable == group.core(2).last_executed
    group.reaches = lambda sender, receiver, message: not isinstance(message, Checkpoint)
    table_of(group, 2)._values[KEYS[7]] = b"wrong"
    group.submit(group.request((b"append %s !" % KEYS[7],), session, 1), 0)
    monkeypatch.setattr(group, "run", lambda: None)
    while not any(trace.event == "state-fetched" for trace in group.traces[2]):
        group.advance(10)
        if group.wire:
            _, receiver, frame = group.wire.popleft()
            group.receive(receiver, frame)
    assert group.core(2).last_executed == stable
    said = len(group.sent)
    group.now += 1_000_000
    group.say(0, Status(0, False, stable, stable, b"", 0, (), 0), 2, run=False)
    monkeypatch.undo()
    group.advance(1000)
    digests = {
        (sender, message.digest)
        for sender, message in group.sent[said:]
        if isinstance(message, Checkpoint) and message.sequence_number == stable + 1
    }
    assert 2 in {sender for sender, _ in digests}
    assert len({digest for _, digest in digests}) == 1


def test_disk_5_later_writes_are_executed_on_what_was_repaired(group: Group) -> None:
    """It is found while others go on; at the end all is equal."""
    table_of(group, 2)._values[KEYS[7]] = b"wrong"
    session = group.open_session(timestamp=2)
    for timestamp, key in enumerate(KEYS, 1):
        group.submit(group.request((b"write %s right" % key, b"append %s !" % KEYS[7]), session, timestamp), 0)
        group.advance(100)
    group.advance(3000)
    values = [[value_of(group, replica, key) for key in KEYS] for replica in range(4)]
    assert values[2] == values[0]
    assert not group.replicas[2].report().needs_state
    assert any(count for what, count in group.replicas[2].report().incidents.items() if what.startswith("STATE: "))


def test_disk_5_all_of_it_is_looked_at_a_little_at_a_time(group: Group, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of a round, and though the checkpoint changes meanwhile, no node is left out."""
    monkeypatch.setattr(scrub, "NODES_A_ROUND", 4)
    looked_at = set()
    look = scrub.look

    def watched(core: Any, path: Any, digest: bytes) -> None:
        if core.replica_id == 2:
            looked_at.add(path)
        look(core, path, digest)

    monkeypatch.setattr(scrub, "look", watched)
    session = group.open_session(timestamp=2)
    passes = group.replicas[2].core.scrub.passes
    timestamp = 0
    while group.replicas[2].core.scrub.passes < passes + 2:
        timestamp += 1
        group.submit(group.request((b"append %s !" % KEYS[timestamp % 30],), session, timestamp), 0)
        group.advance(300)
        assert timestamp < 100
    table = table_of(group, 2)
    assert looked_at >= {table._shape.path_of(table._shape.leaf_of(key)) for key in KEYS}
    assert timestamp > 3
    assert group.replicas[2].report().incidents == {}


def test_disk_5_who_is_alone_stops_and_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has what was there. It executes nothing on what is damaged."""
    monkeypatch.setattr("core.group.KeptCounter", lambda kept: RegisterService())
    group = Group(1, SETTINGS)
    session = group.open_session()
    group.submit(group.request((b"write %s right" % KEYS[7],), session, 1), 0)
    group.advance(200)
    table_of(group, 0)._values[KEYS[7]] = b"wrong"
    group.advance(3000)
    group.submit(group.request((b"read %s" % KEYS[7],), session, 2), 0)
    group.advance(10_000)
    report = group.replicas[0].report()
    assert report.needs_state
    assert report.waiting_requests == 1
    assert report.incidents == {f"STATE: {scrub.DAMAGED}": 1}
    assert {reply.timestamp for _, reply in group.replies if reply.session == session} == {1}


def test_disk_5_it_can_be_turned_off(monkeypatch: pytest.MonkeyPatch) -> None:
    group = Group(4, Settings(checkpoint_interval=1, scrub_interval_ms=0))
    session = group.open_session()
    group.submit(group.request((b"add 2",), session, 1), 0)
    group.advance(3000)
    assert group.replicas[2].core.scrub.passes == 0
