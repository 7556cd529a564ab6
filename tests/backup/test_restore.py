"""Restoring: all replicas begin with the backup's state, in a history of their own, or nothing is changed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from backup.making import (
    NUMBER,
    SYNC,
    TIME,
    Made,
    certificate_of,
    client_of,
    make_backup,
    make_cluster,
    recovered,
    tables_of,
)
from quorate import folder as folders
from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.backup import restore as restoring
from quorate.backup.restore import UNFINISHED_FILE, Restored, Restorer, Wanted
from quorate.backup.verification import anchor_of, open_backup
from quorate.config import Settings
from quorate.core.effects import SendReply
from quorate.core.replica import Replica
from quorate.core.tables import TablesSnapshot
from quorate.errors import AuthenticationFailed, BackupRefused, ConfigurationError
from quorate.folder import ClusterFolder, load_client, load_cluster, load_replica, renew_incarnation
from quorate.messages.access import AccessRow, Grant, decode_rows, encode_access
from quorate.messages.protocol import Outcome, Reply, Request
from quorate.runtime.durability import NOT_RESTORED, find, storage_of
from quorate.runtime.lifetime import AlreadyRunning, hold_folder, mark_started
from quorate.services.counter import CounterService

OTHER_ADDRESSES = [("127.0.0.1", 7200 + number) for number in range(4)]
WANTED = Wanted(OTHER_ADDRESSES, SYNC, None)


def no_passphrase(path: Path) -> str:
    raise AssertionError(f"{path} is not encrypted")


def restore_new(file: Path, directory: Path, keys: Path, wanted: Wanted = WANTED) -> Restored:
    with open_backup(file) as reader:
        restorer = Restorer(reader, anchor_of(reader, keys, None), lambda position: None, no_passphrase)
        return restorer.into_new_folder(directory, wanted)


def restore_into(file: Path, directory: Path, keys: Path, may_replace: bool = False) -> Restored:
    with open_backup(file) as reader:
        restorer = Restorer(reader, anchor_of(reader, keys, None), lambda position: None, no_passphrase)
        return restorer.into_cluster(directory, may_replace)


def start(folder: Path) -> Replica:
    """The rules of a replica, from what its folder holds."""
    replica = load_replica(folder)
    found = find(replica)
    assert found.votes_lost is None
    assert found.damage is None
    assert found.keeper is not None
    found.keeper.close()
    authenticator = ReplicaAuthenticator(replica.replica_id, replica.key_pair, replica.configuration)
    return Replica(replica.replica_id, replica.configuration, found.service, authenticator, found.records)


def assert_begins(cluster: ClusterFolder, digest: bytes) -> None:
    """All replicas hold the one checkpoint, and lack nothing."""
    for folder in cluster.replicas():
        report = start(folder).report()
        assert (report.state_digest, report.stable_checkpoint, report.last_executed) == (digest.hex(), NUMBER, NUMBER)
        assert not report.needs_state


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "lock"
    }


@pytest.fixture
def own(tmp_path: Path) -> ClusterFolder:
    """A cluster that a test may change; it has run."""
    cluster = make_cluster(tmp_path / "own")
    for folder in cluster.replicas():
        replica = load_replica(folder)
        find(replica)
        mark_started(folder, replica.configuration.incarnation)
    return cluster


@pytest.fixture
def own_file(own: ClusterFolder, tmp_path: Path) -> Path:
    path = tmp_path / "own.backup"
    path.write_bytes(make_backup(own).data)
    return path


def test_a_new_folder_begins_with_the_backup(file: Path, made: Made, tmp_path: Path) -> None:
    restored = restore_new(file, tmp_path / "new", made.cluster.path)

    cluster = load_cluster(tmp_path / "new")
    assert_begins(cluster, restored.digest)
    configuration = cluster.configuration
    assert [(member.host, member.port) for member in configuration.replicas] == OTHER_ADDRESSES
    assert not {one.public_key for one in configuration.replicas} & {
        one.public_key for one in made.cluster.configuration.replicas
    }
    assert configuration.cluster_id != made.cluster.configuration.cluster_id
    assert restored.digest != made.target.digest, "the new client stands in the access table"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_old_and_new_clients_may_use_it(file: Path, made: Made, tmp_path: Path) -> None:
    """The old ones with their keys and the new cluster.toml, which lists them."""
    restored = restore_new(file, tmp_path / "new", made.cluster.path)
    (tmp_path / "new" / "client" / "private.key").replace(tmp_path / "kept.key")
    (tmp_path / "new" / "client" / "private.key").write_bytes((made.cluster.client() / "private.key").read_bytes())
    (tmp_path / "new" / "client" / "private.key").chmod(0o600)
    old, _ = load_client(tmp_path / "new")

    tables = start(restored.cluster.replica(0)).core.tables
    assert tables.may_administer(old.public_key)
    names = {row.grant.name: row.grant for row in decode_rows(tables.access.encode())}
    assert names.keys() == {"client", "client-2"}
    assert restored.administrator == "client-2"
    assert names["client-2"].is_administrator


def test_a_cluster_of_another_size(file: Path, made: Made, tmp_path: Path) -> None:
    seven = [("127.0.0.1", 7300 + number) for number in range(7)]
    restored = restore_new(file, tmp_path / "new", made.cluster.path, WANTED._replace(addresses=seven))
    assert restored.cluster.configuration.replica_count == 7
    assert_begins(load_cluster(tmp_path / "new"), restored.digest)


def test_keys_are_encrypted_when_asked(file: Path, made: Made, tmp_path: Path) -> None:
    restore_new(file, tmp_path / "new", made.cluster.path, WANTED._replace(passphrase="a secret"))
    load_cluster(tmp_path / "new", lambda path: "a secret")
    with pytest.raises(ConfigurationError):
        load_cluster(tmp_path / "new", lambda path: "another")


def test_a_cluster_that_has_run_is_replaced_on_demand_only(own: ClusterFolder, own_file: Path, made: Made) -> None:
    before = contents(own.path)
    with pytest.raises(ConfigurationError, match="--replace it"):
        restore_into(own_file, own.path, own.path)
    assert contents(own.path) == before

    restored = restore_into(own_file, own.path, own.path, may_replace=True)

    cluster = load_cluster(own.path)
    assert_begins(cluster, restored.digest)
    assert restored.digest == make_backup(own).target.digest, "nothing is changed in it"
    assert restored.administrator is None
    assert replace(cluster.configuration, incarnation=own.configuration.incarnation, restored=False) == (
        own.configuration
    )
    assert cluster.configuration.incarnation != own.configuration.incarnation
    for folder in cluster.replicas():
        assert [path.name for path in (folder / "storage").iterdir()] == [cluster.configuration.incarnation]
    assert not (own.path / UNFINISHED_FILE).exists()


def test_a_cluster_that_was_only_made_takes_it(file: Path, made: Made, tmp_path: Path) -> None:
    """`quorate init` for new machines, then `quorate restore`: its client becomes an administrator."""
    fresh = make_cluster(tmp_path / "fresh")
    restored = restore_into(file, fresh.path, made.cluster.path)
    assert restored.administrator == "client-2"
    assert_begins(load_cluster(fresh.path), restored.digest)
    assert start(fresh.replica(1)).core.tables.may_administer(client_of(fresh.configuration))


def test_a_running_cluster_is_left_alone(own: ClusterFolder, own_file: Path) -> None:
    before = contents(own.path)
    with hold_folder(own.replica(2)), pytest.raises(AlreadyRunning, match="replica-2 runs already"):
        restore_into(own_file, own.path, own.path, may_replace=True)
    assert contents(own.path) == before


def test_a_damaged_backup_changes_nothing(own: ClusterFolder, own_file: Path, tmp_path: Path) -> None:
    before = contents(own.path)
    own_file.write_bytes(own_file.read_bytes()[:-1] + b"\0")
    with pytest.raises(BackupRefused):
        restore_into(own_file, own.path, own.path, may_replace=True)
    assert contents(own.path) == before
    with pytest.raises(BackupRefused):
        restore_new(own_file, tmp_path / "new", own.path)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("step", ["_write", "_read_back", "_list_clients", "_sync_all"])
def test_a_failure_leaves_no_new_folder(
    file: Path, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(restoring, step, failing(getattr(restoring, step), 1 if step[1] in "ls" else 3))
    with pytest.raises(ConfigurationError, match="No space left"):
        restore_new(file, tmp_path / "new", made.cluster.path)
    assert {path.name for path in tmp_path.iterdir()} == {"shop.backup"}


@pytest.mark.parametrize("step", ["_write", "_read_back"])
def test_a_failure_leaves_the_present_cluster_as_it_is(
    own: ClusterFolder, own_file: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    before = contents(own.path)
    monkeypatch.setattr(restoring, step, failing(getattr(restoring, step), 3))
    with pytest.raises(ConfigurationError, match="is as it was: No space left"):
        restore_into(own_file, own.path, own.path, may_replace=True)
    assert contents(own.path) == before


@pytest.mark.parametrize("survivors", range(6))
def test_a_change_over_that_was_cut_off_is_told_and_mended(
    own: ClusterFolder, own_file: Path, monkeypatch: pytest.MonkeyPatch, survivors: int
) -> None:
    """It ends after so many files were rewritten: what was there is still there, and doing it again mends it."""
    monkeypatch.setattr(folders, "replace_file", failing(folders.replace_file, survivors + 1))
    monkeypatch.setattr(restoring, "forget_start", failing(restoring.forget_start, 1))
    old = {path.name: contents(storage_of(load_replica(path))) for path in own.replicas()}
    with pytest.raises(ConfigurationError, match="No space left"):
        restore_into(own_file, own.path, own.path, may_replace=True)
    assert (own.path / UNFINISHED_FILE).exists()
    for path in own.replicas():
        assert contents(path / "storage" / own.configuration.incarnation) == old[path.name]
    monkeypatch.undo()

    restored = restore_into(own_file, own.path, own.path, may_replace=True)
    assert_begins(load_cluster(own.path), restored.digest)
    assert not (own.path / UNFINISHED_FILE).exists()


def failing(function: Callable[..., object], at: int) -> Callable[..., object]:
    """The same function, but its call number *at* finds the disk full."""
    calls = iter(range(1, 1000))

    def call(*arguments: object) -> object:
        if next(calls) == at:
            raise OSError(28, os.strerror(28))
        return function(*arguments)

    return call


# ------------------------------------------------------------------------------------------ what a history is


def test_what_was_executed_is_not_executed_again(own: ClusterFolder, own_file: Path) -> None:
    """The client table came along: a client that signs the same request anew gets the reply that it got."""
    restore_into(own_file, own.path, own.path, may_replace=True)
    key_pair, configuration = load_client(own.path)
    replica = start(own.replica(0))
    client = ClientAuthenticator(key_pair, configuration)
    frame = client.seal(Request(client.client_id, 100 * 1024, 9, (b"add 5",)))
    replica.receive(replica.core.auth.open(frame), 1, TIME)
    replies = [effect.message for effect in replica.settle(1, TIME) if isinstance(effect, SendReply)]
    assert [(reply.outcome, reply.results) for reply in replies if isinstance(reply, Reply)] == [
        (Outcome.EXECUTED, (b"5",))
    ]


def test_nothing_of_the_old_history_counts(own: ClusterFolder, own_file: Path) -> None:
    """Neither a client's request nor a replica's vote, though the keys are the same."""
    key_pair, configuration = load_client(own.path)
    request = ClientAuthenticator(key_pair, configuration).seal(Request(key_pair.public_key, 0, 2**60, ()))
    old = load_replica(own.replica(1))
    (vote, *_) = find_certificate(own)
    restore_into(own_file, own.path, own.path, may_replace=True)
    replica = start(own.replica(0))
    for frame in (request, vote):
        with pytest.raises(AuthenticationFailed):
            replica.core.auth.open(frame)
        ReplicaAuthenticator(1, old.key_pair, configuration).open(frame)


def find_certificate(cluster: ClusterFolder) -> tuple[bytes, ...]:
    return certificate_of(cluster, make_backup(cluster).target)


def test_the_certificate_is_one_of_the_new_history(own: ClusterFolder, own_file: Path) -> None:
    """So a replica that is wiped later believes its peers."""
    restore_into(own_file, own.path, own.path, may_replace=True)
    replica = start(own.replica(0))
    signers = {
        replica.core.auth.open(frame).message.replica  # type: ignore[union-attr]
        for frame in replica.core.checkpoints.stable_certificate
    }
    assert signers == {0, 1, 2, 3}


def test_nobody_has_recovered_yet(tmp_path: Path, cluster: ClusterFolder) -> None:
    """Else the replicas would ask each other for keys and epochs of a history that is over."""
    tables = recovered(tables_of(cluster.configuration), 1, 100)
    target = make_backup(cluster, tables=tables, certificate=()).target
    file = tmp_path / "file"
    frames = certificate_of(cluster, target, epochs={1: 100})
    file.write_bytes(make_backup(cluster, tables=tables, certificate=frames).data)
    restored = restore_new(file, tmp_path / "new", cluster.path)
    assert_begins(load_cluster(tmp_path / "new"), restored.digest)
    rules = start(restored.cluster.replica(1))
    assert rules.core.tables.recoveries.rows == {}
    assert rules.core.epoch == 0


def test_a_folder_without_its_storage_has_lost_its_votes(own: ClusterFolder, own_file: Path) -> None:
    """Somebody copied cluster.toml alone. It recovers from the others; it does not begin empty where they did not."""
    restore_into(own_file, own.path, own.path, may_replace=True)
    folder = load_replica(own.replica(0))
    (storage_of(folder) / "votes.log").unlink()
    found = find(folder)
    assert "votes.log: is missing" in (found.votes_lost or "")
    assert found.keeper is not None
    found.keeper.close()
    in_memory = replace(folder.configuration, settings=replace(folder.configuration.settings, durability="memory"))
    assert find(folder._replace(configuration=in_memory)).votes_lost == NOT_RESTORED


def test_a_history_that_starts_empty_says_so(own: ClusterFolder, own_file: Path) -> None:
    restore_into(own_file, own.path, own.path, may_replace=True)
    assert load_cluster(own.path).configuration.restored
    renew_incarnation(load_cluster(own.path))
    assert not load_cluster(own.path).configuration.restored


# ------------------------------------------------------------------------------------------------ what does not fit


@pytest.mark.parametrize(
    ("settings", "words"),
    [(Settings(durability="memory"), "keeps nothing"), (replace(SYNC, checkpoint_interval=100), "no multiple")],
)
def test_settings_that_do_not_fit(file: Path, made: Made, tmp_path: Path, settings: Settings, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        restore_new(file, tmp_path / "new", made.cluster.path, WANTED._replace(settings=settings))
    assert not (tmp_path / "new").exists()


def test_another_service_is_refused(file: Path, made: Made, tmp_path: Path) -> None:
    other = make_cluster(tmp_path / "other", service="redis")
    with pytest.raises(ConfigurationError, match="replicates redis"):
        restore_into(file, other.path, made.cluster.path)


def test_a_filled_folder_is_left_alone(file: Path, made: Made, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "precious").write_text("mine")
    with pytest.raises(ConfigurationError, match="not an empty folder"):
        restore_new(file, tmp_path / "mine", made.cluster.path)


def with_rows(tables: TablesSnapshot, *more: AccessRow) -> TablesSnapshot:
    rows = sorted((*decode_rows(tables.access), *more), key=lambda row: row.grant.public_key)
    return replace(tables, access=encode_access(tuple(rows)))


def test_a_client_that_was_revoked_does_not_come_back(tmp_path: Path, cluster: ClusterFolder) -> None:
    fresh = make_cluster(tmp_path / "fresh")
    gone = AccessRow(Grant(client_of(fresh.configuration), "gone"), 5)
    file = tmp_path / "file"
    file.write_bytes(make_backup(cluster, tables=with_rows(tables_of(cluster.configuration), gone)).data)
    with pytest.raises(ConfigurationError, match="was revoked"):
        restore_into(file, fresh.path, cluster.path)


def test_a_client_whose_prefixes_are_no_text_is_named(tmp_path: Path, cluster: ClusterFolder) -> None:
    odd = AccessRow(Grant(b"k" * 32, "odd", prefixes=(b"\xff",)))
    file = tmp_path / "file"
    file.write_bytes(make_backup(cluster, tables=with_rows(tables_of(cluster.configuration), odd)).data)
    assert restore_new(file, tmp_path / "new", cluster.path).left_out == ["odd"]


def test_a_service_that_makes_another_state_of_it_is_refused(
    file: Path, made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one of another version may."""
    install = CounterService.install

    def empty(self: CounterService, number: int, leaves: dict[tuple[int, ...], bytes]) -> None:
        install(self, number, dict.fromkeys(leaves, b""))

    monkeypatch.setattr(CounterService, "install", empty)
    with pytest.raises(BackupRefused, match="another state of it"):
        restore_new(file, tmp_path / "new", made.cluster.path)
