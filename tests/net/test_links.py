"""Links on loopback, with real sockets."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from quorate.errors import ConfigurationError
from quorate.net.framing import client_frame_bytes_max_of, frame_bytes_max_of
from quorate.net.links import CLOSED_HERE, CLOSED_THERE, LINKS_OPENED, REPLACED, Dialer, LinkLimits, Listener, listen

CLIENT, STRANGER = 4, 5


class Attempts:
    """A source of jitter that lets a test wait until dialing failed so many times."""

    def __init__(self) -> None:
        self.count = 0
        self._changed = asyncio.Event()

    def __call__(self) -> float:
        self.count += 1
        self._changed.set()
        return 0.0

    async def failed(self, count: int = 1) -> None:
        while self.count < count:
            self._changed.clear()
            await self._changed.wait()


async def stop(*ends: Listener | Dialer) -> None:
    for end in ends:
        end.close()
    for end in ends:
        await end.wait_closed()


def dial(members: Any, member: int, port: int, handler: Any, expected: int = 0, **options: Any) -> Dialer:
    key = members.keys[expected].public_key
    return Dialer(members.identity(member), "127.0.0.1", port, key, handler, **options)


def test_frames_travel_both_ways_in_order(members: Any, make_recorder: Any, run: Any) -> None:
    frames = [b"", b"a", b"b" * 1000, b"c" * 1_000_000, b"d"]

    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), there)
        dialer = dial(members, 1, listener.port, here)
        link = await there.opened()
        await here.opened()

        assert all(dialer.send(frame) for frame in frames)
        assert all(link.send(frame) for frame in reversed(frames))
        await there.until(lambda recorder: len(recorder.frames) == len(frames))
        await here.until(lambda recorder: len(recorder.frames) == len(frames))

        assert there.frames == frames
        assert here.frames == frames[::-1]
        assert (here.link.peer.replica_id, there.link.peer.replica_id) == (0, 1)
        total = sum(map(len, frames)) + 4 * len(frames)
        counters = there.link.counters
        assert (counters.frames_in, counters.bytes_in) == (len(frames), total)
        assert (counters.frames_out, counters.bytes_out) == (len(frames), total)
        assert (counters.dropped, counters.refused) == (0, 0)
        await stop(dialer, listener)

    run(scenario())


def test_the_frames_of_one_turn_leave_in_one_write(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), there)
        dialer = dial(members, CLIENT, listener.port, here)
        link = await here.opened()
        writes: list[bytes] = []
        write = link._transport.write
        outbox_transport = type("Recording", (), {"write": lambda _, data: (writes.append(data), write(data))})()
        link._outbox._transport = outbox_transport

        for number in range(100):
            dialer.send(b"%d" % number)
        await there.until(lambda recorder: len(recorder.frames) == 100)

        assert len(writes) == 1
        assert there.frames == [b"%d" % number for number in range(100)]
        await stop(dialer, listener)

    run(scenario())


def test_a_taken_port_is_a_clear_error(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        listener = await listen("127.0.0.1", 0, members.identity(0), make_recorder())
        address = f"127.0.0.1:{listener.port}"

        with pytest.raises(ConfigurationError, match=f"{address} is taken: .*choose another port"):
            await listen("127.0.0.1", listener.port, members.identity(1), make_recorder())
        await stop(listener)

    run(scenario())


def test_an_address_of_another_machine_is_a_clear_error(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1:7000 cannot be listened on"):
            await listen("192.0.2.1", 7000, members.identity(0), make_recorder())

    run(scenario())


def test_a_key_that_is_no_members_cannot_make_links(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="is not in the cluster's configuration"):
            await listen("127.0.0.1", 0, members.identity(STRANGER), make_recorder())

    run(scenario())


def test_a_link_that_the_listener_lost_is_dialed_again(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), there)
        port = listener.port
        attempts = Attempts()
        dialer = dial(members, CLIENT, port, here, jitter=attempts)
        await here.opened()
        await there.opened()

        await stop(listener)
        await here.until(lambda recorder: recorder.reasons == [CLOSED_THERE])
        assert not dialer.send(b"lost"), "nothing is queued for a link that is not there"
        assert dialer.dropped == 1
        listener = await listen("127.0.0.1", port, members.identity(0), there)
        await here.opened(2)

        assert dialer.send(b"found")
        await there.until(lambda recorder: recorder.frames == [b"found"])
        assert attempts.count, "the delays are spread by the source that was given"
        assert dialer.counters[LINKS_OPENED] == 2
        await stop(dialer, listener)

    run(scenario())


def test_a_dialer_says_why_it_cannot_connect(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        listener = await listen("127.0.0.1", 0, members.identity(0), make_recorder())
        port = listener.port
        await stop(listener)
        attempts = Attempts()
        dialer = dial(members, CLIENT, port, make_recorder(), jitter=attempts)
        await attempts.failed(2)

        assert dialer.failure == "Connection refused"
        assert dialer.link is None
        assert dialer.counters["Connection refused"] >= 2
        await stop(dialer)

    run(scenario())


def test_a_member_with_the_configuration_of_another_incarnation_is_refused(
    members: Any, make_members: Any, make_recorder: Any, run: Any
) -> None:
    async def scenario() -> None:
        there = make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), there)
        attempts = Attempts()
        dialer = dial(make_members(incarnation="2" * 32), CLIENT, listener.port, make_recorder(), jitter=attempts)
        await attempts.failed()

        assert "another cluster or incarnation" in dialer.failure
        assert any("another cluster or incarnation" in reason for reason in listener.counters)
        assert there.links == []
        await stop(dialer, listener)

    run(scenario())


def test_a_replica_has_one_link_and_a_newer_one_takes_its_place(members: Any, make_recorder: Any, run: Any) -> None:
    """The old one may be dead without our knowing it."""

    async def scenario() -> None:
        first, second, there = make_recorder(), make_recorder(), make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), there)
        one = dial(members, 1, listener.port, first)
        await there.opened()
        old = there.link
        one_link = await first.opened()
        other = dial(members, 1, listener.port, second)
        await there.opened(2)
        await there.until(lambda recorder: recorder.reasons == [REPLACED])

        assert old.is_closing
        assert not old.send(b"x")
        await first.until(lambda recorder: recorder.reasons == [CLOSED_THERE])
        assert one_link.is_closing
        one.close()
        await stop(one, other, listener)

    run(scenario())


def test_the_processes_of_one_client_have_links_of_their_own_up_to_a_limit(
    members: Any, make_recorder: Any, run: Any
) -> None:
    async def scenario() -> None:
        there = make_recorder()
        limits = LinkLimits(links_per_client_max=2)
        listener = await listen("127.0.0.1", 0, members.identity(0), there, limits)
        recorders = [make_recorder() for _ in range(3)]
        dialers = []
        for count, recorder in enumerate(recorders, start=1):
            dialers.append(dial(members, CLIENT, listener.port, recorder))
            await recorder.opened()
            await there.opened(count)
        await recorders[0].until(lambda recorder: recorder.reasons == [CLOSED_THERE])

        assert there.reasons == [REPLACED]
        assert [recorder.reasons for recorder in recorders[1:]] == [[], []]
        await stop(*dialers, listener)

    run(scenario())


def test_closing_a_link_delivers_what_is_queued(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), there)
        dialer = dial(members, CLIENT, listener.port, here)
        link = await here.opened()
        await there.opened()

        dialer.send(b"last words")
        dialer.close()
        await dialer.wait_closed()
        await there.until(lambda recorder: recorder.reasons == [CLOSED_THERE])

        assert there.frames == [b"last words"]
        assert here.reasons == [CLOSED_HERE]
        assert not link.send(b"too late")
        assert link.counters.dropped == 1
        await stop(listener)

    run(scenario())


def test_a_handler_that_raises_loses_its_link_and_the_defect_is_reported(
    members: Any, make_recorder: Any, run: Any
) -> None:
    class Defective(make_recorder):  # type: ignore[misc]
        def frames_received(self, link: Any, frames: list[bytes]) -> None:
            raise ArithmeticError("a defect")

    async def scenario() -> None:
        here, there = make_recorder(), Defective()
        reported: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context["exception"]))
        listener = await listen("127.0.0.1", 0, members.identity(0), there)
        dialer = dial(members, CLIENT, listener.port, here)
        await here.opened()

        dialer.send(b"x")
        await there.until(lambda recorder: bool(recorder.reasons))

        assert [type(error) for error in reported] == [ArithmeticError]
        await stop(dialer, listener)

    run(scenario())


def test_a_frame_that_the_peer_would_refuse_is_not_sent(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await listen("127.0.0.1", 0, members.identity(0), there)
        dialer = dial(members, CLIENT, listener.port, here)
        link = await here.opened()
        await there.opened()
        limit = client_frame_bytes_max_of(members.configuration)

        assert not link.send(bytes(limit + 1))
        assert link.counters.refused == 1
        assert link.send(bytes(limit))
        assert there.link.send(bytes(limit + 1)), "a replica may send a client more than the client may send"
        assert not there.link.send(bytes(frame_bytes_max_of(members.configuration) + 1))
        await there.until(lambda recorder: len(recorder.frames) == 1)
        await here.until(lambda recorder: len(recorder.frames) == 1)
        await stop(dialer, listener)

    run(scenario())


def test_a_listener_that_is_closed_says_so(members: Any, make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        listener = await listen("127.0.0.1", 0, members.identity(0), make_recorder())
        await stop(listener)
        listener.close()

        with pytest.raises(ConfigurationError, match="the listener is closed"):
            _ = listener.port

    run(scenario())
