"""The replicated tables: exactly once, sessions, time, seed, digests and restoring (SESS-1, EXEC-2, TIME-1)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.access import AccessTable
from quorate.core.tables import ReplicatedTables, TablesSnapshot, decode_snapshot, encode_snapshot
from quorate.errors import MalformedMessage
from quorate.messages.access import Grant
from quorate.messages.protocol import REQUESTS_MAX, Outcome, Request

ONE, TWO, STRANGER = b"1" * 32, b"2" * 32, b"s" * 32


def tables(sessions_max: int = 2) -> ReplicatedTables:
    return ReplicatedTables(AccessTable((Grant(ONE, "one"), Grant(TWO, "two"))), sessions_max)


def opened(copy: ReplicatedTables, client: bytes, timestamp: int, sequence_number: int, index: int = 0) -> int:
    verdict = copy.open_session(Request(client, 0, timestamp, ()), sequence_number, index)
    assert verdict.outcome == Outcome.SESSION_OPENED
    return int.from_bytes(verdict.results[0] or b"", "big")


def test_strangers_are_denied() -> None:
    copy = tables()
    assert copy.open_session(Request(STRANGER, 0, 1, ()), 1, 0).outcome == Outcome.DENIED
    assert copy.judge(Request(STRANGER, 1, 1, (b"x",))).outcome == Outcome.DENIED
    assert not copy.may_use(STRANGER)


def test_names_of_sessions_never_repeat() -> None:
    """Each is the sequence number and index of what opened it."""
    copy = tables(100)
    names = {opened(copy, ONE, at, at // 3, at % 3) for at in range(3, 60)}
    assert len(names) == 57
    assert opened(copy, ONE, 60, 7, REQUESTS_MAX - 1) + 1 == opened(copy, ONE, 61, 8, 0)


def test_the_order_of_use_is_replicated() -> None:
    """Two replicas that executed the same, one of them restored from a snapshot in between, close the same session."""
    one = tables()
    first, second = opened(one, ONE, 1, 1), opened(one, ONE, 2, 2)
    one.record(Request(ONE, first, 1, (b"x",)), Outcome.EXECUTED, (b"r",))
    two = tables()
    two.restore(decode_snapshot(encode_snapshot(one.snapshot())))
    for copy in (one, two):
        opened(copy, ONE, 3, 3)
        assert copy.session(ONE, first) is not None
        assert copy.session(ONE, second) is None
        copy.snapshot()
    assert one.digest() == two.digest()


@pytest.mark.parametrize(
    "data",
    [b"", b"junk", b"\x93\x00\xc4\x00\x80", encode_snapshot(TablesSnapshot(-1, b"s" * 32, {}, b"\x90"))],
)
def test_a_snapshot_that_is_none(data: bytes) -> None:
    with pytest.raises(MalformedMessage):
        decode_snapshot(data)


@pytest.mark.parametrize("row", [b"", b"\x93\x00\x00\xc0", b"junk", b"\x93\x01\x01\x91\x92\x01\x01"])
def test_rows_that_are_none(row: bytes) -> None:
    with pytest.raises(MalformedMessage):
        tables().restore(TablesSnapshot(1, b"s" * 32, {ONE: row}, b"\x90"))


steps = st.lists(
    st.tuples(st.sampled_from(["open", "use"]), st.sampled_from([ONE, TWO]), st.integers(0, 4), st.integers(1, 8)),
    max_size=50,
)


@settings(deadline=None)
@given(steps, st.integers(0, 50))
def test_exactly_once_bounded_and_restorable(actions: list[tuple[str, bytes, int, int]], restored_at: int) -> None:
    """Each (session, timestamp) runs at most once, timestamps only grow, at most S sessions a client; a copy that is
    restored from a snapshot on the way judges all that follows alike, to equal digests."""
    one, two = tables(), tables()
    ran: list[tuple[bytes, int, int]] = []
    names: list[int] = [99]
    for number, (action, client, which, timestamp) in enumerate(actions, start=1):
        if number == restored_at:
            two.restore(decode_snapshot(encode_snapshot(one.snapshot())))
        verdicts = []
        for copy in (one, two):
            copy.advance(timestamp, number, b"d" * 32)
            if action == "open":
                verdict = copy.open_session(Request(client, 0, timestamp, ()), number, 0)
            else:
                request = Request(client, names[which % len(names)], timestamp, (b"x",))
                verdict = copy.judge(request)
                if verdict.is_new:
                    copy.record(request, Outcome.EXECUTED, (b"%d" % number,))
            verdicts.append(verdict)
        assert verdicts[0] == verdicts[1]
        if action == "open" and verdicts[0].is_new:
            names.append(int.from_bytes(verdicts[0].results[0] or b"", "big"))
        if action == "use" and verdicts[0].is_new:
            ran.append((client, names[which % len(names)], timestamp))
        assert all(len(row.sessions) <= 2 for row in one._rows.values())
    assert len(set(ran)) == len(ran)
    for client, session, _ in ran:
        times = [at for other, name, at in ran if (other, name) == (client, session)]
        assert times == sorted(times)
    one.snapshot()
    two.snapshot()
    assert one.digest() == two.digest() == one.snapshot().digest()
