"""The command line without a cluster: help, init, and how mistakes end."""

from __future__ import annotations

import asyncio
import itertools
import os
import socket
import stat
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from msgspec.structs import replace

from quorate.cli import addresses
from quorate.cli.addresses import free_ports
from quorate.cli.bench import Load
from quorate.cli.gateway import connects
from quorate.cli.main import COMMANDS, cli
from quorate.errors import InvariantViolation, RequestFailed
from quorate.folder import ClusterFolder, load_cluster
from quorate.runtime.lifetime import has_started, hold_folder, mark_started


def quorate(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="quorate")


def test_the_help_lists_all_commands_and_imports_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in COMMANDS.values():
        monkeypatch.setitem(sys.modules, command.target.partition(":")[0], None)

    result = quorate("--help")

    assert result.exit_code == 0
    assert all(name in result.output for name in COMMANDS)
    assert "Exit codes" in result.output


def test_a_command_that_cannot_be_imported_does_not_hurt_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "quorate.cli.sim", None)

    assert quorate("init", str(tmp_path / "c"), "--service", "counter").exit_code == 0


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ("generals", "gateway", "client")])
def test_every_commands_help_has_an_example_and_exit_codes(name: str) -> None:
    result = quorate(name, "--help")

    assert result.exit_code == 0
    assert f"quorate {name}" in result.output.partition("Example:")[2]
    assert "Exit codes:" in result.output


def test_the_version_is_that_of_the_package() -> None:
    assert quorate("--version").output.startswith("quorate, version 0.")


def test_an_unknown_command_is_a_mistake_of_use() -> None:
    result = quorate("destroy")

    assert result.exit_code == 2
    assert "No such command 'destroy'" in result.output


def test_init_makes_the_folders_and_says_what_to_do(tmp_path: Path) -> None:
    directory = tmp_path / "shop"
    hosts = [part for index in range(7) for part in ("--host", f"10.0.0.{index}")]

    result = quorate("init", str(directory), "--replicas", "7", *hosts, "--replica-authentication", "signature")

    assert result.exit_code == 0, result.output
    configuration = load_cluster(directory).configuration
    assert [(member.host, member.port) for member in configuration.replicas] == [
        (f"10.0.0.{index}", 7100 + index) for index in range(7)
    ]
    assert configuration.settings.replica_authentication == "signature"
    assert "7 replicas, of which 2 may crash or lie" in result.output
    assert f"quorate replica {directory / 'replica-6'}" in result.output
    assert stat.S_IMODE((directory / "client" / "private.key").stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--replicas", "0"], "0 is not in the range 1<=x<=64"),
        (["--host", "a", "--host", "b"], "--host was given 2 times: give it once, or once for each of 4"),
        (["--port-base", "65533"], "--port-base 65533 leaves no 4 ports: choose 1 to 65532"),
        (["--service", "nonsense"], "there is no service 'nonsense'"),
        (["--service", ":Mine"], "there is no service ':Mine'"),
        (["--host", ""], "--host '': expected a machine's name or address"),
        (["--host", "two words"], "--host 'two words': expected a machine's name or address"),
    ],
)
def test_init_refuses_what_cannot_be(tmp_path: Path, options: list[str], message: str) -> None:
    result = quorate("init", str(tmp_path / "c"), *options)

    assert result.exit_code == 2
    assert message in result.output
    assert list(tmp_path.iterdir()) == []


def test_init_overwrites_nothing(cluster_folder: ClusterFolder) -> None:
    result = quorate("init", str(cluster_folder.path), "--service", "counter")

    assert result.exit_code == 2
    assert "exists and is not an empty folder" in result.output
    assert load_cluster(cluster_folder.path) == cluster_folder


def test_init_renews_a_cluster_and_says_what_to_copy(cluster_folder: ClusterFolder) -> None:
    before = {path: path.read_bytes() for path in sorted(cluster_folder.path.rglob("*")) if path.is_file()}
    for folder in cluster_folder.replicas():
        mark_started(folder, cluster_folder.configuration.incarnation)

    result = quorate("init", str(cluster_folder.path), "--renew")

    assert result.exit_code == 0, result.output
    renewed = load_cluster(cluster_folder.path).configuration
    assert renewed.incarnation != cluster_folder.configuration.incarnation
    assert replace(renewed, incarnation=cluster_folder.configuration.incarnation) == cluster_folder.configuration
    changed = {path.name for path, content in before.items() if path.read_bytes() != content}
    assert changed == {"cluster.toml"}
    for replica_id, folder in enumerate(cluster_folder.replicas()):
        assert not has_started(folder, renewed.incarnation)
        assert f"{folder / 'cluster.toml'}  to 127.0.0.1, into the folder of replica {replica_id}" in result.output
    assert f"{cluster_folder.client() / 'cluster.toml'}  to wherever a client or a gateway runs" in result.output


