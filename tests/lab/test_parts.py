"""The folder, the socket, the links that can be cut, and the dialects of the workload."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path
from typing import Any

import pytest

from quorate.core.ports import Context, Service
from quorate.errors import ConfigurationError, QuorateError
from quorate.folder import ClusterFolder, load_cluster, load_replica
from quorate.lab.control import SOCKET_FILE, Behave, Command, Cut, Jump, Lie, NotRunning, Tell, Told, ask, obeying
from quorate.lab.dialects import REGISTER_SERVICE, dialect_of
from quorate.lab.hands import LabCutter
from quorate.lab.members import is_laboratory, load_laboratory
from quorate.lab.paths import lost_paths
from quorate.lab.replica import LabFittings
from quorate.lab.wire import Wire
from quorate.net.handshake import Peer
from quorate.runtime.bootstrap import Assembly
from quorate.services.loading import load_service
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


def test_its_replicas_recover_on_schedule_but_not_those_that_have_lied(cluster: ClusterFolder) -> None:
    fittings = LabFittings(load_replica(cluster.replica(0)))
    Assembly(load_replica(cluster.replica(0)), fittings)
    assert fittings.may_recover()

    fittings.turncoat.lie(("mute",), 1)
    assert not fittings.may_recover()
    fittings.turncoat.behave()
    assert not fittings.may_recover()


# --------------------------------------------------------------------------------------------- the socket


def told(replica_id: int) -> Told:
    return Told(replica_id, 1, (), False, "")


def test_commands_arrive_as_they_were_sent(tmp_path: Path) -> None:
    commands: list[Command] = [Lie(("mute",), 3), Behave(), Jump(-5), Cut(frozenset({2})), Tell(True)]
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
        self.received: list[list[bytes]] = []
        self.links: list[Any] = []

    def link_opened(self, link: Any) -> None:
        self.links.append(link)

    def frames_received(self, link: Any, frames: list[bytes]) -> None:
        assert link in self.links
        self.received.append(frames)

    def link_closed(self, link: Any, reason: str) -> None:
        self.links.remove(link)


@pytest.mark.parametrize(("deaf_to", "heard"), [(set(), [b"of a replica", b"of a client"]), ({1}, [b"of a client"])])
def test_what_a_replica_is_deaf_to_is_lost(deaf_to: set[int], heard: list[bytes]) -> None:
    node, peer, client = Recorder(0), Recorder(1), Recorder(None)
    wire: Any = Wire(node)  # type: ignore[arg-type]
    wire.link_opened(peer)
    wire.link_opened(client)
    wire.deaf_to = frozenset(deaf_to)

    wire.frames_received(peer, [b"of a replica"])
    wire.frames_received(client, [b"of a client"])

    assert node.received == [[frame] for frame in heard]
    wire.link_closed(peer, "gone")
    wire.link_closed(client, "gone")
    assert node.links == []


@pytest.mark.parametrize(
    ("name", "chosen", "lost"),
    [
        ("cut", {0}, {(0, 1), (0, 2), (0, 3), (1, 0), (2, 0), (3, 0)}),
        ("cut-backup", {2}, {(2, 0), (2, 1), (2, 3), (0, 2), (1, 2), (3, 2)}),
        ("one-way-deaf", {0}, {(1, 0), (2, 0), (3, 0)}),
        ("one-way-unheard", {0}, {(0, 1), (0, 2), (0, 3)}),
        ("star", {1}, {(0, 2), (0, 3), (2, 0), (2, 3), (3, 0), (3, 2)}),
        ("halves", {3}, {(3, 1), (3, 2), (0, 1), (0, 2), (1, 3), (2, 3), (1, 0), (2, 0)}),
    ],
)
def test_which_paths_are_lost(name: str, chosen: set[int], lost: set[tuple[int, int]]) -> None:
    assert set(lost_paths(name, chosen, 4)) == lost


def test_receivers_are_told_what_they_lose_and_one_that_is_gone_is_left_out(tmp_path: Path) -> None:
    obeyed: dict[int, list[Command]] = {0: [], 2: []}
    for replica in range(3):
        (tmp_path / str(replica)).mkdir()

    def obedience(replica: int) -> Any:
        def obey(command: Command) -> Told:
            obeyed[replica].append(command)
            return told(replica)

        return obey

    async def main() -> None:
        cutter = LabCutter(lambda replica: tmp_path / str(replica), 3)
        async with obeying(tmp_path / "0", obedience(0)), obeying(tmp_path / "2", obedience(2)):
            await cutter.cut([(1, 0), (0, 1), (0, 2), (1, 2)])
            await cutter.mend()

    asyncio.run(main())

    assert obeyed == {0: [Cut(frozenset({1})), Cut()], 2: [Cut(frozenset({0, 1})), Cut()]}


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
