"""Sessions among honest and lying replicas, whatever the order, loss and repetition of replies: never a wrong result,
and never one operation executed twice."""

from __future__ import annotations

from typing import NamedTuple

from hypothesis import example, given, settings
from hypothesis import strategies as st

from quorate.auth.authenticator import ClientAuthenticator
from quorate.auth.keys import KeyPair
from quorate.client.session import IDLE_MICROSECONDS, Completed, Failed, SendRequest, Session
from quorate.config import ClientEntry, ClusterConfiguration, Member, Settings
from quorate.core.quorum import quorums_of
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import Outcome, Reply, Request

CLIENT_KEY = KeyPair(b"c" * 32)


def configuration_of(replica_count: int) -> ClusterConfiguration:
    keys = [KeyPair(bytes([index + 1]) * 32).public_key.hex() for index in range(replica_count)]
    members = tuple(Member("127.0.0.1", 7000 + index, keys[index]) for index in range(replica_count))
    clients = (ClientEntry("c", CLIENT_KEY.public_key.hex()),)
    return ClusterConfiguration("0" * 32, "1" * 32, "counter", members, clients, Settings(request_authentication="mac"))


CONFIGURATIONS = {count: configuration_of(count) for count in (1, 4, 7)}


class Choice(NamedTuple):
    """What happens next, drawn by hypothesis."""

    kind: str
    number: int
    other: int


KINDS = [
    "serve",
    "serve",
    "order",
    "order",
    "answer",
    "close",
    "reply",
    "lie",
    "lie",
    "wait",
    "lose",
    "idle",
    "abandon",
]
CHOICES = st.builds(
    Choice,
    st.sampled_from(KINDS),
    st.integers(0, 2**16),
    st.integers(0, 2**16),
)


class Cluster:
    """Replicas that agree by fiat. A traitor may order any request that was ever sent, at any time (C3)."""

    def __init__(self) -> None:
        self.sent: list[Request] = []
        self.opening = 0
        self.opened_session = 0
        self.rows: dict[int, tuple[int, tuple[bytes, ...]]] = {}
        self.executed: list[bytes] = []
        self.replies: list[Reply] = []
        """Without their replica: what every correct replica says, now or at any later time."""

    def order(self, request: Request) -> None:
        """Execute one request, as every correct replica does (core/tables.py)."""
        outcome, results = self._open(request) if request.session == 0 else self._execute(request)
        self.replies.append(Reply(0, request.client, request.session, request.timestamp, outcome, results, 0))

    def _open(self, request: Request) -> tuple[int, tuple[bytes, ...]]:
        if request.timestamp < self.opening:
            return Outcome.STALE, (self.opening.to_bytes(8, "big"),)
        if request.timestamp > self.opening:
            self.opening = request.timestamp
            self.opened_session += 1024
            self.rows[self.opened_session] = (0, ())
        return Outcome.SESSION_OPENED, (self.opened_session.to_bytes(8, "big"),)

    def _execute(self, request: Request) -> tuple[int, tuple[bytes, ...]]:
        row = self.rows.get(request.session)
        if row is None:
            return Outcome.SESSION_CLOSED, ()
        timestamp, results = row
        if request.timestamp < timestamp:
            return Outcome.STALE, ()
        if request.timestamp > timestamp:
            self.executed.extend(request.operations)
            results = tuple(b"done " + operation for operation in request.operations)
            self.rows[request.session] = (request.timestamp, results)
        return Outcome.EXECUTED, results


