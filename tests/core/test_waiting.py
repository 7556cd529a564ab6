"""Requests that wait: first come, first served for the timer; clients in turn for the primary (facts 1.7, 3.4; C7,
P7)."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.waiting import Waiting, WaitingRequests
from quorate.messages.protocol import Request


def waiting(client: int, session: int = 1, timestamp: int = 1, size: int = 10) -> Waiting:
    """A request that waits; its digest says which one it is."""
    request = Request(bytes([client]) * 32, session, timestamp, (b"x",))
    return Waiting(request, f"{client} {session} {timestamp}".encode(), b"f" * size)


def taken(table: WaitingRequests, count: int = 100, size: int = 10**6) -> list[str]:
    return [entry.digest.decode() for entry in table.take(count, size)]


def test_one_place_a_session_and_newer_replaces_older() -> None:
    table = WaitingRequests(10, 10, 1 << 20)
    assert table.add(waiting(1, timestamp=5))
    assert not table.add(waiting(1, timestamp=5))
    assert not table.add(waiting(1, timestamp=4))
    assert table.add(waiting(1, timestamp=6))
    assert len(table) == 1
    assert taken(table) == ["1 1 6"]


def test_bounded_in_all_and_for_each_client() -> None:
    table = WaitingRequests(5, 3, 1 << 20)
    assert [table.add(waiting(1, session)) for session in range(1, 5)] == [True, True, True, False]
    assert [table.add(waiting(2, session)) for session in range(1, 4)] == [True, True, False]
    # A newer request of a session that waits already needs no place of its own.
    assert table.add(waiting(1, 2, timestamp=9))
    assert len(table) == 5


def test_clients_take_turns() -> None:
    """A client with many sessions gets no more than the others."""
    table = WaitingRequests(100, 100, 1 << 20)
    for session in range(1, 6):
        table.add(waiting(1, session))
    table.add(waiting(2))
    table.add(waiting(3))
    assert taken(table, 4) == ["1 1 1", "2 1 1", "3 1 1", "1 2 1"]
    assert taken(table, 2) == ["1 3 1", "1 4 1"]


def test_a_batch_has_at_most_so_many_bytes_and_at_least_one_request() -> None:
    table = WaitingRequests(100, 100, 1 << 20)
    for client in range(1, 5):
        table.add(waiting(client, size=40))
    assert len(taken(table, size=100)) == 2
    assert len(taken(table, size=10)) == 1
    assert table.has_ready


def test_what_is_taken_waits_on_until_it_is_executed() -> None:
    table = WaitingRequests(100, 100, 1 << 20)
    table.add(waiting(1))
    table.add(waiting(2))
    taken(table)
    assert not table.has_ready
    oldest = table.oldest()
    assert oldest is not None
    assert oldest.digest == b"1 1 1"
    table.executed(oldest.request)
    assert [entry.digest for entry in table.oldest_first()] == [b"2 1 1"]
    table.reorder_all()
    assert taken(table) == ["2 1 1"]


def test_execution_of_an_older_timestamp_leaves_a_newer_request_waiting() -> None:
    table = WaitingRequests(100, 100, 1 << 20)
    table.add(waiting(1, timestamp=7))
    table.executed(waiting(1, timestamp=6).request)
    assert len(table) == 1
    table.executed(waiting(1, timestamp=8).request)
    assert len(table) == 0
    assert table.oldest() is None


def test_what_a_proposal_orders_is_not_ordered_again() -> None:
    table = WaitingRequests(100, 100, 1 << 20)
    table.add(waiting(1))
    table.add(waiting(2), is_ordered=True)
    table.mark_ordered(waiting(1, timestamp=9).request)
    assert taken(table) == ["1 1 1"]
    table.reorder_all()
    table.mark_ordered(waiting(1).request)
    assert taken(table) == ["2 1 1"]


steps = st.lists(
    st.tuples(st.sampled_from("aoxtmr"), st.integers(1, 3), st.integers(1, 3), st.integers(1, 4)), max_size=60
)


@settings(deadline=None)
@given(steps)
def test_it_agrees_with_a_list(actions: list[tuple[str, int, int, int]]) -> None:
    """Beside a plain list: the same requests wait, in the same order; what is ready is a part of them; bounds hold."""
    table, model = WaitingRequests(6, 3, 1 << 20), list[Waiting]()
    for action, client, session, timestamp in actions:
        entry = waiting(client, session, timestamp)
        key = (entry.request.client, session)
        present = next((other for other in model if (other.request.client, other.request.session) == key), None)
        if action in "ao":
            mine = sum(1 for other in model if other.request.client == entry.request.client)
            fits = present is not None or (len(model) < 6 and mine < 3)
            expected = fits and (present is None or present.request.timestamp < timestamp)
            assert table.add(entry, is_ordered=action == "o") is expected
            if expected:
                model = [other for other in model if other is not present] + [entry]
        elif action == "x":
            table.executed(entry.request)
            if present is not None and present.request.timestamp <= timestamp:
                model.remove(present)
        elif action == "t":
            assert all(found in model for found in table.take(session, 25))
        elif action == "m":
            table.mark_ordered(entry.request)
        else:
            table.reorder_all()
            assert table.has_ready is bool(model)
        assert table.oldest_first() == model
        assert len(table) == len(model)
    table.reorder_all()
    ready = table.take(100, 10**6)
    assert sorted(entry.digest for entry in ready) == sorted(entry.digest for entry in model)


def test_bounded_in_bytes_for_each_client() -> None:
    """A client with large requests leaves the others their room; what went is free again."""
    table = WaitingRequests(100, 100, 1000)
    assert [table.add(waiting(1, session, size=400)) for session in (1, 2, 3)] == [True, True, False]
    assert table.add(waiting(2, size=1000))
    assert table.add(waiting(1, 1, timestamp=2, size=600))
    assert not table.add(waiting(1, 2, timestamp=2, size=401))
    assert table.get(bytes([1]) * 32, 2) is not None
    table.executed(waiting(1, 1, timestamp=2).request)
    assert table.add(waiting(1, 3, size=600))
    table.forget(bytes([1]) * 32)
    assert table.add(waiting(1, 4, size=1000))


def test_a_flooding_client_slows_itself() -> None:
    """A polite client's requests are in the next batches, however many a flooding one has waiting."""
    table = WaitingRequests(1000, 200, 1 << 20)
    accepted = sum(table.add(waiting(1, session)) for session in range(1, 900))
    assert accepted == 200
    for session in (1, 2, 3):
        table.add(waiting(2, session))
    assert taken(table, count=6) == ["1 1 1", "2 1 1", "1 2 1", "2 2 1", "1 3 1", "2 3 1"]
