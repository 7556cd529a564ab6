"""`quorate gateway redis`: what is wrong is said before anything is served."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quorate.cli.gateway import other_users, read_password
from quorate.cli.main import cli
from quorate.config import ClientEntry, Settings
from quorate.folder import ClusterFolder, create_client, create_cluster


def gateway(*arguments: str) -> Result:
    """Run the command in this process."""
    return CliRunner().invoke(cli, ["gateway", "redis", *arguments])


def test_the_help_shows_an_example() -> None:
    result = gateway("--help")

    assert result.exit_code == 0
    assert "quorate gateway redis quorate-data/client --listen" in result.output


def test_a_taken_address_names_the_option(cluster_folder: ClusterFolder) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = gateway(str(cluster_folder.client()), "--listen", address)

    assert result.exit_code == 2
    assert f"{address} is in use by another program: choose another address with --listen" in result.output


def test_an_address_that_is_none(cluster_folder: ClusterFolder) -> None:
    result = gateway(str(cluster_folder.client()), "--listen", "6379")

    assert result.exit_code == 2
    assert "--listen 6379: expected HOST:PORT" in result.output


def test_a_cluster_of_another_service(tmp_path: Path) -> None:
    addresses = [("127.0.0.1", 7100 + index) for index in range(4)]
    cluster = create_cluster(tmp_path / "cluster", addresses, "counter", Settings())

    result = gateway(str(cluster.client()))

    assert result.exit_code == 2
    assert "replicates counter; a Redis gateway needs one that replicates redis" in result.output


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    result = gateway(str(tmp_path / "absent"))

    assert result.exit_code == 2
    assert "absent" in result.output


def add_client(folder: Path, cluster: ClusterFolder, password: str | None = "secret") -> Path:
    create_client(folder, cluster.configuration, ClientEntry("shop", "0" * 64))
    if password is not None:
        (folder / "redis.password").write_text(password + "\n")
        (folder / "redis.password").chmod(0o600)
    return folder


def test_the_clients_that_auth_chooses(cluster_folder: ClusterFolder, tmp_path: Path) -> None:
    shop = add_client(tmp_path / "shop", cluster_folder)

    assert other_users((f"shop={shop}",), cluster_folder.configuration) == {b"shop": shop}
    assert read_password(shop) == b"secret"
    assert read_password(cluster_folder.path) is None
    (cluster_folder.client() / "redis.password").write_text("main")
    (cluster_folder.client() / "redis.password").chmod(0o600)
    assert read_password(cluster_folder.path) == read_password(cluster_folder.client()) == b"main"


@pytest.mark.parametrize("client", ["shop", "=shop", "shop=", "default={shop}", "shop={shop} shop={shop}"])
def test_a_client_that_is_not_named_well(cluster_folder: ClusterFolder, tmp_path: Path, client: str) -> None:
    shop = add_client(tmp_path / "shop", cluster_folder)
    options = [f"--client={word}" for word in client.format(shop=shop).split()]
    result = gateway(str(cluster_folder.client()), *options)

    assert result.exit_code == 2
    assert "write NAME=FOLDER" in result.output


def test_a_client_without_a_password(cluster_folder: ClusterFolder, tmp_path: Path) -> None:
    shop = add_client(tmp_path / "shop", cluster_folder, None)
    result = gateway(str(cluster_folder.client()), "--client", f"shop={shop}")

    assert result.exit_code == 2
    assert "redis.password does not exist: write the password" in result.output


@pytest.mark.parametrize(("password", "mode", "text"), [("", 0o600, "empty first line"), ("x", 0o644, "chmod 600")])
def test_a_password_that_is_none(
    cluster_folder: ClusterFolder, tmp_path: Path, password: str, mode: int, text: str
) -> None:
    shop = add_client(tmp_path / "shop", cluster_folder, password)
    (shop / "redis.password").chmod(mode)
    result = gateway(str(cluster_folder.client()), "--client", f"shop={shop}")

    assert result.exit_code == 2
    assert text in result.output


def test_a_client_of_another_cluster(cluster_folder: ClusterFolder, tmp_path: Path) -> None:
    other = create_cluster(tmp_path / "other", [("127.0.0.1", 7100)], "redis", Settings())
    shop = add_client(tmp_path / "shop", other)
    result = gateway(str(cluster_folder.client()), "--client", f"shop={shop}")

    assert result.exit_code == 2
    assert "is of another cluster" in result.output
