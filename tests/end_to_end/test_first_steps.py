"""What a user does first: a cluster comes up, Redis clients use it, commands look at it."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import pytest
import redis

from quorate.cli.addresses import free_ports

pytestmark = pytest.mark.processes


def test_it_says_what_comes_up_and_what_to_try(shared_cluster: Any) -> None:
    assert list(shared_cluster.pids()) == [0, 1, 2, 3]
    assert shared_cluster.line(rf"Redis protocol at 127.0.0.1:{shared_cluster.redis_port}, pid \d+")
    assert shared_cluster.line(rf"redis-cli -h 127.0.0.1 -p {shared_cluster.redis_port} set greeting hello")
    assert shared_cluster.line(rf"kill -9 {shared_cluster.pids()[0]} ")
    assert shared_cluster.errors == []


def test_a_redis_client_works(shared_cluster: Any) -> None:
    with shared_cluster.redis(decode_responses=True) as client:
        assert client.ping()
        assert client.set("greeting", "hello")
        assert client.get("greeting") == "hello"
        assert client.incrby("count", 5) == 5
        assert client.hset("hash", mapping={"a": "1", "b": "2"}) == 2
        assert client.hgetall("hash") == {"a": "1", "b": "2"}
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.incr("hash")
        with client.pipeline(transaction=True) as pipeline:
            assert pipeline.set("x", 1).incr("x").get("x").execute() == [True, 2, "2"]


def test_the_examples_that_up_prints_work(shared_cluster: Any) -> None:
    """As printed, in a shell; redis-cli may not be there."""
    with shared_cluster.redis() as client:
        client.set("greeting", "hello")
    for pattern, output in (
        (r"^  (.* invoke .* -- GET greeting)    #", "hello\n"),
        (r"^  (.* status .*)$", "n=4 f=1; 1 more may fail before it stops\n"),
    ):
        printed = shared_cluster.line(pattern)[1]
        completed = subprocess.run(printed, shell=True, capture_output=True, text=True, timeout=60, check=True)
        assert completed.stdout.endswith(output)


def test_status_for_programs(shared_cluster: Any, helpers: Any) -> None:
    completed = helpers.quorate("status", str(shared_cluster.directory), "--json")

    assert completed.returncode == 0, completed.stdout + completed.stderr
    report = json.loads(completed.stdout)
    assert (report["n"], report["f"], report["faults_left"]) == (4, 1, 1)
    assert report["view"] == min(replica["view"] for replica in report["replicas"])
    for replica_id, replica in enumerate(report["replicas"]):
        assert replica["id"] == replica_id
        assert replica["pid"] == shared_cluster.pids()[replica_id]
        assert replica["reachable"] is True
        assert replica["status"] == "normal"
        assert isinstance(replica["last_executed"], int)
        assert isinstance(replica["stable_checkpoint"], int)
        assert re.fullmatch(r"([0-9a-f]{64})?", replica["state_digest"])


def test_status_for_people(shared_cluster: Any, helpers: Any) -> None:
    completed = helpers.quorate("status", str(shared_cluster.directory / "client"))

    assert completed.returncode == 0, completed.stdout + completed.stderr
    assert "n=4 f=1; 1 more may fail before it stops" in completed.stdout
    rows = [line.split() for line in completed.stdout.splitlines() if re.match(r"\s*\d", line)]
    assert [row[0] for row in rows] == ["0", "1", "2", "3"]
    assert [row[1] for row in rows] == [str(pid) for pid in shared_cluster.pids().values()]
    assert ["primary" in row for row in rows].count(True) == 1


def test_one_operation_from_the_shell(shared_cluster: Any, helpers: Any) -> None:
    client = str(shared_cluster.directory / "client")

    written = helpers.quorate("invoke", client, "--", "SET", "shell", "some words")
    read = helpers.quorate("invoke", client, "--", "GET", "shell")
    refused = helpers.quorate("invoke", client, "--", "INCR", "shell")

    assert (written.returncode, written.stdout) == (0, "OK\n"), written.stderr
    assert (read.returncode, read.stdout) == (0, "some words\n")
    assert (refused.returncode, refused.stdout) == (1, "ERR value is not an integer or out of range\n")


@pytest.mark.parametrize("reads", [[], ["--reads"]])
def test_bench_for_programs(shared_cluster: Any, helpers: Any, reads: list[str]) -> None:
    options = ["--clients", "8", "--seconds", "0.5", "--json", *reads]
    completed = helpers.quorate("bench", str(shared_cluster.directory), *options)

    assert completed.returncode == 0, completed.stderr
    report = json.loads(completed.stdout)
    assert report["clients"] == 8
    assert report["operations"] > 0
    assert report["throughput"] == pytest.approx(report["operations"] / report["seconds"])
    assert 0 < report["p50_ms"] <= report["p90_ms"] <= report["p99_ms"] <= report["p99.9_ms"]


def test_a_second_start_of_the_same_folder_is_refused(shared_cluster: Any, helpers: Any) -> None:
    again = helpers.quorate("up", "--dir", str(shared_cluster.directory), "--no-redis", seconds=300)
    replica = helpers.quorate("replica", str(shared_cluster.directory / "replica-1"), seconds=300)

    assert (again.returncode, replica.returncode) == (2, 2)
    assert "runs already" in again.stderr
    assert f"runs already (pid {shared_cluster.pids()[1]}); stop that process first" in replica.stderr
    helpers.eventually(lambda: shared_cluster.status()["healthy"], "a cluster that is well")


def test_a_taken_redis_port_is_an_error_that_names_the_option(shared_cluster: Any, helpers: Any, tmp_path: Any) -> None:
    address = f"127.0.0.1:{shared_cluster.redis_port}"

    refused = helpers.quorate("up", "--dir", str(tmp_path / "other"), "--redis", address)

    assert refused.returncode == 2
    assert f"--redis {address}: it is taken by another program; name another" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_who_else_listens_where_the_gateway_should_is_not_taken_for_it(helpers: Any, tmp_path: Any) -> None:
    """One of the replicas, say: the gateway cannot have its port on all addresses."""
    directory, port = tmp_path / "one", free_ports(1)[0]
    made = helpers.quorate("init", str(directory), "--replicas", "1", "--port-base", str(port))
    assert made.returncode == 0, made.stderr

    ended = helpers.quorate("up", "--dir", str(directory), "--redis", f"0.0.0.0:{port}")

    assert ended.returncode == 1
    assert "the gateway is up" not in ended.stdout
    assert "the gateway exited (exit code 2) while the cluster started" in ended.stdout
    assert f"0.0.0.0:{port} is in use by another program" in ended.stderr
