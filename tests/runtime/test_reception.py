"""What may come by whose link, and what is counted when it may not."""

from __future__ import annotations

from typing import Any

import pytest

from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.folder import ClusterFolder, load_client, load_replica
from quorate.messages.protocol import (
    Batches,
    Checkpoint,
    CheckpointClaim,
    Commit,
    Decided,
    FetchBatches,
    Inspect,
    Inspection,
    Message,
    NewView,
    Outcome,
    Prepare,
    PrePrepare,
    Reply,
    Request,
    Status,
    ViewChange,
)
from quorate.runtime.reception import REFUSALS_MAX, Reception, Refusals, may_bring

A = b"a" * 32
CLIENT = b"c" * 32
OF_REPLICA_1: list[Message] = [
    PrePrepare(0, 1, A, 1),
    Prepare(0, 1, A, 1),
    Commit(0, 1, A, 1),
    Checkpoint(1, A, 1, 0),
    ViewChange(1, 0, (), (), (), 1, 0),
    NewView(1, (), CheckpointClaim(0, A), (), 1, 0),
    Status(0, False, 0, 0, b"", 0, (), 1),
    Decided((), 1),
    FetchBatches((), 1),
    Batches(1),
]
FORWARDABLE = {"PrePrepare", "Checkpoint", "ViewChange", "NewView"}
REQUEST = Request(CLIENT, 0, 1, ())


@pytest.mark.parametrize("message", OF_REPLICA_1, ids=lambda message: type(message).__name__)
def test_a_replicas_message_comes_by_its_own_link_or_is_forwardable(links: Any, message: Message) -> None:
    assert may_bring(links.replica(1).peer, message)
    assert may_bring(links.replica(2).peer, message) == (type(message).__name__ in FORWARDABLE)
    assert not may_bring(links.client().peer, message)


def test_a_request_comes_from_its_client_or_is_relayed(links: Any) -> None:
    assert may_bring(links.client(CLIENT).peer, REQUEST)
    assert may_bring(links.replica(3).peer, REQUEST)
    assert not may_bring(links.client(A).peer, REQUEST)


def test_only_a_client_inspects_and_nobody_replies_to_a_replica(links: Any) -> None:
    assert may_bring(links.client(CLIENT).peer, Inspect(CLIENT, 1))
    assert not may_bring(links.client(A).peer, Inspect(CLIENT, 1))
    for peer in (links.replica(1).peer, links.client(CLIENT).peer):
        assert not may_bring(peer, Reply(0, CLIENT, 0, 1, Outcome.EXECUTED, (), 1))
        assert not may_bring(peer, Inspection(1, b"{}", 1))


class Members:
    """Replica 0's reception, and who may talk to it."""

    def __init__(self, cluster: ClusterFolder) -> None:
        replicas = [load_replica(path) for path in cluster.replicas()]
        self.authenticators = [ReplicaAuthenticator(r.replica_id, r.key_pair, r.configuration) for r in replicas]
        self.client = ClientAuthenticator(*load_client(cluster.client()))
        self.reported: list[tuple[str, str, int]] = []
        self.refusals = Refusals(lambda *row: self.reported.append(row))
        self.reception = Reception(self.authenticators[0], self.refusals)


@pytest.fixture
def members(cluster_folder: ClusterFolder) -> Members:
    return Members(cluster_folder)


def test_an_authentic_message_of_its_sender_passes(members: Members, links: Any) -> None:
    prepare = Prepare(0, 1, A, 1)
    request = Request(members.client.client_id, 0, 1, (b"x",))

    by_replica = members.reception.open(links.replica(1), members.authenticators[1].seal(prepare))
    by_client = members.reception.open(links.client(members.client.client_id), members.client.seal(request))

    assert by_replica is not None
    assert by_replica.message == prepare
    assert by_client is not None
    assert by_client.message == request
    assert members.refusals.rows() == []


def test_what_does_not_hold_is_counted_by_peer_and_reason(members: Members, links: Any) -> None:
    link = links.replica(2)
    frame = members.authenticators[1].seal(Prepare(0, 1, A, 1))
    forged = frame.replace(A, b"b" * 32)

    for bad in (b"", b"\xc1garbage", frame[:-1], forged, frame, frame):
        assert members.reception.open(link, bad) is None

    assert members.refusals.rows() == [
        {"peer": "replica-2", "reason": "Prepare is not authentic", "count": 1},
        {"peer": "replica-2", "reason": "Prepare of another sender", "count": 2},
        {"peer": "replica-2", "reason": "malformed", "count": 3},
    ]
    assert members.reported[-1] == ("replica-2", "Prepare of another sender", 2)


def test_refusals_are_bounded_whatever_peers_make_up() -> None:
    refusals = Refusals(lambda *row: None)

    for number in range(3 * REFUSALS_MAX):
        refusals.count(f"peer {number}", f"reason {number}")

    assert len(refusals.rows()) == REFUSALS_MAX + 1
    assert {"peer": "others", "reason": "others", "count": 2 * REFUSALS_MAX} in refusals.rows()
