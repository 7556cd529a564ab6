"""A turn: everything that came in, one settling, the effects, the next deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from quorate.core.effects import Broadcast, Effect, Persist
from quorate.core.ports import Opened
from quorate.errors import InvariantViolation, MalformedMessage
from quorate.messages.codec import Envelope
from quorate.messages.protocol import Inspect, Prepare, Status
from quorate.messages.records import DecidedRecord
from quorate.runtime.driver import Driver
from quorate.runtime.node import TURN_FRAMES_MAX, Node
from quorate.runtime.ports import STANDSTILL
from quorate.runtime.reception import Reception, Refusals
from quorate.runtime.roster import Roster
from quorate.runtime.telemetry import Telemetry
from quorate.storage.memory import MemoryJournal

A = b"a" * 32
CLIENT = b"c" * 32


class FakeAuthenticator:
    """Frames are one byte: a PREPARE of replica 1 with that sequence number, or an INSPECT, or nothing that decodes."""

    def seal(self, message: Any, attachments: tuple[bytes, ...] = (), receiver: int | None = None) -> bytes:
        raise NotImplementedError

    def open(self, frame: bytes) -> Opened:
        if frame == b"garbage":
            raise MalformedMessage("garbage")
        if frame == b"status":
            return Opened(Status(0, False, 0, 0, b"", 0, (), 1), Envelope(b"", b""), frame)
        message = Inspect(CLIENT, 1) if frame == b"inspect" else Prepare(0, frame[0], A, 1)
        return Opened(message, Envelope(b"", b""), frame)


class FakeCore:
    """Notes its turns. Every turn persists and broadcasts what it received."""

    def __init__(self) -> None:
        self.received: list[int] = []
        self.turns: list[tuple[int, int, list[int]]] = []
        self.deadline: int | None = None
        self.settled = asyncio.Event()
        self.broken = False

    def receive(self, opened: Opened, now: int, wall: int) -> None:
        message = opened.message
        if isinstance(message, Status):
            return
        assert isinstance(message, Prepare)
        self.received.append(message.sequence_number)

    def settle(self, now: int, wall: int) -> list[Effect]:
        if self.broken:
            raise InvariantViolation("two and two are four")
        self.turns.append((now, wall, self.received))
        self.received = []
        self.settled.set()
        number = len(self.turns)
        return [Persist(DecidedRecord(number, A)), Broadcast(Prepare(0, number, A, 0), b"turn %d" % number)]

    def next_deadline(self) -> int | None:
        return self.deadline


class FakeClock:
    """Time stands still unless told."""

    def __init__(self) -> None:
        self.time = 1_000_000

    def now(self) -> int:
        return self.time

    def wall(self) -> int:
        return self.time + 5


class Bench:
    """A node with everything around it."""

    def __init__(self) -> None:
        self.core = FakeCore()
        self.clock = FakeClock()
        self.roster = Roster()
        self.refusals = Refusals(lambda *row: None)
        self.inspected: list[Any] = []
        self.node = Node(
            self.core,
            Driver(MemoryJournal(), self.roster, lambda trace: None),
            self.roster,
            Reception(FakeAuthenticator(), self.refusals),
            lambda link, inspect: self.inspected.append(link),
            Telemetry(0, self.clock.now, dict),
            self.clock,
        )

    async def turn(self) -> None:
        """Wait for the next turn."""
        async with asyncio.timeout(5):
            await self.core.settled.wait()
        self.core.settled.clear()


def run(play: Callable[[Bench], Any]) -> None:
    async def main() -> None:
        bench = Bench()
        await play(bench)
        bench.node.stop()

    asyncio.run(main())


def test_who_takes_part_is_known_by_what_was_said_since_the_link_opened(links: Any) -> None:
    async def play(bench: Bench) -> None:
        link = links.replica(1)
        bench.node.link_opened(link)
        bench.node.start()
        await bench.turn()
        bench.node.frames_received(link, [b"status"])
        await bench.turn()

        assert bench.node.who_is_in_view(0, 1000) == {1}
        assert bench.node.who_is_in_view(1, 1000) == set()
        bench.clock.time += 1001
        assert bench.node.who_is_in_view(0, 1000) == set()
        assert bench.node.who_is_in_view(0, 2000) == {1}
        bench.node.link_closed(link, "gone")
        assert bench.node.who_is_in_view(0, 2000) == set()

    run(play)


def test_a_turn_takes_all_frames_and_settles_once(links: Any) -> None:
    async def play(bench: Bench) -> None:
        one, two = links.replica(1), links.client()
        bench.node.link_opened(one)
        bench.node.start()
        await bench.turn()

        bench.node.frames_received(one, [b"\x01", b"\x02"])
        bench.node.frames_received(one, [b"\x03"])
        await bench.turn()

        assert bench.core.turns == [(1_000_000, 1_000_005, []), (1_000_000, 1_000_005, [1, 2, 3])]
        assert one.sent == [b"turn 1", b"turn 2"]
        assert two.sent == []

    run(play)


def test_what_came_before_the_start_waits_for_it(links: Any) -> None:
    async def play(bench: Bench) -> None:
        link = links.replica(1)
        bench.node.frames_received(link, [b"\x01"])
        await asyncio.sleep(0)
        assert bench.core.turns == []

        bench.node.start()
        await bench.turn()

        assert bench.core.turns[0][2] == [1]

    run(play)


def test_bad_frames_are_counted_and_inspections_answered_without_the_core(links: Any) -> None:
    async def play(bench: Bench) -> None:
        replica, client = links.replica(1), links.client(CLIENT)
        bench.node.frames_received(replica, [b"garbage", b"\x07", b"inspect"])
        bench.node.frames_received(client, [b"inspect", b"\x08"])
        bench.node.start()
        await bench.turn()

        assert bench.core.turns[0][2] == [7]
        assert bench.inspected == [client]
        assert bench.refusals.rows() == [
            {"peer": "client-63636363", "reason": "Prepare of another sender", "count": 1},
            {"peer": "replica-1", "reason": "Inspect of another sender", "count": 1},
            {"peer": "replica-1", "reason": "malformed", "count": 1},
        ]

    run(play)


def test_a_turn_is_bounded_and_the_rest_comes_in_the_next(links: Any) -> None:
    async def play(bench: Bench) -> None:
        bench.node.frames_received(links.replica(1), [b"\x01"] * (TURN_FRAMES_MAX + 1))
        bench.node.start()
        await bench.turn()
        await bench.turn()

        assert [len(received) for _, _, received in bench.core.turns] == [TURN_FRAMES_MAX, 1]

    run(play)


def test_a_closed_link_is_forgotten_with_what_it_brought(links: Any) -> None:
    async def play(bench: Bench) -> None:
        link = links.replica(1)
        bench.node.link_opened(link)
        bench.node.frames_received(link, [b"\x01"])
        bench.node.link_closed(link, "frame too large: 9 bytes")
        bench.node.start()
        await bench.turn()

        assert bench.core.turns[0][2] == []
        assert link.sent == []
        assert bench.refusals.rows() == [{"peer": "replica-1", "reason": "frame too large", "count": 1}]

    run(play)


def test_the_deadline_brings_a_turn(links: Any) -> None:
    async def play(bench: Bench) -> None:
        bench.core.deadline = bench.clock.time + 3_000
        bench.node.start()
        await bench.turn()
        bench.clock.time += 3_000
        await bench.turn()

        assert [now for now, _, _ in bench.core.turns] == [1_000_000, 1_003_000]

    run(play)


def test_time_in_which_the_process_stood_still_is_left_out(links: Any) -> None:
    """After SIGSTOP the deadlines of the rules are as far away as before: what came in meanwhile is looked at first."""

    async def play(bench: Bench) -> None:
        bench.core.deadline = bench.clock.time + 200_000
        bench.node.start()
        await bench.turn()
        bench.clock.time += 30_000_000
        bench.node.frames_received(links.replica(1), [b"\x01"])
        await bench.turn()
        bench.core.deadline = None
        bench.clock.time += 100_000
        bench.node.frames_received(links.replica(1), [b"\x02"])
        await bench.turn()

        assert [now for now, _, _ in bench.core.turns] == [1_000_000, 1_200_000, 1_300_000]
        assert [wall for _, wall, _ in bench.core.turns] == [1_000_005, 31_000_005, 31_100_005]

    run(play)


def test_a_turn_that_is_a_little_late_leaves_nothing_out(links: Any) -> None:
    async def play(bench: Bench) -> None:
        bench.core.deadline = bench.clock.time + 200_000
        bench.node.start()
        await bench.turn()
        bench.clock.time += 200_000 + STANDSTILL
        bench.node.frames_received(links.replica(1), [b"\x01"])
        await bench.turn()

        assert [now for now, _, _ in bench.core.turns] == [1_000_000, 1_200_000 + STANDSTILL]

    run(play)


def test_a_stopped_node_takes_no_turn(links: Any) -> None:
    async def play(bench: Bench) -> None:
        bench.node.start()
        bench.node.stop()
        bench.node.frames_received(links.replica(1), [b"\x01"])
        await asyncio.sleep(0)

        assert bench.core.turns == []

    run(play)


def test_a_broken_rule_reaches_the_loop_and_nothing_leaves(links: Any) -> None:
    async def play(bench: Bench) -> None:
        failures: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: failures.append(context["exception"]))
        link = links.replica(1)
        bench.node.link_opened(link)
        bench.core.broken = True
        bench.node.start()
        await asyncio.sleep(0)

        assert [str(failure) for failure in failures] == ["two and two are four"]
        assert link.sent == []
        bench.core.broken = False
        bench.node.frames_received(link, [b"\x01"])
        await asyncio.sleep(0)
        assert bench.core.turns == []

    run(play)


def test_while_nothing_can_be_kept_it_answers_questions_and_takes_no_turn(links: Any) -> None:
    """A full disk: whoever asks hears about it; the rest of what comes is lost, as on a line that fails."""

    class Full(Driver):
        trouble = "votes.log cannot be written: No space left on device"

    async def play() -> None:
        bench = Bench()
        driver = Full(MemoryJournal(), bench.roster, lambda trace: None)
        bench.node._driver = driver
        driver.when_free = bench.node._schedule
        peer, client = links.replica(1), links.client()
        bench.node.start()
        bench.node.frames_received(peer, [b"\x01"])
        bench.node.frames_received(client, [b"inspect"])
        await asyncio.sleep(0.01)
        assert (bench.inspected, bench.core.turns) == ([client], [])

        Full.trouble = None  # type: ignore[assignment]
        driver.when_free()
        bench.node.frames_received(peer, [b"\x02"])
        await bench.turn()
        assert [received for _, _, received in bench.core.turns] == [[2]]
        bench.node.stop()

    asyncio.run(play())
