"""Real processes with TLS and encrypted keys: they work as without, let nobody in, and tell no secret."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import re
import shutil
import ssl
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import pytest

import quorate
from quorate.auth.certificates import CERTIFICATE_FILE, tls_password
from quorate.auth.keyfile import PASSPHRASE_FILE_VARIABLE, PASSPHRASE_VARIABLE, read_seed
from quorate.cli.addresses import free_ports, hold
from quorate.cli.operations import redis_operation
from quorate.errors import ConfigurationError
from quorate.folder import ClusterFolder, load_client, load_cluster, load_replica
from quorate.net.handshake import Identity, Refusal
from quorate.net.tls import Credentials

pytestmark = pytest.mark.processes
PASSPHRASE = "a passphrase that no log has"


@pytest.fixture
def passphrase_file(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(PASSPHRASE + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def given_by_environment(passphrase_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """For this process and all that it starts."""
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, str(passphrase_file))


def make(helpers: Any, directory: Path, *options: str) -> ClusterFolder:
    """The folders of a cluster of four on this machine."""
    port = free_ports(1)[0]
    while not all(hold(port + replica_id) for replica_id in (1, 2, 3)):
        port = free_ports(1)[0]
    completed = helpers.quorate("init", str(directory), "--port-base", str(port), *options)
    assert completed.returncode == 0, completed.stderr
    return load_cluster(directory)


def secrets_of(cluster: ClusterFolder) -> list[str]:
    """All that nobody may read: keys as hexadecimal digits and as Python shows bytes, whole and in part."""
    found = [PASSPHRASE]
    for folder in [*cluster.replicas(), cluster.client(), cluster.authority()]:
        seed = read_seed(folder / "private.key")
        found += [seed.hex(), seed.hex()[:16], repr(seed)[2:-1], repr(list(seed))[1:-1]]
        if folder != cluster.authority():
            key_pair = load_client(folder)[0] if folder == cluster.client() else load_replica(folder).key_pair
            pem = (folder / CERTIFICATE_FILE).read_text()
            found += [tls_password(key_pair).decode(), pem.splitlines()[-2], key_pair._exchange_key.hex()]
    return found


def test_a_cluster_with_tls_serves_redis_clients(start_cluster: Any) -> None:
    cluster = start_cluster("--tls").wait_until_up()

    with cluster.redis() as client:
        assert client.set("greeting", "hello") is True
        assert client.get("greeting") == b"hello"
        assert client.set("large", b"x" * 500_000) is True
        assert client.get("large") == b"x" * 500_000
    assert load_cluster(cluster.directory).configuration.settings.transport == "tls"
    assert cluster.status()["healthy"]

    cluster.kill_replica(0)
    with cluster.redis() as client:
        assert client.get("greeting") == b"hello"
        assert client.set("farewell", "bye") is True  # what only reads needs no primary
    cluster.line(r"^view \d+: replica \d is the primary")
    assert cluster.end() == 0


def test_the_ports_of_replicas_speak_tls_1_3_and_ask_for_a_certificate(start_cluster: Any) -> None:
    cluster = start_cluster("--tls", with_redis=False).wait_until_up()
    folder = load_cluster(cluster.directory)
    context = ssl.create_default_context(cafile=str(folder.client() / "authority.pem"))

    async def look() -> tuple[str, str]:
        member = folder.configuration.replicas[0]
        reader, writer = await asyncio.open_connection(member.host, member.port, ssl=context)
        version = writer.get_extra_info("ssl_object").version()
        try:
            await reader.read()
            why = "closed"
        except OSError as error:
            why = str(error)
        writer.transport.abort()
        return version, why

    version, why = asyncio.run(look())
    assert version == "TLSv1.3"
    assert re.search("certificate required", why, re.IGNORECASE)


def test_a_replica_without_tls_is_refused_and_both_logs_say_why(
    start_cluster: Any, helpers: Any, tmp_path: Path
) -> None:
    """Replica 3 has another setting than the rest. The other three go on."""
    folder = make(helpers, tmp_path / "cluster", "--tls")
    path = folder.replica(3) / "cluster.toml"
    path.write_text(path.read_text().replace('transport = "tls"', 'transport = "tcp"'))
    replicas = []
    for number, each in enumerate(folder.replicas()):
        with (tmp_path / f"log-{number}").open("w") as file:
            replicas.append(subprocess.Popen([sys.executable, "-m", "quorate", "replica", str(each)], stderr=file))
    try:

        def log(number: int) -> str:
            return (tmp_path / f"log-{number}").read_text()

        helpers.eventually(
            lambda: all(Refusal.WITHOUT_TLS.text in log(number) for number in range(4)), "a reason in each log"
        )
        assert f"refused by the other side ({Refusal.WITHOUT_TLS.text})" in log(3)
        assert all("handshake-refused" in log(number) for number in range(4))
        done = helpers.quorate("invoke", str(folder.client()), "--", "SET", "a", "b")
        assert (done.returncode, done.stdout.strip()) == (0, "OK")
        report = json.loads(helpers.quorate("status", str(folder.client()), "--json").stdout)
        assert [replica["reachable"] for replica in report["replicas"]] == [True, True, True, False]
    finally:
        for process in replicas:
            process.terminate()
        for process in replicas:
            process.wait(20)


async def certificate_at(host: str, port: int) -> bytes:
    """What a replica shows to whoever connects."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    _, writer = await asyncio.open_connection(host, port, ssl=context)
    certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return certificate


