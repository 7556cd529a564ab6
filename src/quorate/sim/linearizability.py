"""Is a history of one register linearizable? Wing and Gong's search with Lowe's memory, as Porcupine does it.

A history is linearizable when every call can be given one instant between its invocation and its return, such that
the calls, in the order of those instants, are a run of the sequential specification. The search keeps the calls'
invocations and returns in one doubly linked list in time order and tries, in depth first order, to linearize a call
that was invoked before the first return that is left. A (set of linearized calls, value) that was met before is not
tried again.

A call whose outcome nobody learnt may have happened at any time after its invocation, or never: it returns at the
end of time with a result that matches anything.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from quorate.sim.register import ABSENT, Value, apply_operation

END_OF_TIME: Final = 2**63 - 1


class Call(NamedTuple):
    """Operations of one request on one register, executed together, and what the client learnt."""

    client: str
    invoked: int
    returned: int
    """END_OF_TIME when no result came."""
    operations: tuple[bytes, ...]
    results: tuple[bytes, ...] | None
    """None when no result came."""


class _Event:
    """An invocation or a return in a circular list. An invocation knows its return; a return knows only itself."""

    __slots__ = ("call", "following", "index", "matching", "preceding")

    def __init__(self, index: int, call: Call) -> None:
        self.index = index
        self.call = call
        self.matching: _Event = self
        self.preceding: _Event = self
        self.following: _Event = self

    def append(self, last: _Event) -> _Event:
        """Put *last* before this head, that is at the end of its list."""
        last.preceding, last.following = self.preceding, self
        self.preceding.following = last
        self.preceding = last
        return last

    def lift(self) -> None:
        """Take an invocation and its return out of the list."""
        for event in (self, self.matching):
            event.preceding.following = event.following
            event.following.preceding = event.preceding

    def put_back(self) -> None:
        """Undo `lift`."""
        for event in (self.matching, self):
            event.preceding.following = event
            event.following.preceding = event


def is_linearizable(history: list[Call], start: Value = ABSENT) -> bool:
    """Whether the calls on one register have a linearization from the value *start*."""
    head = _linked(history)
    value, linearized = start, 0
    met = {(linearized, value)}
    taken: list[tuple[_Event, Value]] = []
    event = head.following
    while head.following is not head:
        if event.matching is event:  # a return: its call has to come before it, so step back
            if not taken:
                return False
            event, value = taken.pop()
            linearized ^= 1 << event.index
            event.put_back()
            event = event.following
            continue
        after = _outcome(value, event.call)
        if after is not None and (state := (linearized | 1 << event.index, after)) not in met:
            met.add(state)
            taken.append((event, value))
            linearized, value = state
            event.lift()
            event = head.following
        else:
            event = event.following
    return True


def unexplained_prefix(history: list[Call], start: Value = ABSENT) -> list[Call]:
    """The shortest prefix (by return) of a history that is not linearizable: what a person should look at."""
    ordered = sorted(history, key=lambda call: call.returned)
    for length in range(1, len(ordered) + 1):
        horizon = ordered[length - 1].returned
        cut = [call if call.returned <= horizon else _forgotten(call) for call in ordered if call.invoked <= horizon]
        if not is_linearizable(cut, start):
            return cut
    return []


def _forgotten(call: Call) -> Call:
    return call._replace(returned=END_OF_TIME, results=None)


def _outcome(value: Value, call: Call) -> Value | None:
    """The value after the call, or None when the specification gives other results than the client got."""
    results: list[bytes] = []
    for operation in call.operations:
        value, result = apply_operation(value, operation)
        results.append(result)
    return value if call.results is None or call.results == tuple(results) else None


def _linked(history: list[Call]) -> _Event:
    """The events in time order behind a head. At equal times invocations come first: the calls then overlap."""
    events: list[tuple[int, int, int, _Event]] = []
    for index, call in enumerate(history):
        invocation, response = _Event(index, call), _Event(index, call)
        invocation.matching = response
        events.append((call.invoked, 0, index, invocation))
        events.append((call.returned, 1, index, response))
    head = _Event(-1, Call("", 0, 0, (), None))
    for *_, event in sorted(events, key=lambda entry: entry[:3]):
        head.append(event)
    return head