class Run:
    """One client against such a cluster, with up to f liars."""

    def __init__(self, replica_count: int) -> None:
        configuration = CONFIGURATIONS[replica_count]
        self.replica_count = replica_count
        self.faults = quorums_of(replica_count).faults
        self.session = Session(ClientAuthenticator(CLIENT_KEY, configuration), configuration, 1000)
        self.cluster = Cluster()
        self.now = 0
        self.asked: list[bytes] = []
        self.completed: list[bytes] = []

    def step(self, choice: Choice) -> None:
        if self.session.is_idle:
            self.asked.append(b"%d" % len(self.asked))
            self.session.begin((self.asked[-1],), self.now)
        self.settle()
        getattr(self, choice.kind)(choice)
        self.settle()

    def settle(self) -> None:
        for effect in self.session.settle(self.now):
            match effect:
                case SendRequest():
                    request = decode(decode_envelope(effect.frame).payload)
                    assert isinstance(request, Request)
                    self.cluster.sent.append(request)
                case Completed():
                    assert effect.results == (b"done " + self.asked[-1],), "the result is the executed operation's"
                    assert self.asked[-1] in self.cluster.executed, "a result is of an operation that was executed"
                    self.completed.append(self.asked[-1])
                case Failed():
                    assert "unknown" in str(effect.error)

    # What may happen, by the names of the choices.

    def serve(self, choice: Choice) -> None:
        """What was sent last is ordered, and all honest replicas are heard."""
        self.order(choice._replace(number=0))
        self.answer(choice)

    def answer(self, choice: Choice) -> None:
        """All honest replicas say again what they said last."""
        for honest in range(self.replica_count - self.faults):
            self.reply(Choice("reply", 0, honest))

    def order(self, choice: Choice) -> None:
        if self.cluster.sent:
            recent = min(choice.number % 4, len(self.cluster.sent) - 1)
            self.cluster.order(self.cluster.sent[-1 - recent])

    def reply(self, choice: Choice) -> None:
        if self.cluster.replies:
            recent = min(choice.number % 6, len(self.cluster.replies) - 1)
            honest = self.faults + choice.other % (self.replica_count - self.faults)
            said = self.cluster.replies[-1 - recent]
            self.receive(honest, said.session, said.timestamp, said.outcome, said.results)

    def lie(self, choice: Choice) -> None:
        if self.faults and self.cluster.sent:
            request = self.cluster.sent[-1]
            outcome = choice.number % 6
            results = [(), (b"lie",), ((7).to_bytes(8, "big"),), (b"done " + self.asked[-1],)][choice.other % 4]
            self.receive(choice.other % self.faults, request.session, request.timestamp, outcome, results)

    def receive(self, replica: int, session: int, timestamp: int, outcome: int, results: tuple[bytes, ...]) -> None:
        view = 2**40 if replica < self.faults else 3
        reply = Reply(view, CLIENT_KEY.public_key, session, timestamp, outcome, results, replica)
        self.session.receive(reply, self.now)

    def close(self, choice: Choice) -> None:
        if self.cluster.rows:
            del self.cluster.rows[sorted(self.cluster.rows)[choice.number % len(self.cluster.rows)]]

    def wait(self, choice: Choice) -> None:
        self.now += choice.number * 100

    def idle(self, choice: Choice) -> None:
        self.now += IDLE_MICROSECONDS

    def lose(self, choice: Choice) -> None:
        self.session.primary_lost(self.now)

    def abandon(self, choice: Choice) -> None:
        self.session.abandon()


REPLAY_ACROSS_A_CLOSING = [
    Choice(kind, 0, 0) for kind in ("serve", "order", "close", "order", "answer", "serve", "serve")
]
"""A request is executed, its replies are lost, its session is closed, and a traitor has it ordered once more."""


@given(st.sampled_from([1, 4, 7]), st.lists(CHOICES, max_size=60))
@example(4, REPLAY_ACROSS_A_CLOSING)
@settings(max_examples=300, deadline=None)
def test_never_a_wrong_result_and_never_twice(replica_count: int, choices: list[Choice]) -> None:
    run = Run(replica_count)
    for choice in choices:
        run.step(choice)

    executed = run.cluster.executed
    assert len(set(executed)) == len(executed), "no operation is executed twice"
    assert set(run.completed) <= set(executed)
    assert run.session.primary == 0 or run.session.primary == 3 % replica_count, "liars do not choose the primary"


@given(st.sampled_from([4, 7]), st.lists(CHOICES, max_size=40))
@settings(max_examples=100, deadline=None)
def test_once_the_honest_answer_the_request_ends(replica_count: int, choices: list[Choice]) -> None:
    run = Run(replica_count)
    for choice in choices:
        run.step(choice)
    begun, ended = len(run.asked), False

    for _ in range(12):
        if run.session.is_idle:
            ended = True
            break
        deadline = run.session.next_deadline()
        assert deadline is not None, "what is not ended has a deadline"
        run.now = max(run.now, deadline)
        run.settle()
        run.serve(Choice("serve", 0, 0))
        run.settle()

    assert ended
    assert len(run.asked) == begun
