"""A replica put together from its folder, and what it says of itself."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from quorate.auth.authenticator import ClientAuthenticator
from quorate.config import Settings
from quorate.folder import ClusterFolder, create_cluster, load_client, load_replica
from quorate.messages.protocol import Inspect, Inspection
from quorate.runtime.bootstrap import Assembly
from quorate.runtime.lifetime import mark_started


@pytest.fixture
def counter_folder(tmp_path: Path) -> ClusterFolder:
    """The folders of a cluster that replicates the counter."""
    return create_cluster(
        tmp_path / "counter", [("127.0.0.1", 7200 + index) for index in range(4)], "counter", Settings()
    )


def test_the_first_start_votes_and_the_next_recovers(counter_folder: ClusterFolder) -> None:
    folder = load_replica(counter_folder.replica(1))

    first = Assembly(folder)
    mark_started(folder.path, folder.configuration.incarnation)
    second = Assembly(folder)

    assert first.found.votes_lost is None
    assert second.found.votes_lost == "it was started before in this incarnation and its votes were in memory"
    assert first.inspector.report()["status"] == "normal"
    assert second.inspector.report()["status"] == "recovering"
    assert second.inspector.report()["votes_lost"] == second.found.votes_lost
    assert first.inspector.report()["votes_lost"] is None


def test_a_report_says_who_where_and_how(counter_folder: ClusterFolder) -> None:
    assembly = Assembly(load_replica(counter_folder.replica(2)))
    assembly.inspector.watch({"unknown public key": 3, "links opened": 9}, {})

    report = assembly.inspector.report()

    assert (report["replica_id"], report["pid"], report["address"]) == (2, os.getpid(), "127.0.0.1:7202")
    assert (report["view"], report["primary"], report["is_primary"]) == (0, 0, False)
    assert report["links"] == dict.fromkeys(("0", "1", "3"), "has not connected to us")
    assert report["refused"] == [{"peer": "strangers", "reason": "unknown public key", "count": 3}]
    assert json.loads(json.dumps(report)) == report


def test_an_inspection_is_for_the_client_that_asked(counter_folder: ClusterFolder, links: Any) -> None:
    assembly = Assembly(load_replica(counter_folder.replica(0)))
    key_pair, configuration = load_client(counter_folder.path)
    client = ClientAuthenticator(key_pair, configuration)
    link = links.client(client.client_id)

    assembly.inspector.answer(link, Inspect(client.client_id, 7))
    assembly.inspector.answer(link, Inspect(client.client_id, 8))

    answers = [client.open(frame) for frame in link.sent]
    assert all(isinstance(answer, Inspection) for answer in answers)
    assert [(answer.nonce, answer.replica) for answer in answers if isinstance(answer, Inspection)] == [(7, 0), (8, 0)]
    assert [json.loads(answer.report)["is_primary"] for answer in answers if isinstance(answer, Inspection)] == [
        True
    ] * 2
