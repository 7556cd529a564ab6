"""What a replica finds when it starts: its votes, its state, or why it cannot go on with them."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from quorate.config import Settings
from quorate.errors import ConfigurationError
from quorate.folder import CLUSTER_FILE, ClusterFolder, ReplicaFolder, create_cluster, load_replica, renew_incarnation
from quorate.messages.records import (
    CheckpointRecord,
    DecidedRecord,
    KeyRecord,
    PreparedRecord,
    RecoveryRecord,
    StableRecord,
    ViewRecord,
)
from quorate.runtime.bootstrap import Assembly
from quorate.runtime.durability import Found, find, forget_storage, let_recover, storage_of
from quorate.runtime.lifetime import mark_started
from quorate.storage.log_file import Owner
from quorate.storage.votes import FileJournal

A = b"a" * 32


@pytest.fixture
def cluster(tmp_path: Path) -> ClusterFolder:
    """The folders of a cluster that keeps what it says."""
    addresses = [("127.0.0.1", 7200 + index) for index in range(4)]
    return create_cluster(tmp_path / "kept", addresses, "counter", Settings(durability="sync"))


@pytest.fixture
def folder(cluster: ClusterFolder) -> ReplicaFolder:
    """One of them, of which a replica was started before."""
    folder = load_replica(cluster.replica(1))
    close(find(folder))
    mark_started(folder.path, folder.configuration.incarnation)
    return folder


def close(found: Found) -> Found:
    if found.keeper is not None:
        found.keeper.close()
    return found


def votes_of(folder: ReplicaFolder) -> Path:
    return storage_of(folder) / "votes.log"


def journal_of(folder: ReplicaFolder) -> FileJournal:
    configuration = folder.configuration
    owner = Owner(
        bytes.fromhex(configuration.cluster_id), bytes.fromhex(configuration.incarnation), folder.key_pair.public_key
    )
    journal = FileJournal(storage_of(folder), owner)
    journal.load()
    return journal


def keep(folder: ReplicaFolder) -> None:
    journal = journal_of(folder)
    journal.append([DecidedRecord(3, A)])
    journal.close()


def test_a_first_start_is_empty_and_has_a_journal_before_it_is_marked(cluster: ClusterFolder) -> None:
    folder = load_replica(cluster.replica(0))

    found = close(find(folder))

    assert (found.records, found.votes_lost, found.damage) == ([], None, None)
    assert votes_of(folder).exists()
    assert storage_of(folder).stat().st_mode & 0o777 == 0o700


def test_a_start_that_was_not_marked_is_no_loss(cluster: ClusterFolder) -> None:
    """It died between making its journal and marking its start: it had said nothing."""
    folder = load_replica(cluster.replica(0))
    close(find(folder))

    assert close(find(folder)).votes_lost is None


def test_a_second_start_finds_what_was_kept(folder: ReplicaFolder) -> None:
    keep(folder)

    found = close(find(folder))

    assert (found.records, found.votes_lost) == ([DecidedRecord(3, A)], None)


def test_a_journal_that_is_gone_is_named(folder: ReplicaFolder) -> None:
    votes_of(folder).unlink()

    found = close(find(folder))

    assert found.votes_lost == f"{votes_of(folder)}: is missing"
    assert found.records == [RecoveryRecord(False)]
    again = close(find(folder))
    assert again.votes_lost == "a recovery that it began before has not ended"
    assert again.records == [RecoveryRecord(False)]


def test_where_nobody_can_help_a_journal_that_is_gone_stays_so(tmp_path: Path) -> None:
    """Three replicas tolerate no fault."""
    addresses = [("127.0.0.1", 7300 + index) for index in range(3)]
    cluster = create_cluster(tmp_path / "three", addresses, "counter", Settings(durability="sync"))
    folder = load_replica(cluster.replica(0))
    mark_started(folder.path, folder.configuration.incarnation)

    found = close(find(folder))

    assert (found.keeper, found.votes_lost) == (None, f"{votes_of(folder)}: is missing")
    assert not votes_of(folder).exists()


def test_a_rotten_journal_is_named_and_put_aside(folder: ReplicaFolder) -> None:
    data = bytearray(votes_of(folder).read_bytes())
    data[3] ^= 1
    votes_of(folder).write_bytes(data)

    assembly = Assembly(folder)

    assert assembly.found.votes_lost == f"{votes_of(folder)}: its header is rotten, or it is no file of Quorate's"
    report = assembly.inspector.report()
    assert (report["status"], report["votes_lost"]) == ("recovering", assembly.found.votes_lost)
    assert votes_of(folder).with_name("votes.damaged").read_bytes() == data
    assert close(find(folder)).records == [RecoveryRecord(False)]


def test_another_replicas_journal_is_refused(cluster: ClusterFolder, folder: ReplicaFolder) -> None:
    other = load_replica(cluster.replica(2))
    storage_of(other).mkdir(parents=True)
    votes_of(other).write_bytes(votes_of(folder).read_bytes())

    with pytest.raises(ConfigurationError, match=r"votes\.log is not this replica's: its replica is another; move it"):
        find(other)


def test_histories_are_never_mixed(cluster: ClusterFolder, folder: ReplicaFolder) -> None:
    keep(folder)
    renew_incarnation(cluster)

    renewed = load_replica(folder.path)

    assert (close(find(renewed)).records, votes_of(folder).exists()) == ([], True)
    forget_storage(folder.path)
    assert not votes_of(folder).exists()
    forget_storage(folder.path)


def test_what_was_in_memory_is_lost_also_when_it_is_to_be_kept_from_now_on(folder: ReplicaFolder) -> None:
    votes_of(folder).unlink()
    path = folder.path / CLUSTER_FILE
    assert 'durability = "sync"' in path.read_text()

    in_memory = msgspec.structs.replace(
        folder.configuration, settings=msgspec.structs.replace(folder.configuration.settings, durability="memory")
    )

    assert find(folder._replace(configuration=in_memory)).votes_lost is not None
    assert close(find(folder)).votes_lost is not None


def test_a_folder_that_cannot_be_written_to_is_named(cluster: ClusterFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the system is made to refuse."""
    folder = load_replica(cluster.replica(3))

    def refuse(*arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(FileJournal, "rewrite", refuse)
    with pytest.raises(ConfigurationError, match=r"votes\.log cannot be written: Permission denied; a replica writes"):
        find(folder)


def test_a_file_that_may_not_be_read_is_named(folder: ReplicaFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(ConfigurationError, match=r"votes\.log cannot be read: Permission denied; give it to the user"):
        find(folder)


def test_whoever_is_to_recover_keeps_its_stable_checkpoint_and_no_vote(folder: ReplicaFolder) -> None:
    """Votes and views of the life that is not believed are put aside, and the keys' counter goes on."""
    records = [
        CheckpointRecord(4, A, A, b"tables"),
        CheckpointRecord(8, A, A, b"tables"),
        StableRecord(8, A, (b"frame",)),
        KeyRecord(77),
        ViewRecord(3, True, b"frame"),
        PreparedRecord(9, A, 3, ()),
        DecidedRecord(9, A),
    ]
    journal = journal_of(folder)
    journal.append(records)
    journal.close()
    data = votes_of(folder).read_bytes()

    let_recover(folder, is_clean=False)

    assert votes_of(folder).with_name("votes.damaged").read_bytes() == data
    kept = journal_of(folder).records()
    assert sorted(map(repr, kept)) == sorted(map(repr, [RecoveryRecord(False), *records[1:4]]))
    let_recover(folder, is_clean=True)
    assert journal_of(folder).records() == [RecoveryRecord(False)]


@pytest.mark.parametrize("is_clean", [False, True])
def test_a_folder_that_is_new_recovers_if_it_is_told_so(cluster: ClusterFolder, is_clean: bool) -> None:
    """It was made again for a disk that is new: nothing in it says that the replica ever voted."""
    new = load_replica(cluster.replica(3))

    let_recover(new, is_clean)

    assert close(find(new)).votes_lost == "a recovery that it began before has not ended"
    assert close(find(new)).records == [RecoveryRecord(False)]


def test_in_memory_a_start_that_is_not_the_first_recovers(cluster: ClusterFolder) -> None:
    folder = load_replica(cluster.replica(3))
    settings = msgspec.structs.replace(folder.configuration.settings, durability="memory")
    in_memory = folder._replace(configuration=msgspec.structs.replace(folder.configuration, settings=settings))
    assert find(in_memory).votes_lost is None

    let_recover(in_memory, is_clean=False)

    assert find(in_memory).votes_lost is not None


def test_where_none_can_be_spared_none_recovers(tmp_path: Path) -> None:
    addresses = [("127.0.0.1", 7400 + index) for index in range(3)]
    cluster = create_cluster(tmp_path / "three", addresses, "counter", Settings(durability="sync"))

    with pytest.raises(ConfigurationError, match="fewer than four replicas"):
        let_recover(load_replica(cluster.replica(0)), is_clean=False)
