"""What is said of folders that lack a file, or may not be written."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from quorate import folder
from quorate.errors import ConfigurationError
from quorate.folder import ClusterFolder, load_client, load_cluster, load_replica, renew_incarnation
from quorate.services.loading import load_service


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("private.key", "restore its copy: a key that is lost cannot be made again"),
        ("replica.toml", "restore it: it says which replica this is"),
        ("cluster.toml", "copy the file from another member"),
    ],
)
def test_a_file_that_a_replica_lacks_has_its_own_remedy(cluster_folder: ClusterFolder, name: str, remedy: str) -> None:
    (cluster_folder.replica(1) / name).unlink()

    with pytest.raises(ConfigurationError, match=f"{name} does not exist; {remedy}"):
        load_replica(cluster_folder.replica(1))
    with pytest.raises(ConfigurationError, match=f"{name} does not exist; {remedy}"):
        load_cluster(cluster_folder.path)


def test_a_folder_without_any_of_them_is_no_members_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="`quorate up` makes them and starts it; then name that folder"):
        load_client(tmp_path)


def test_a_whole_clusters_folder_is_no_replicas(cluster_folder: ClusterFolder) -> None:
    with pytest.raises(
        ConfigurationError, match=r"holds a whole cluster; name one replica's folder, such as .*/replica-0"
    ):
        load_replica(cluster_folder.path)


def test_a_cluster_whose_clients_key_is_open_to_others_is_refused_as_a_whole(cluster_folder: ClusterFolder) -> None:
    key = cluster_folder.client() / "private.key"
    key.chmod(0o644)

    with pytest.raises(ConfigurationError, match="run: chmod 600"):
        load_cluster(cluster_folder.path)


def test_a_configuration_that_cannot_be_rewritten_is_named(
    cluster_folder: ClusterFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, text: str, mode: int) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder, "replace_file", refuse)

    with pytest.raises(ConfigurationError, match=r"replica-0/cluster.toml cannot be written: Permission denied"):
        renew_incarnation(cluster_folder)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def x(:", r"cannot be made: SyntaxError: .*\(own_broken_service.py, line 1\); mend it"),
        ("raise RuntimeError('at import')", r"RuntimeError: at import \(.*own_broken_service.py, line 1\); mend it"),
        (
            "class Mine:\n    def __init__(self):\n        raise ValueError('no disk')",
            r"ValueError: no disk \(.*own_broken_service.py, line 3\)",
        ),
        (
            "from quorate.services.counter import CounterService\nclass Mine(CounterService):\n    digest = None",
            "is no quorate.Service: it lacks digest",
        ),
    ],
)
def test_a_service_of_ones_own_that_is_broken_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    (tmp_path / "own_broken_service.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "own_broken_service", raising=False)

    with pytest.raises(ConfigurationError, match=message):
        load_service("own_broken_service:Mine")