def test_init_renews_nothing_that_runs(cluster_folder: ClusterFolder) -> None:
    for folder in (cluster_folder.replica(3), cluster_folder.path):
        with hold_folder(folder):
            result = quorate("init", str(cluster_folder.path), "--renew")

        assert result.exit_code == 2
        assert f"{folder} runs already (pid {os.getpid()}); stop that process first" in result.output
        assert load_cluster(cluster_folder.path) == cluster_folder


@pytest.mark.parametrize("option", [["--replicas", "4"], ["--host", "127.0.0.1"], ["--service", "counter"]])
def test_init_renews_without_other_changes(cluster_folder: ClusterFolder, option: list[str]) -> None:
    result = quorate("init", str(cluster_folder.path), "--renew", *option)

    assert result.exit_code == 2
    assert f"--renew keeps everything but the incarnation: leave out {option[0]}" in result.output
    assert load_cluster(cluster_folder.path) == cluster_folder


def test_init_renews_only_what_is_a_cluster(tmp_path: Path) -> None:
    result = quorate("init", str(tmp_path / "none"), "--renew")

    assert result.exit_code == 2
    assert "cluster.toml does not exist" in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [["status"], ["bench"], ["invoke", "-", "--", "GET", "k"], ["replica", "-"]],
    ids=lambda words: words[0],
)
def test_a_folder_that_is_none_is_bad_input(arguments: list[str], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)

    result = quorate(*arguments)

    assert result.exit_code == 2
    assert "cluster.toml does not exist; `quorate init` makes the folders" in result.output


def test_up_refuses_another_number_of_replicas_or_another_service(cluster_folder: ClusterFolder) -> None:
    replicas = quorate("up", "--dir", str(cluster_folder.path), "--replicas", "7")
    service = quorate("up", "--dir", str(cluster_folder.path), "--service", "counter")

    assert (replicas.exit_code, service.exit_code) == (2, 2)
    assert "holds a cluster of 4 replicas, not 7: leave out --replicas" in replicas.output
    assert "replicates redis, not counter: leave out --service" in service.output


def test_up_makes_nothing_for_a_service_that_is_none(tmp_path: Path) -> None:
    result = quorate("up", "--dir", str(tmp_path / "c"), "--service", "nonsense")

    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []


