"""`quorate gateway redis`: what is wrong is said before anything is served."""

from __future__ import annotations

import socket
from contextlib import closing
from pathlib import Path

from click.testing import CliRunner, Result

from quorate.cli.main import cli
from quorate.config import Settings
from quorate.folder import ClusterFolder, create_cluster


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
