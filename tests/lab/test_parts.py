"""The folder, the socket, the links that can be cut, and the dialects of the workload."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from quorate.core.ports import Context, Service
from quorate.errors import ConfigurationError, QuorateError
from quorate.folder import ClusterFolder, load_cluster
from quorate.lab.control import SOCKET_FILE, Behave, Command, Cut, Jump, Lie, NotRunning, Tell, Told, ask, obeying
from quorate.lab.dialects import REGISTER_SERVICE, dialect_of
from quorate.lab.members import is_laboratory, load_laboratory
from quorate.lab.wire import Wire
from quorate.net.handshake import Peer
from quorate.runtime.services import load_service
from quorate.sim.register import ABSENT, DONE, REFUSED

# --------------------------------------------------------------------------------------------- the folder


def test_a_laboratory_has_keys_that_the_cluster_knows(cluster: ClusterFolder) -> None:
    laboratory = load_laboratory(cluster.path)

    known = {client.public_key: client.name for client in load_cluster(cluster.path).configuration.clients}
    assert [known[key.public_key.hex()] for key in laboratory.callers] == ["client", "lab-caller"]
    assert known[laboratory.liar.public_key.hex()] == "lab-liar"
    for path in (cluster.path / "lab").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_another_cluster_is_no_laboratory(cluster: ClusterFolder) -> None:
    (cluster.path / "lab" / "liar.key").unlink()

    assert not is_laboratory(cluster.path)
    with pytest.raises(ConfigurationError, match="quorate up --lab"):
        load_laboratory(cluster.path)


# --------------------------------------------------------------------------------------------- the socket


def told(replica_id: int) -> Told:
    return Told(replica_id, 1, (), False, "")


def test_commands_arrive_as_they_were_sent(tmp_path: Path) -> None:
    commands: list[Command] = [Lie(("mute",), 3), Behave(), Jump(-5), Cut(frozenset({1}), frozenset({2})), Tell(True)]
    obeyed: list[Command] = []

    def obey(command: Command) -> Told:
        obeyed.append(command)
        return told(len(obeyed))

    async def main() -> list[Told]:
        async with obeying(tmp_path, obey):
            assert stat.S_IMODE((tmp_path / SOCKET_FILE).stat().st_mode) == 0o600
            return [await ask(tmp_path, command) for command in commands]

    answers = asyncio.run(main())

    assert obeyed == commands
    assert answers == [told(number) for number in range(1, 6)]
    assert not (tmp_path / SOCKET_FILE).exists()


def test_a_refusal_is_told(tmp_path: Path) -> None:
    def obey(command: Command) -> Told:
        raise ConfigurationError("there is no strategy 'x'")

    async def main() -> None:
        async with obeying(tmp_path, obey):
            await ask(tmp_path, Lie(("x",), 1))

    with pytest.raises(QuorateError, match="no strategy 'x'"):
        asyncio.run(main())


def test_the_socket_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)  # longer than the name of a socket may be
    deep.mkdir(parents=True)
    (deep / SOCKET_FILE).write_text("left over")

    async def main() -> Told:
        async with obeying(deep, lambda _: told(7)):
            return await ask(deep, Tell())

    assert asyncio.run(main()) == told(7)


def test_nobody_is_there(tmp_path: Path) -> None:
    with pytest.raises(NotRunning):
        asyncio.run(ask(tmp_path, Tell()))


# ---------------------------------------------------------------------------------------------- the links


class Recorder:
    """Both the node behind a wire and the links before it."""

    def __init__(self, replica_id: int | None) -> None:
        self.peer = Peer(b"k" * 32, replica_id, "someone")
        self.sent: list[bytes] = []
        self.received: list[list[bytes]] = []
        self.links: list[Any] = []

    def send(self, frame: bytes) -> bool:
        self.sent.append(frame)
        return True

    def link_opened(self, link: Any) -> None:
        self.links.append(link)

    def frames_received(self, link: Any, frames: list[bytes]) -> None:
        assert link in self.links
        self.received.append(frames)

    def link_closed(self, link: Any, reason: str) -> None:
        self.links.remove(link)


@pytest.mark.parametrize(("mute_to", "deaf_to"), [(set(), set()), ({1}, set()), (set(), {1}), ({1}, {1})])
def test_links_are_cut_by_direction(mute_to: set[int], deaf_to: set[int]) -> None:
    node, peer, client = Recorder(0), Recorder(1), Recorder(None)
    wire: Any = Wire(node)  # type: ignore[arg-type]
    wire.link_opened(peer)
    wire.link_opened(client)
    wire.mute_to, wire.deaf_to = frozenset(mute_to), frozenset(deaf_to)

    assert all(link.send(b"out") for link in node.links)
    wire.frames_received(peer, [b"in"])
    wire.frames_received(client, [b"in"])

    assert peer.sent == ([] if mute_to else [b"out"])
    assert client.sent == [b"out"]
    assert len(node.received) == (1 if deaf_to else 2)
    wire.link_closed(peer, "gone")
    wire.link_closed(client, "gone")
    assert node.links == []


# ------------------------------------------------------------------------------------------- the dialects


@pytest.fixture(params=["redis", REGISTER_SERVICE])
def perform(request: pytest.FixtureRequest) -> Any:
    """Performs one operation of the specification on a service of its own."""
    service: Service = load_service(request.param)
    dialect = dialect_of(request.param)
    turns = iter(range(1, 1000))

    async def invoke(operation: bytes) -> bytes:
        turn = next(turns)
        return service.execute(operation, Context(b"c" * 32, turn * 1000, bytes(32), turn))

    return lambda operation: asyncio.run(dialect.perform(invoke, operation))


def test_a_register_that_was_never_written(perform: Any) -> None:
    assert perform(b"read k") == ABSENT
    assert perform(b"swap k x. y.") == REFUSED


def test_appends_tell_the_whole_value(perform: Any) -> None:
    assert perform(b"append k 0-1.") == b"0-1."
    assert perform(b"append k 1-1.") == b"0-1.1-1."
    assert perform(b"read k") == b"0-1.1-1."


def test_a_swap_succeeds_on_the_expected_value_alone(perform: Any) -> None:
    assert perform(b"write k old.") == DONE
    assert perform(b"swap k other. new.") == REFUSED
    assert perform(b"swap k old. new.") == DONE
    assert perform(b"read k") == b"new."


def test_a_swap_of_a_register_that_was_never_written(perform: Any) -> None:
    assert perform(b"swap k - new.") == DONE
    assert perform(b"read k") == b"new."


def test_a_service_without_a_dialect() -> None:
    with pytest.raises(ConfigurationError, match="replicates counter"):
        dialect_of("counter")