def test_up_says_where_a_folder_that_holds_no_cluster_goes_wrong(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()

    result = quorate("up", "--dir", str(tmp_path))

    assert result.exit_code == 2
    assert "is not empty, and no cluster's folder; choose another --dir" in result.output


def test_up_says_that_the_cluster_runs_before_it_looks_at_ports(cluster_folder: ClusterFolder) -> None:
    with hold_folder(cluster_folder.path), socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        result = quorate("up", "--dir", str(cluster_folder.path), "--redis", address)

    assert result.exit_code == 2
    assert f"{cluster_folder.path} runs already (pid " in result.output


def test_up_starts_nothing_without_the_clients_key(cluster_folder: ClusterFolder) -> None:
    (cluster_folder.client() / "private.key").unlink()

    result = quorate("up", "--dir", str(cluster_folder.path), "--no-redis")

    assert result.exit_code == 2
    assert "private.key does not exist; restore its copy" in result.output
    assert "all processes have stopped" not in result.output


def test_up_starts_nothing_for_a_service_that_cannot_be_loaded(cluster_folder: ClusterFolder) -> None:
    for path in cluster_folder.path.glob("*/cluster.toml"):
        path.write_text(path.read_text().replace('service = "redis"', 'service = "no_such_module_of_ours:Mine"'))

    result = quorate("up", "--dir", str(cluster_folder.path))

    assert result.exit_code == 2
    assert "cluster.toml: service 'no_such_module_of_ours:Mine': No module named" in result.output


def test_up_sends_a_cluster_of_several_machines_to_quorate_replica(tmp_path: Path) -> None:
    directory = str(tmp_path / "c")
    quorate("init", directory, "--host", "192.0.2.1")

    result = quorate("up", "--dir", directory, "--no-redis")

    assert result.exit_code == 2
    assert "replica 0 cannot listen on 192.0.2.1:7100: Cannot assign requested address" in result.output
    assert "start `quorate replica`" in result.output


def test_up_gives_no_new_replica_the_port_of_its_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:  # `free_ports` would hold it against `up`
        port = probe.getsockname()[1]
    monkeypatch.setattr(addresses, "_LOW", port)
    monkeypatch.setattr(addresses, "_HIGH", port + 1)

    result = quorate("up", "--dir", str(tmp_path / "c"), "--replicas", "1", "--redis", f"127.0.0.1:{port}")

    assert result.exit_code == 2
    assert "no 1 ports between" in result.output
    assert not (tmp_path / "c").exists()


def test_up_gives_no_gateway_the_address_of_a_replica(tmp_path: Path) -> None:
    directory, base = tmp_path / "c", free_ports(1)[0]
    assert quorate("init", str(directory), "--replicas", "1", "--port-base", str(base)).exit_code == 0

    result = quorate("up", "--dir", str(directory), "--redis", f"127.0.0.1:{base}")

    assert result.exit_code == 2
    assert f"--redis 127.0.0.1:{base}: replica 0 listens there; name another port" in result.output


def test_a_port_of_another_machine_is_no_remedy_for_one_of_its_ports(tmp_path: Path) -> None:
    result = quorate("up", "--dir", str(tmp_path / "c"), "--redis", "192.0.2.1:6379")

    assert result.exit_code == 2
    assert "name another, for example --redis 127.0.0.1:6379" in result.output


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
@pytest.mark.parametrize("command", [["status", "-"], ["invoke", "-", "GET"], ["gateway", "redis", "-"]], ids=" ".join)
def test_a_time_is_a_positive_number_of_seconds(command: list[str], value: str) -> None:
    result = quorate(*command[:-1], f"--timeout={value}", command[-1])

    assert result.exit_code == 2
    assert "'--timeout'" in result.output


@pytest.mark.parametrize(
    ("operation", "message"),
    [("GET 'a", "No closing quotation; quote it as in a shell"), (" ", "--operation is empty")],
)
def test_bench_refuses_what_is_no_operation(cluster_folder: ClusterFolder, operation: str, message: str) -> None:
    result = quorate("bench", str(cluster_folder.path), "--operation", operation)

    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("words", [["--tiemout", "5", "GET", "k"], ["INCRBY", "k", "-5"]])
def test_an_option_of_invoke_that_is_none_is_no_part_of_the_operation(
    cluster_folder: ClusterFolder, words: list[str]
) -> None:
    result = quorate("invoke", str(cluster_folder.client()), *words)

    wrong = next(word for word in words if word.startswith("-"))
    assert result.exit_code == 2
    assert "No such option" in result.output
    assert f"If {wrong} is part" in result.output
    assert "is part of the operation, write -- before the operation." in " ".join(result.output.split())


def test_bench_says_that_it_waits() -> None:
    """A cluster without a quorum answers nothing, and a pipe shows no progress bar."""

    class Silent:
        configuration = SimpleNamespace(service="counter")

        async def invoke(self, operation: bytes, timeout: float) -> bytes:
            await said.wait()
            raise RequestFailed("no answer")

    async def scenario() -> None:
        with pytest.raises(RequestFailed, match="no answer"):
            await Load(Silent(), itertools.repeat(b"add 1")).await_first(said.set, 0.01)  # type: ignore[arg-type]

    said = asyncio.Event()
    asyncio.run(scenario())


def test_bench_measures_no_refusals() -> None:
    class Refusing:
        configuration = SimpleNamespace(service="redis")

        async def invoke(self, operation: bytes, timeout: float) -> bytes:
            return b"-ERR unknown command\r\n"

    load = Load(Refusing(), itertools.repeat(b"operation"))  # type: ignore[arg-type]

    with pytest.raises(RequestFailed, match=r"the operation is refused: \(error\) ERR unknown command"):
        asyncio.run(load.run(2, 0.1, lambda elapsed, count: None))


def test_bench_asks_for_what_only_reads() -> None:
    class Reading:
        configuration = SimpleNamespace(service="redis")

        async def query(self, operation: bytes, timeout: float) -> bytes:
            asked.add(operation)
            await asyncio.sleep(0)
            return b"$-1\r\n"

        async def invoke(self, operation: bytes, timeout: float) -> bytes:
            raise AssertionError(operation)

    asked: set[bytes] = set()
    load = Load(Reading(), itertools.repeat(b"operation"), only_reads=True)  # type: ignore[arg-type]
    asyncio.run(load.await_first(lambda: None))
    asyncio.run(load.run(2, 0.05, lambda elapsed, count: None))
    assert asked == {b"operation"}
    assert load.latencies


def test_a_gateway_that_is_stopped_while_it_connects_stops_at_once() -> None:
    class Unreachable:
        async def wait_connected(self, seconds: float) -> None:
            await asyncio.sleep(60)

    async def stopped() -> bool:
        is_over = asyncio.Event()
        asyncio.get_running_loop().call_soon(is_over.set)
        return await asyncio.wait_for(connects(Unreachable(), 60, is_over), 5)  # type: ignore[arg-type]

    assert asyncio.run(stopped()) is False


def test_one_seed_and_many_contradict_each_other() -> None:
    result = quorate("sim", "--seed", "1", "--seeds", "0:2")

    assert result.exit_code == 2
    assert "give one of them" in result.output


def test_a_defect_stops_a_replica_with_its_own_exit_code(
    cluster_folder: ClusterFolder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module: ModuleType = pytest.importorskip("quorate.cli.replica")

    async def fail(folder: object) -> None:
        raise InvariantViolation("two and two are four")

    monkeypatch.setattr(module, "run_replica", fail)
    monkeypatch.setattr(module, "configure_logging", lambda log_format, level: None)

    result = quorate("replica", str(cluster_folder.replica(0)))

    assert result.exit_code == 3
    assert "replica-stopped-by-defect" in caplog.text
