"""The clients of the simulated world: what they ask for, how they die, and what they learn."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple, Protocol

from quorate.adversary.liar import Liar
from quorate.auth.authenticator import ClientAuthenticator
from quorate.client.reads import Answered, Reads, ToBeOrdered
from quorate.client.session import Completed, Failed, SendRequest, Session
from quorate.config import ClusterConfiguration
from quorate.errors import AuthenticationFailed, MalformedMessage
from quorate.messages.protocol import Reply
from quorate.messages.reads import ReadReply
from quorate.sim.checkers import Attempt, Judge
from quorate.sim.nodes import Surroundings
from quorate.sim.plan import ClientPlan
from quorate.sim.register import ABSENT

SHARES: Final = (("append", 0.4), ("read", 0.7), ("write", 0.85), ("swap", 1.0))
"""Which operations come how often, cumulated."""
PADDING: Final = "~" * 1200
"""What makes a value large."""
SHOWN: Final = 60
"""How much of an operation or a result a line of a trace shows."""
RESTLESS_THINK: Final = 3_000
"""The shortest pause between two requests, in microseconds, of a client that goes on only because others wait."""


NONCES_A_TICK: Final = 1 << 10
"""A client that starts again at another microsecond begins with nonces that it did not use before."""


class Source(Protocol):
    """What a client asks for."""

    def only_reads(self, operation: bytes) -> bool:
        """Whether an operation changes nothing."""

    def next_request(self) -> tuple[bytes, ...]:
        """The operations of the next request."""

    def learn(self, operations: tuple[bytes, ...], results: tuple[bytes | None, ...]) -> None:
        """They have these results."""


class Operations:
    """Operations on registers whose results tell much: but for reads, every one is a text of its own."""

    def __init__(self, name: str, plan: ClientPlan, random: Random, sizes: Random | None = None) -> None:
        self._name = name
        self._plan = plan
        self._random = random
        self._sizes = sizes or Random(0)
        self._prefix = "x" if plan.strategies else "k"
        """Liars have registers of their own: what they write there is nobody's business (C10)."""
        self._made = 0
        self._seen: dict[str, str] = {}

    def next_request(self) -> tuple[bytes, ...]:
        """The operations of the next request."""
        count = self._random.randint(1, self._plan.operations_max)
        return tuple(self._next_operation().encode() for _ in range(count))

    def only_reads(self, operation: bytes) -> bool:
        """Whether it is a read."""
        return operation.startswith(b"read ")

    def learn(self, operations: tuple[bytes, ...], results: tuple[bytes | None, ...]) -> None:
        """Remember the values of registers, so that some swaps succeed. What a liar wrote may be no text."""
        for operation, result in zip(operations, results, strict=True):
            verb, key, *rest = operation.decode().split(" ")
            if verb == "write":
                self._seen[key] = rest[0]
            elif verb in ("append", "read") and result is not None:
                self._seen[key] = result.decode(errors="replace")

    def _next_operation(self) -> str:
        self._made += 1
        token = f"{self._name}{self._made}."
        if self._plan.large_share and self._sizes.random() < self._plan.large_share:
            token += PADDING
        key = f"{self._prefix}{self._random.randrange(self._plan.keys)}"
        draw = self._random.random()
        verb = next(verb for verb, share in SHARES if draw < share)
        if verb == "read":
            return f"read {key}"
        if verb == "swap":
            return f"swap {key} {self._seen.get(key, ABSENT.decode())} {token}"
        return f"{verb} {key} {token}"


class Known(NamedTuple):
    """What a client has learnt of its present request."""

    results: dict[int, bytes | None]
    """By the places of its operations."""
    ordered: tuple[int, ...]
    """The places of those that are ordered; the others are answered without that."""


