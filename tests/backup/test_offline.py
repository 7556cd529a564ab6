"""Backing up from the folder of one stopped replica, which stays as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from backup.making import NUMBER, Made, certificate_of, make_backup, make_cluster
from quorate.backup.live import Progress, Result
from quorate.backup.offline import back_up_folder, is_replicas_folder
from quorate.backup.restore import Restorer
from quorate.backup.verification import anchor_of, open_backup, verify
from quorate.errors import BackupRefused, ConfigurationError
from quorate.folder import ClusterFolder, load_cluster, load_replica
from quorate.messages.records import StableRecord
from quorate.runtime.durability import owner_of, storage_of
from quorate.runtime.lifetime import AlreadyRunning, hold_folder
from quorate.storage.votes import FileJournal


def no_passphrase(path: Path) -> str:
    raise AssertionError(f"{path} is not encrypted")


def back_up(folder: Path, file: Path) -> Result:
    steps: list[Progress] = []
    with file.open("w+b") as out:
        return back_up_folder(folder, out, steps.append, no_passphrase)


@pytest.fixture
def stopped(tmp_path: Path) -> ClusterFolder:
    """A cluster whose replicas have kept a checkpoint: it was restored, which is the quickest way to one."""
    cluster = make_cluster(tmp_path / "stopped")
    (tmp_path / "first").write_bytes(make_backup(cluster).data)
    with open_backup(tmp_path / "first") as reader:
        anchor = anchor_of(reader, cluster.path, None)
        Restorer(reader, anchor, lambda position: None, no_passphrase).into_cluster(cluster.path, False)
    return load_cluster(cluster.path)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def journal_of(folder: Path) -> FileJournal:
    replica = load_replica(folder)
    return FileJournal(storage_of(replica), owner_of(replica))


def test_what_it_kept_is_backed_up(stopped: ClusterFolder, tmp_path: Path) -> None:
    assert is_replicas_folder(stopped.replica(1))
    assert not is_replicas_folder(stopped.path)
    before = contents(stopped.replica(1))
    result = back_up(stopped.replica(1), tmp_path / "file")
    assert contents(stopped.replica(1)) == before
    assert (result.target.sequence_number, result.signers, result.liars) == (NUMBER, [0, 1, 2, 3], [])
    leaves: dict[tuple[int, ...], bytes] = {}
    with open_backup(tmp_path / "file") as reader:
        summary = verify(reader, anchor_of(reader, stopped.path, None), leaves.__setitem__, lambda position: None)
    assert (summary.sequence_number, summary.leaves) == (NUMBER, 1)


def test_a_replica_that_runs_is_left_alone(stopped: ClusterFolder, tmp_path: Path) -> None:
    with hold_folder(stopped.replica(0)), pytest.raises(AlreadyRunning):
        back_up(stopped.replica(0), tmp_path / "file")


def test_one_that_has_kept_nothing_is_told(tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path / "fresh")
    with pytest.raises(ConfigurationError, match="has kept nothing"):
        back_up(cluster.replica(0), tmp_path / "file")
    assert not (cluster.replica(0) / "storage").exists()


def test_one_without_a_stable_checkpoint_is_told(tmp_path: Path) -> None:
    cluster = make_cluster(tmp_path / "young")
    journal = journal_of(cluster.replica(0))
    journal.path.parent.mkdir(parents=True)
    journal.rewrite()
    journal.close()
    with pytest.raises(ConfigurationError, match="no stable checkpoint yet"):
        back_up(cluster.replica(0), tmp_path / "file")


@pytest.mark.parametrize("name", ["votes.log", "state-1.log"])
def test_damage_is_found_and_changes_nothing(stopped: ClusterFolder, tmp_path: Path, name: str) -> None:
    """Of the state: it is not the one that was signed."""
    path = storage_of(load_replica(stopped.replica(2))) / name
    data = bytearray(path.read_bytes())
    at = data.index(b"total") if name == "state-1.log" else 600
    data[at] ^= 0xFF
    path.write_bytes(data)
    before = contents(stopped.replica(2))
    with pytest.raises(BackupRefused, match="take another replica's folder"):
        back_up(stopped.replica(2), tmp_path / "file")
    assert contents(stopped.replica(2)) == before


def test_a_laggards_certificate_says_nothing_of_its_checkpoint(stopped: ClusterFolder, tmp_path: Path) -> None:
    """CP-5: it is stable as a quorum has passed it; the signatures are under later ones."""
    journal = journal_of(stopped.replica(3))
    journal.load()
    (stable,) = [record for record in journal.records() if isinstance(record, StableRecord)]
    later = Made(stopped, *make_backup(stopped)[1:]).target._replace(sequence_number=2 * NUMBER)
    frames = (*stable.certificate[:1], *certificate_of(stopped, later, (1, 2, 3)))
    journal.append([StableRecord(stable.sequence_number, stable.digest, frames)])
    journal.close()
    with pytest.raises(BackupRefused, match="1 of the 3 signatures that it needs; take another"):
        back_up(stopped.replica(3), tmp_path / "file")
