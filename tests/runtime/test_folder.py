"""The folders of a cluster: made whole, read strictly, refused with the remedy."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import msgspec
import pytest

from quorate.config import SETTING_COMMENTS, ClientEntry, Settings
from quorate.errors import ConfigurationError
from quorate.folder import (
    ClusterFolder,
    create_cluster,
    load_client,
    load_cluster,
    load_replica,
    render_configuration,
    renew_incarnation,
)
from quorate.messages.access import CLIENTS_MAX

ADDRESSES = [("127.0.0.1", 7100 + index) for index in range(4)]


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_what_was_made_is_what_is_read(cluster_folder: ClusterFolder) -> None:
    configuration = cluster_folder.configuration

    assert load_cluster(cluster_folder.path) == cluster_folder
    assert load_client(cluster_folder.client())[1] == configuration
    for replica_id, path in enumerate(cluster_folder.replicas()):
        replica = load_replica(path)
        assert replica.replica_id == replica_id
        assert replica.configuration == configuration
        assert replica.key_pair.public_key.hex() == configuration.replicas[replica_id].public_key


def test_a_clients_folder_is_found_in_the_clusters(cluster_folder: ClusterFolder) -> None:
    inside, _ = load_client(cluster_folder.client())
    above, _ = load_client(str(cluster_folder.path))

    assert inside.public_key == above.public_key


def test_only_the_owner_can_enter_and_read_keys(cluster_folder: ClusterFolder) -> None:
    for folder in [*cluster_folder.replicas(), cluster_folder.client()]:
        assert mode_of(folder) == 0o700
        assert mode_of(folder / "private.key") == 0o600


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_an_open_key_is_refused_with_the_command_that_closes_it(cluster_folder: ClusterFolder, mode: int) -> None:
    path = cluster_folder.client() / "private.key"
    path.chmod(mode)

    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}"):
        load_client(cluster_folder.client())


def test_every_setting_has_a_comment() -> None:
    assert set(SETTING_COMMENTS) == set(Settings.__struct_fields__)


def test_the_text_is_toml_and_says_everything(cluster_folder: ClusterFolder) -> None:
    content = tomllib.loads(render_configuration(cluster_folder.configuration))

    assert content == msgspec.json.decode(msgspec.json.encode(cluster_folder.configuration))


def test_a_filled_folder_is_left_alone(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    directory.mkdir()
    (directory / "precious").write_text("mine")

    with pytest.raises(ConfigurationError, match="is not an empty folder"):
        create_cluster(directory, ADDRESSES, "redis", Settings())

    assert [path.name for path in tmp_path.rglob("*")] == ["cluster", "precious"]


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    directory = tmp_path / "cluster"
    directory.mkdir()

    create_cluster(directory, ADDRESSES, "redis", Settings())

    assert load_cluster(directory).configuration.replica_count == 4


def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)

    with pytest.raises(ConfigurationError, match="No space left on device"):
        create_cluster(tmp_path / "cluster", ADDRESSES, "redis", Settings())

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("addresses", "message"),
    [([], "1 to 64 replicas, not 0"), (ADDRESSES * 17, "1 to 64"), (ADDRESSES[:1] * 4, "share an address")],
)
def test_impossible_groups_are_refused(tmp_path: Path, addresses: list[tuple[str, int]], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        create_cluster(tmp_path / "cluster", addresses, "redis", Settings())


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("checkpoint_interval = 128", "checkpoint_interval = 0", "settings.checkpoint_interval: Expected `int` >= 1"),
        ("batches_in_flight", "batches_in_fligt", "settings: Object contains unknown field `batches_in_fligt`"),
        ("port = 7102", "port = 'x'", r"replicas\[2\].port: Expected `int`, got `str`"),
        ("[settings]", "[settings", "is not TOML"),
        ("format = 1", "format = 2", "has format 2; this version of Quorate reads format 1: use a newer version"),
        ("format = 1", "format = 0", "has format 0"),
        ("key_refresh_ms = 0", "key_refresh_ms = 999", "key_refresh_ms must be 0, or at least 10 times"),
        ("batch_bytes_max = 4194304", "batch_bytes_max = 4000", "batch_bytes_max must be at least request_bytes_max"),
        (
            "waiting_bytes_per_client_max = 16777216",
            "waiting_bytes_per_client_max = 5000",
            "at least request_bytes_max",
        ),
    ],
)
def test_a_bad_file_is_named_with_its_field(cluster_folder: ClusterFolder, old: str, new: str, message: str) -> None:
    path = cluster_folder.client() / "cluster.toml"
    edit(path, old, new)

    with pytest.raises(ConfigurationError, match=message) as raised:
        load_client(cluster_folder.client())

    assert str(raised.value).startswith(str(path))


@pytest.mark.parametrize(("count", "prefixes"), [(CLIENTS_MAX + 1, ()), (200, ("é" * 128,) * 16)])
def test_more_clients_than_the_access_table_holds_are_refused(
    cluster_folder: ClusterFolder, count: int, prefixes: tuple[str, ...]
) -> None:
    clients = tuple(ClientEntry(f"c{number}", f"{number:064x}", prefixes=prefixes) for number in range(count))
    with pytest.raises(ConfigurationError, match="there are up to 4096 clients, their rows with 524288 bytes"):
        msgspec.structs.replace(cluster_folder.configuration, clients=clients)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"cluster.toml does not exist; `quorate init` makes"):
        load_client(tmp_path)


@pytest.mark.parametrize("content", ["", "ab", "zz" * 32, "ab" * 31])
def test_a_damaged_key_is_refused_and_not_shown(cluster_folder: ClusterFolder, content: str) -> None:
    (cluster_folder.client() / "private.key").write_text(content)

    with pytest.raises(ConfigurationError, match=r"private\.key") as raised:
        load_client(cluster_folder.client())

    assert not content or content not in str(raised.value)


def test_a_replicas_key_is_no_clients(cluster_folder: ClusterFolder) -> None:
    with pytest.raises(ConfigurationError, match="is not the key of a client"):
        load_client(cluster_folder.replica(0))


def test_a_replica_has_its_own_key(cluster_folder: ClusterFolder) -> None:
    edit(cluster_folder.replica(0) / "replica.toml", "replica_id = 0", "replica_id = 1")

    with pytest.raises(ConfigurationError, match="is not the key of replica 1"):
        load_replica(cluster_folder.replica(0))


def test_a_replica_is_one_of_the_cluster(cluster_folder: ClusterFolder) -> None:
    edit(cluster_folder.replica(0) / "replica.toml", "replica_id = 0", "replica_id = 4")

    with pytest.raises(ConfigurationError, match="the cluster has the replicas 0 to 3"):
        load_replica(cluster_folder.replica(0))


def test_members_that_disagree_are_refused(cluster_folder: ClusterFolder) -> None:
    edit(cluster_folder.replica(2) / "cluster.toml", "checkpoint_interval = 128", "checkpoint_interval = 64")

    with pytest.raises(ConfigurationError, match="differ"):
        load_cluster(cluster_folder.path)


def test_a_new_incarnation_changes_nothing_else(cluster_folder: ClusterFolder) -> None:
    for folder in [*cluster_folder.replicas(), cluster_folder.client()]:
        edit(folder / "cluster.toml", "[settings]", "# mine\n[settings]")

    renewed = renew_incarnation(cluster_folder)

    assert renewed.configuration.incarnation != cluster_folder.configuration.incarnation
    assert load_cluster(cluster_folder.path) == renewed
    assert load_replica(cluster_folder.replica(3)).configuration == renewed.configuration
    assert "# mine" in (cluster_folder.replica(3) / "cluster.toml").read_text()