class ClientNode:
    """One client process: one request at a time, until its plan is done."""

    def __init__(
        self,
        world: Surroundings,
        judge: Judge,
        address: int,
        authenticator: ClientAuthenticator,
        configuration: ClusterConfiguration,
        plan: ClientPlan,
        random: Random,
        operations: Source,
        liar: Liar | None,
    ) -> None:
        self.address = address
        self.name = name_of_client(address - configuration.replica_count)
        self.goal = plan.requests
        """It goes on until it has so many answers."""
        self.is_sated = plan.requests == 0
        """It makes no more requests."""
        self.is_restless = False
        """It goes on asking when it has reached its goal, so that nobody's request waits in an idle cluster."""
        self.attempt: Attempt | None = None
        """The request that is under way."""
        self.completed = 0
        self.unauthentic = 0
        self.is_correct = liar is None
        self.public_key = authenticator.client_id
        self._world = world
        self._judge = judge
        self._authenticator = authenticator
        self._configuration = configuration
        self._plan = plan
        self._random = random
        self._liar = liar
        self._operations = operations
        self._answered = (0, 0)
        """Session and timestamp of the last reply."""
        self._session: Session | None = None
        self._reads: Reads | None = None
        self._known = Known({}, ())
        self._alarm: int | None = None

    def start(self) -> None:
        """The process starts, unless it runs: a new session, and the first request after a while."""
        if self._session is not None:
            return
        self._session = Session(self._authenticator, self._configuration, self._world.now + 1)
        if self._plan.queries and self._configuration.settings.read_only_path:
            self._reads = Reads(self._authenticator, self._configuration, (self._world.now + 1) * NONCES_A_TICK)
        self._think()

    def go_on(self, goal: int) -> None:
        """From now on as many answers more, and then more as long as others wait."""
        self.goal = self.completed + goal
        self.is_restless, self.is_sated = True, False
        if self._session is not None and self.attempt is None:
            self._think()

    def stop(self) -> None:
        """Make no more requests. A liar drops the one under way too: it may be one that its own lies keep from ever
        being answered, and while it goes on, whoever is behind stays behind by what was just executed."""
        self.is_sated = True
        if not self.is_correct and self.attempt is not None:
            self.die()

    def die(self) -> None:
        """The process dies; what became of its request it will never know."""
        self._lose_attempt()
        self._session = self._reads = None
        self._world.tell(self.address, "dies")

    @property
    def is_done(self) -> bool:
        """Whether it has got what it wanted."""
        return self.completed >= self.goal

    def describe(self) -> str:
        """One line for people."""
        if self.attempt is None:
            return f"client {self.name} got {self.completed} of {self.goal} answers"
        asked = "; ".join(map(_readable, self.attempt.operations))
        return f"client {self.name} waits since {self.attempt.invoked / 1e6:.3f} s for the answer to: {asked}"

    def arrive(self, frame: bytes) -> None:
        """The network delivers a reply."""
        if self._session is None:
            return
        try:
            reply = self._authenticator.open(frame)
        except (MalformedMessage, AuthenticationFailed):
            self.unauthentic += 1
            return
        if isinstance(reply, Reply):
            self._answered = (reply.session, reply.timestamp)
            self._session.receive(reply, self._world.now)
            self._settle()
        elif isinstance(reply, ReadReply) and self._reads is not None:
            self._reads.receive(reply, self._world.now)
            self._settle()

    def _think(self) -> None:
        session = self._session
        least = RESTLESS_THINK if self.is_restless else 0
        pause = self._random.randint(least, max(least, self._plan.think))
        self._world.schedule(self._world.now + pause, lambda: self._begin(session))

    def _begin(self, session: Session | None) -> None:
        if session is None or session is not self._session or self.attempt is not None or self.is_sated:
            return
        self.ask(self._operations.next_request())

    def ask(self, operations: tuple[bytes, ...]) -> None:
        """Make this request. None may be under way."""
        session = self._session
        if session is None or self.attempt is not None:
            return
        self.attempt = Attempt(self.name, self.public_key, self._world.now, operations)
        if self.is_correct:
            self._judge.see_asked(self.attempt)
        is_query = self._reads is not None and all(map(self._operations.only_reads, operations))
        verb = "asks without order for " if is_query else "asks "
        self._world.tell(self.address, verb + "; ".join(map(_readable, operations)))
        if is_query and self._reads is not None:
            self._known = Known({}, ())
            self._reads.begin(operations, self._world.now)
            self._world.count("read")
        else:
            self._known = Known({}, tuple(range(len(operations))))
            session.begin(operations, self._world.now)
        self._settle()

    def _settle(self) -> None:
        session = self._session
        if session is None:
            return
        self._settle_reads(session)
        for outcome in session.settle(self._world.now):
            match outcome:
                case SendRequest():
                    self._send(outcome)
                case Completed():
                    self._known.results.update(zip(self._known.ordered, outcome.results, strict=True))
                    self._complete()
                case Failed():
                    self._world.tell(self.address, f"fails: {outcome.error}")
                    self._lose_attempt()
                    self._think()
        self._set_alarm()

    def _settle_reads(self, session: Session) -> None:
        for outcome in self._reads.settle(self._world.now) if self._reads is not None else ():
            match outcome:
                case SendRequest():
                    self._send(outcome)
                case Answered(_, place, result) if self.attempt is not None:
                    self._known.results[place] = result
                    if len(self._known.results) == len(self.attempt.operations):
                        self._complete()
                case ToBeOrdered(_, places) if self.attempt is not None:
                    self._world.count("read that had to be ordered")
                    self._known = self._known._replace(ordered=places)
                    operations = tuple(self.attempt.operations[place] for place in places)
                    session.begin(operations, self._world.now)

    def _send(self, request: SendRequest) -> None:
        for sent in [request] if self._liar is None else self._liar.rewrite(request, self._world.now):
            for receiver in sent.receivers:
                self._world.transmit(self.address, receiver, sent.frame)

    def _complete(self) -> None:
        attempt, self.attempt = self.attempt, None
        if attempt is None:
            return
        self.completed += 1
        self.is_sated = self.is_sated or (self.is_done and not self.is_restless)
        results = tuple(result for _, result in sorted(self._known.results.items()))
        self._world.tell(self.address, "gets " + "; ".join("!" if r is None else _readable(r) for r in results))
        self._operations.learn(attempt.operations, results)
        if self.is_correct:
            ordered = self._known.ordered
            answered = attempt._replace(request=self._answered if ordered else (0, 0), ordered=ordered)
            self._judge.see_completed(answered, results, self._world.now)
        self._think()

    def _lose_attempt(self) -> None:
        if self.attempt is not None and self.is_correct:
            self._judge.see_lost(self.attempt)
        self.attempt = None

    def _set_alarm(self) -> None:
        deadline = self._next_deadline()
        if deadline is None:
            return
        time = max(deadline, self._world.now + 1)
        if self._alarm is None or time < self._alarm:
            self._alarm = time
            self._world.schedule(time, self._ring)

    def _next_deadline(self) -> int | None:
        parts = (self._session, self._reads)
        deadlines = [part.next_deadline() for part in parts if part is not None]
        return min((deadline for deadline in deadlines if deadline is not None), default=None)

    def _ring(self) -> None:
        if self._alarm != self._world.now:
            return
        self._alarm = None
        deadline = self._next_deadline()
        if deadline is not None and deadline <= self._world.now:
            self._settle()
        else:
            self._set_alarm()


def name_of_client(at: int) -> str:
    """Clients are called by letters."""
    return chr(ord("a") + at)


def _readable(data: bytes) -> str:
    rest = f"... ({len(data)} bytes)" if len(data) > SHOWN else ""
    return data[:SHOWN].decode(errors="backslashreplace") + rest