def first_certificate(path: Path) -> bytes:
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(path.read_text().partition(end)[0] + end)


def test_certificates_are_renewed_under_a_running_cluster(
    start_cluster: Any, helpers: Any, tmp_path: Path, given_by_environment: None
) -> None:
    folder = make(helpers, tmp_path / "cluster", "--tls", "--encrypt-keys")
    cluster = start_cluster(directory=folder.path).wait_until_up()
    before = [(each / CERTIFICATE_FILE).read_bytes() for each in folder.replicas()]

    completed = helpers.quorate("init", str(folder.path), "--renew-certificates")
    assert completed.returncode == 0, completed.stderr
    assert "need not be stopped" in completed.stdout

    assert all(
        old != (each / CERTIFICATE_FILE).read_bytes() for old, each in zip(before, folder.replicas(), strict=True)
    )
    shown = [asyncio.run(certificate_at(member.host, member.port)) for member in folder.configuration.replicas]
    assert shown == [first_certificate(each / CERTIFICATE_FILE) for each in folder.replicas()]
    assert helpers.quorate("invoke", str(folder.client()), "--", "SET", "a", "b").returncode == 0
    assert cluster.status()["healthy"]
    assert cluster.end() == 0


def test_encrypted_keys_from_end_to_end(
    start_cluster: Any, helpers: Any, tmp_path: Path, passphrase_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Made, started, used and refused: by a file, by the environment, and by a wrong passphrase."""
    given = ["--passphrase-file", str(passphrase_file)]
    directory = tmp_path / "cluster"
    refused = helpers.quorate("init", str(directory), "--encrypt-keys")
    assert refused.returncode == 2
    assert "needs a passphrase, and nobody can be asked" in refused.stderr
    assert not directory.exists()
    port = str(free_ports(1)[0])
    made = helpers.quorate("init", str(directory), "--encrypt-keys", "--replicas", "1", "--port-base", port, *given)
    assert made.returncode == 0, made.stderr
    assert "argon2id" in (directory / "replica-0" / "private.key").read_text()

    cluster = start_cluster(*given, directory=directory).wait_until_up()
    with cluster.redis() as client:
        assert client.set("greeting", "hello") is True

    client_folder = str(directory / "client")
    command = ["invoke", client_folder, "--", "GET", "greeting"]
    assert helpers.quorate("invoke", client_folder, *given, "--", "GET", "greeting").stdout.strip() == "hello"
    missing = helpers.quorate(*command)
    assert missing.returncode == 2
    assert re.search(r"client/private\.key is encrypted: .*--passphrase-file", missing.stderr)
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)
    assert helpers.quorate(*command).stdout.strip() == "hello"
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "a wrong one")
    wrong = helpers.quorate(*command)
    assert wrong.returncode == 2
    assert "client/private.key does not open with this passphrase" in wrong.stderr
    assert "a wrong one" not in wrong.stderr
    replica = helpers.quorate("replica", str(directory / "replica-0"))
    assert replica.returncode == 2
    assert "replica-0/private.key does not open with this passphrase" in replica.stderr

    async def by_argument() -> bytes:
        async with quorate.connect(client_folder, passphrase=PASSPHRASE) as client:
            return await client.invoke(redis_operation([b"GET", b"greeting"]))

    assert b"hello" in asyncio.run(by_argument())
    with quorate.connect_sync(client_folder, passphrase=PASSPHRASE) as blocking:
        assert b"hello" in blocking.invoke(redis_operation([b"GET", b"greeting"]))
    assert cluster.end() == 0


def test_who_sits_at_a_terminal_is_asked(helpers: Any, tmp_path: Path) -> None:
    """Twice when keys are made, once when they are opened; what is typed is not shown."""
    directory = tmp_path / "cluster"

    def type_into(arguments: list[str], lines: list[str]) -> tuple[int, str]:
        controller, terminal = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-m", "quorate", *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            start_new_session=True,
        )
        os.close(terminal)
        shown = b""
        answers = iter(lines)
        while True:
            try:
                data = os.read(controller, 4096)
            except OSError:  # nobody has the other end any more
                break
            shown += data
            if data.rstrip().endswith(b":"):
                os.write(controller, next(answers).encode() + b"\n")
        code = process.wait(30)
        os.close(controller)
        return code, shown.decode()

    code, shown = type_into(["init", str(directory), "--encrypt-keys", "--replicas", "1"], [PASSPHRASE, PASSPHRASE])
    assert code == 0, shown
    assert PASSPHRASE not in shown
    code, shown = type_into(["status", str(directory), "--timeout", "0.2"], ["not this one"])
    assert code == 2, shown
    assert "does not open with this passphrase" in shown
    code, shown = type_into(["status", str(directory), "--timeout", "0.2"], [PASSPHRASE])
    assert code == 1, shown
    assert shown.count("Passphrase of") == 1
    assert PASSPHRASE not in shown


def test_nothing_secret_is_told(
    start_cluster: Any, helpers: Any, tmp_path: Path, given_by_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logs at their most talkative, status, representations and errors, of members that work and of those refused."""
    folder = make(helpers, tmp_path / "cluster", "--tls", "--encrypt-keys")
    cluster = start_cluster("--log-level", "debug", directory=folder.path).wait_until_up()
    with cluster.redis() as client:
        for number in range(50):
            client.set(f"key:{number}", "value")
        client.config_get("*")
    told = [json.dumps(cluster.status()), helpers.quorate("status", str(folder.path)).stdout]

    stranger = tmp_path / "stranger"
    make(helpers, tmp_path / "other", "--tls")
    shutil.copytree(tmp_path / "other" / "client", stranger)
    shutil.copy(folder.client() / "cluster.toml", stranger / "cluster.toml")
    plain = tmp_path / "plain"
    shutil.copytree(folder.client(), plain)
    path = plain / "cluster.toml"
    path.write_text(path.read_text().replace('transport = "tls"', 'transport = "tcp"'))
    for refused in (stranger, plain):
        completed = helpers.quorate("invoke", str(refused), "--timeout", "2", "--", "GET", "a")
        assert completed.returncode != 0
        told += [completed.stdout, completed.stderr]
    helpers.eventually(lambda: Refusal.WITHOUT_TLS.text in cluster.output, "the plain client's refusal in a log")

    replica = load_replica(folder.replica(0))
    key_pair = replica.key_pair
    told += [repr(replica), repr(folder), repr(key_pair), str(key_pair), repr(vars(key_pair)["_signing_key"])]
    told += [repr(Credentials(folder.replica(0), key_pair)), repr(Identity(key_pair, folder.configuration))]
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, "")
    for guess in ("", "wrong"):
        monkeypatch.setenv(PASSPHRASE_VARIABLE, guess)
        try:
            load_replica(folder.replica(0))
        except ConfigurationError:
            told.append(traceback.format_exc())
        else:
            pytest.fail("it opened")
    monkeypatch.undo()
    os.environ[PASSPHRASE_VARIABLE] = PASSPHRASE
    try:
        secrets = secrets_of(folder)
    finally:
        del os.environ[PASSPHRASE_VARIABLE]
    assert cluster.end() == 0
    told.append(cluster.output)

    text = "\n".join(told)
    assert "pre-prepare" in text.lower() or "prepared" in text.lower(), "the logs tell of the protocol's steps"
    assert "handshake-refused" in text
    assert [secret for secret in secrets if secret in text] == []
