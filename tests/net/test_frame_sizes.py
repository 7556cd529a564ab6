"""The frame limit: the largest legal messages fit, built by their real encoders."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.config import Settings
from quorate.core.quorum import quorums_of
from quorate.core.state_transfer import PIECES_BYTES_MAX
from quorate.errors import ConfigurationError
from quorate.messages.protocol import (
    BACKUP_PATHS_MAX,
    OPERATIONS_MAX,
    BackupPieces,
    CheckpointClaim,
    Chosen,
    FetchBackup,
    Inspect,
    Inspection,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    Reply,
    ViewChange,
)
from quorate.net.framing import client_frame_bytes_max_of, frame_bytes_max_of

LARGEST = 2**63 - 1
DIGEST = b"\xff" * 32
SMALL = {"batch_bytes_max": 1024, "request_bytes_max": 1024, "reply_bytes_max": 1024, "batch_requests_max": 1}


def view_change_frame(authenticator: ReplicaAuthenticator, settings: Settings, replica_count: int) -> bytes:
    """A VIEW-CHANGE in which everything is as many and as large as may be."""
    quorums = quorums_of(replica_count)
    certificate: tuple[bytes, ...] = ()
    if settings.replica_authentication == "signature":
        pre_prepare = authenticator.seal(PrePrepare(LARGEST, LARGEST, DIGEST, authenticator.replica_id))
        prepare = authenticator.seal(Prepare(LARGEST, LARGEST, DIGEST, authenticator.replica_id))
        certificate = (pre_prepare, *[prepare] * (quorums.quorum - 1))
    claim = PreparedClaim(LARGEST, DIGEST, LARGEST, certificate)
    message = ViewChange(
        LARGEST,
        LARGEST,
        (CheckpointClaim(LARGEST, DIGEST),) * 64,
        (claim,) * settings.window,
        (PrePreparedClaim(LARGEST, DIGEST, LARGEST),) * (settings.window * (quorums.faults + 3)),
        authenticator.replica_id,
        LARGEST,
    )
    return authenticator.seal(message)


@pytest.mark.parametrize(
    ("replica_count", "authentication"), [(4, "signature"), (7, "signature"), (16, "mac"), (40, "mac")]
)
def test_the_largest_new_view_fits(make_members: Callable, replica_count: int, authentication: str) -> None:
    settings = Settings(replica_authentication=authentication, **SMALL)
    members = make_members(replica_count, settings=settings)
    authenticator = ReplicaAuthenticator(3, members.keys[3], members.configuration)
    view_changes = (view_change_frame(authenticator, settings, replica_count),) * replica_count
    chosen = (Chosen(LARGEST, DIGEST),) * settings.window
    new_view = NewView(LARGEST, view_changes, CheckpointClaim(LARGEST, DIGEST), chosen, 3, LARGEST)

    size = len(authenticator.seal(new_view))

    limit = frame_bytes_max_of(members.configuration)
    assert size <= limit
    assert limit < 2 * size, "the bound is not a guess: the largest NEW-VIEW comes near it"


@pytest.mark.parametrize("authentication", ["signature", "mac"])
def test_the_largest_batch_fits(make_members: Callable, authentication: str) -> None:
    settings = Settings(
        replica_authentication=authentication,
        checkpoint_interval=1,
        batch_bytes_max=4 << 20,
        batch_requests_max=1024,
        reply_bytes_max=1024,
    )
    members = make_members(settings=settings)
    authenticator = ReplicaAuthenticator(0, members.keys[0], members.configuration)
    # The largest that PP-2 admits.
    batch = bytes(settings.batch_bytes_max + 64 * settings.batch_requests_max + 1024)

    size = len(authenticator.seal(PrePrepare(LARGEST, LARGEST, DIGEST, 0), (batch,)))

    assert size <= frame_bytes_max_of(members.configuration)


@pytest.mark.parametrize("authentication", ["signature", "mac"])
def test_the_largest_reply_fits(make_members: Callable, authentication: str) -> None:
    settings = Settings(replica_authentication=authentication, checkpoint_interval=1, reply_bytes_max=8 << 20)
    members = make_members(settings=settings)
    authenticator = ReplicaAuthenticator(0, members.keys[0], members.configuration)
    client = members.keys[4].public_key
    results = (bytes(settings.reply_bytes_max // OPERATIONS_MAX),) * OPERATIONS_MAX

    size = len(authenticator.seal(Reply(LARGEST, client, LARGEST, LARGEST, 15, results, 0)))

    assert size <= frame_bytes_max_of(members.configuration)


def test_the_largest_inspection_and_inspect_fit(make_members: Callable) -> None:
    members = make_members(settings=Settings(checkpoint_interval=1, **SMALL))
    replica = ReplicaAuthenticator(0, members.keys[0], members.configuration)
    client = ClientAuthenticator(members.keys[4], members.configuration)

    inspection = replica.seal_inspection(Inspection(LARGEST, bytes(1 << 20), 63), client.client_id)
    assert len(inspection) <= frame_bytes_max_of(members.configuration)

    inspect = client.seal_question(Inspect(client.client_id, LARGEST), 0)
    assert len(inspect) <= client_frame_bytes_max_of(members.configuration)


def test_the_largest_question_for_a_backup_and_its_answer_fit(make_members: Callable) -> None:
    members = make_members(settings=Settings(checkpoint_interval=1, **SMALL))
    replica = ReplicaAuthenticator(0, members.keys[0], members.configuration)
    client = ClientAuthenticator(members.keys[4], members.configuration)
    paths = ((2**32 - 1,) * 16,) * BACKUP_PATHS_MAX

    question = client.seal_question(FetchBackup(client.client_id, LARGEST, LARGEST, paths), 0)
    assert len(question) <= client_frame_bytes_max_of(members.configuration)

    pieces = BackupPieces(client.client_id, LARGEST, LARGEST, paths, 15, 63)
    nodes = (bytes(PIECES_BYTES_MAX // BACKUP_PATHS_MAX),) * BACKUP_PATHS_MAX
    assert len(replica.seal(pieces, nodes)) <= frame_bytes_max_of(members.configuration)


def test_a_client_may_send_less_than_a_replica(make_members: Callable) -> None:
    configuration = make_members().configuration

    assert client_frame_bytes_max_of(configuration) == configuration.settings.request_bytes_max
    assert client_frame_bytes_max_of(configuration) < frame_bytes_max_of(configuration)


def test_a_cluster_that_would_need_monstrous_frames_is_refused_with_the_remedy(make_members: Callable) -> None:
    configuration = make_members(
        64, settings=Settings(checkpoint_interval=2048, replica_authentication="signature")
    ).configuration

    with pytest.raises(ConfigurationError, match="lower checkpoint_interval"):
        frame_bytes_max_of(configuration)
