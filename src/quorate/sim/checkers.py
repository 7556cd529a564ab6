"""The judge: looks at everything that correct replicas and clients do, and says which rule was broken.

It knows nothing of the rules' implementation: it sees what leaves (messages), what is traced (certificates), what the
services were told to execute, and what clients learnt. Replicas that crash later are believed as long as they lived.
What traitors claim is not looked at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from traceback import format_exception
from typing import Any, NamedTuple

from quorate.core.admission import ORDINARY
from quorate.core.context import Core
from quorate.core.ports import Context
from quorate.messages.protocol import Checkpoint, Message
from quorate.messages.reads import ReadReply
from quorate.messages.records import Record
from quorate.sim.linearizability import END_OF_TIME, Call, is_linearizable, unexplained_prefix
from quorate.sim.register import key_of
from quorate.sim.revocations import Revocations
from quorate.sim.rot import Rotten
from quorate.sim.votes import Votes


class Verdict(NamedTuple):
    """A rule that was broken, and how."""

    rule: str
    text: str


class Execution(NamedTuple):
    """One operation as a replica's service saw it."""

    client: bytes
    operation: bytes
    time: int
    seed: bytes
    result: bytes

    @property
    def is_tick(self) -> bool:
        """Whether no client asked for it: the service's deadline had come."""
        return not self.client


class Attempt(NamedTuple):
    """A request of a correct client."""

    client: str
    public_key: bytes
    invoked: int
    operations: tuple[bytes, ...]
    request: tuple[int, int] = (0, 0)
    """Its session and timestamp, once it is answered; none where no part of it was ordered."""
    ordered: tuple[int, ...] | None = None
    """The places of the operations that were ordered, where not all were: a quorum answered the others at once."""


Details = dict[str, Any]


class Judge:
    """Collects what correct nodes do; `verdicts` says what was wrong."""

    def __init__(self, correct_replicas: set[int], correct_clients: set[bytes], faults: int | None = None) -> None:
        self.verdicts: list[Verdict] = []
        self.refusals: Counter[str] = Counter()
        self.history: dict[int, bytes] = {}
        """The agreed digest of every sequence number that any correct replica ever committed."""
        self.last_executed = 0
        self.highest_view = 0
        self._replicas = correct_replicas
        self._faults = faults
        """f; when it is not said, nobody looks at how far views run ahead."""
        self._votes = Votes(self.accuse)
        self._views: dict[int, int] = {}
        self._clients = correct_clients
        self._prepared: dict[tuple[int, int], bytes] = {}
        self._checkpoints: dict[int, bytes] = {}
        self._executions: defaultdict[int, list[Execution]] = defaultdict(list)
        self._executed: dict[tuple[bytes, bytes], int] = {}
        """Where each operation of a correct client was executed first: all of them are distinct texts but reads."""
        self._asked: set[tuple[bytes, bytes]] = set()
        self._latest = (0, -1)
        """The highest sequence number with an operation, and its agreed time."""
        self._executed_requests: dict[tuple[bytes, int, int], int] = {}
        """Where each (client, session, timestamp) was executed first."""
        self._executed_here: dict[int, int] = {}
        """What each replica's present process executed last."""
        self.rotten = Rotten()
        self.revocations = Revocations(self.accuse)
        self._calls: list[Call] = []
        self._promised: list[Attempt] = []
        """What clients have an answer to, and no replica is known to have executed for good."""
        self._hearers = self._all_hearers()

    def _all_hearers(self) -> dict[str, Callable[[int, Details], None]]:
        return {
            "prepared": self._hear_prepared,
            "committed": self._hear_committed,
            "executed": self._hear_executed,
            "entered-view": self._hear_view,
            "view-change": self._hear_view,
            "state-fetched": self._hear_fetched,
            "checkpoint": self._hear_checkpoint,
            "stable": self._hear_checkpoint,
            "refused": self._hear_refused,
            "client-revoked": self.revocations.hear,
        }

    def accuse(self, rule: str, text: str) -> None:
        """A rule was broken."""
        self.verdicts.append(Verdict(rule, text))

    def hear(self, replica: int, event: str, details: Details) -> None:
        """A correct replica traced something."""
        is_excused = self.rotten.hear(replica, event, details)
        hearer = self._hearers.get(event)
        if hearer is not None and not is_excused:
            hearer(replica, details)

    def distrust(self, replica: int) -> None:
        """A replica is broken into: what is refused of it from here on is no slander, late messages too."""
        self._replicas.discard(replica)

    def see_rot(self, replica: int) -> None:
        """The memory of a replica rots: until it is repaired its results and its checkpoints are not those of a correct
        one; and peers that have its checkpoints refuse other ones, and what is damaged of them, later too."""
        self.rotten.begin(replica)
        self.distrust(replica)

    def see_repaired(self, replica: int) -> None:
        """What rotted was fetched: it counts once the replica says so, after all that it said before."""
        self.rotten.repaired.add(replica)

    def is_agreed(self, replica: int, number: int) -> bool:
        """Whether a replica whose memory rotted has the same checkpoint under this number as the others."""
        present, digest = self.rotten.checkpoints.get(replica, (0, b""))
        return present == number and self._checkpoints.get(number) == digest

    def see_start(self, replica: int) -> None:
        """The process of a replica starts: it goes on from a checkpoint, with a new memory."""
        self._executed_here.pop(replica, None)
        self.rotten.end(replica)
        self.revocations.see_start(replica)

    def see_failure(self, replica: int, error: Exception) -> None:
        """The process of a correct replica stopped by itself."""
        frames = "".join(format_exception(error)[-3:]).rstrip()
        self.accuse("no failure", f"replica {replica} stopped: {error}\n{frames}")

    def check_bounds(self, replica: int, core: Core) -> None:
        """The tables of a correct replica stay within what the window and the group's size allow."""
        for table, size, limit in sizes_of(core):
            if size > limit:
                self.accuse("bounded memory", f"replica {replica} has {size} entries in {table}, more than {limit}")

    def see_persisted(self, replica: int, record: Record) -> None:
        """A correct replica wrote a record to its disk."""
        self._votes.see_persisted(replica, record)

    def see_sent(self, replica: int, message: Message) -> None:
        """A correct replica sent a message; peers' messages, which it passes on, say nothing of it."""
        if isinstance(message, ReadReply):
            self.revocations.see_answer(replica, message.client)
        is_excused = replica in self.rotten.replicas and isinstance(message, Checkpoint)
        if getattr(message, "replica", None) == replica and not is_excused:
            self._votes.see_sent(replica, message)

    def see_execution(self, replica: int, index: int, operation: bytes, context: Context, result: bytes) -> None:
        """The service of a correct replica executed the operation that comes *index*-th in its batch."""
        execution = Execution(context.client, operation, context.time, context.seed, result)
        number = context.sequence_number
        known = self._executions[number]
        if index == len(known):
            known.append(execution)
            self._executed.setdefault((context.client, operation), number)
            self._check_new(replica, number, execution)
        elif known[index] != execution:
            self._differs(replica, f"{number}.{index}", execution, known[index])

    def _differs(self, replica: int, place: str, execution: Execution, known: Execution) -> None:
        """Two replicas executed different things at one place of the agreed order."""
        self.accuse("equal executions", f"at {place} replica {replica} executed {execution}, another {known}")

    def see_raised(self, replica: int, operation: bytes, error: Exception) -> None:
        """The service of a correct replica raised."""
        self.accuse("service raises", f"at replica {replica} {operation!r} raised {type(error).__name__}: {error}")

    def _check_new(self, replica: int, number: int, execution: Execution) -> None:
        """The first execution anywhere: of what its client asked for, at a time that grows from batch to batch."""
        if execution.client in self._clients and (execution.client, execution.operation) not in self._asked:
            self.accuse("validity", f"replica {replica} executed {execution.operation!r}, which its client never asked")
        if number > self._latest[0]:
            if execution.time <= self._latest[1]:
                self.accuse("agreed time", f"at {number} it is {execution.time}, before that {self._latest[1]}")
            self._latest = (number, execution.time)

    def see_asked(self, attempt: Attempt) -> None:
        """A correct client makes a request."""
        self._asked.update((attempt.public_key, operation) for operation in attempt.operations)

    def see_operation_twice(self, replica: int, operation: bytes, sequence_number: int) -> None:
        """The service of a correct replica was given an operation of a correct client a second time."""
        self.accuse(
            "exactly once",
            f"replica {replica} executed {operation.decode()!r} again at {sequence_number}",
        )

    def is_said_once(self, client: bytes, operation: bytes) -> bool:
        """Whether a replica is to execute this operation once: those of correct clients are distinct, but for reads."""
        return client in self._clients and not operation.startswith(b"read ")

    def see_completed(self, attempt: Attempt, results: tuple[bytes | None, ...], now: int) -> None:
        """A correct client accepted a reply: in the end its operations are in the agreed history (facts 7.4, iii)."""
        self.see_promised(attempt)
        self._record(attempt, now, results)

    def see_promised(self, attempt: Attempt) -> None:
        """A correct client accepted a reply. Perhaps no replica has committed its request yet (TENT-4)."""
        self._promised.append(attempt)

    def promised(self) -> list[str]:
        """What clients have an answer to, and is not committed anywhere yet."""
        self._promised = [attempt for attempt in self._promised if not self._is_executed(attempt)]
        return [f"{attempt.client} got a result for {attempt.operations}" for attempt in self._promised]

    def _is_executed(self, attempt: Attempt) -> bool:
        places = range(len(attempt.operations)) if attempt.ordered is None else attempt.ordered
        return all((attempt.public_key, attempt.operations[place]) in self._executed for place in places)

    def see_lost(self, attempt: Attempt) -> None:
        """A client will never know the outcome of a request."""
        self._record(attempt, END_OF_TIME, None)

    def check_histories(self) -> None:
        """Was all executed that clients were told of? Is what they saw of each register linearizable?"""
        for promise in self.promised():
            self.accuse("reply without execution", promise)
        by_key: defaultdict[bytes, list[Call]] = defaultdict(list)
        for call in self._calls:
            by_key[key_of(call.operations[0])].append(call)
        for key, calls in sorted(by_key.items()):
            if not is_linearizable(calls):
                lines = "\n".join(f"    {_line(call)}" for call in unexplained_prefix(calls))
                self.accuse("linearizability", f"register {key.decode()} has no linearization:\n{lines}")

    def _record(self, attempt: Attempt, returned: int, results: tuple[bytes | None, ...] | None) -> None:
        """Split a request into what it did to each register; what was not ordered, each by itself: one read may be
        answered at once and the next, which a liar spoilt, be ordered later."""
        if results is not None and (len(results) != len(attempt.operations) or None in results):
            self.accuse("results", f"{attempt.client} got {results} for {attempt.operations}")
            return
        at_keys: defaultdict[tuple[bytes, int | None], list[int]] = defaultdict(list)
        for at, operation in enumerate(attempt.operations):
            is_ordered = attempt.ordered is None or at in attempt.ordered
            at_keys[key_of(operation), None if is_ordered else at].append(at)
        for positions in at_keys.values():
            operations = tuple(attempt.operations[at] for at in positions)
            learnt = None if results is None else tuple(results[at] or b"" for at in positions)
            self._calls.append(Call(attempt.client, attempt.invoked, returned, operations, learnt))

    # What correct replicas trace

    def _hear_prepared(self, replica: int, details: Details) -> None:
        view, number, digest = details["view"], details["sequence_number"], details["digest"]
        known = self._prepared.setdefault((view, number), digest)
        if known != digest:
            self.accuse(
                "prepared uniqueness",
                f"in view {view} at {number} replica {replica} prepared {_short(digest)}, another {_short(known)}",
            )

    def _hear_committed(self, replica: int, details: Details) -> None:
        self._agree(replica, details, "committed")

    def _hear_executed(self, replica: int, details: Details) -> None:
        self._agree(replica, details, "executed")
        number = details["sequence_number"]
        before = self._executed_here.get(replica)
        if before is not None and number != before + 1:
            self.accuse("order", f"replica {replica} executed {number} after {before}")
        self._executed_here[replica] = number
        self.last_executed = max(self.last_executed, number)
        for client, session, timestamp, outcome in details["requests"]:
            self.revocations.see_request(replica, client, number, outcome)
            if outcome >= 0:
                first = self._executed_requests.setdefault((client, session, timestamp), number)
                if first != number:
                    self.accuse(
                        "exactly once",
                        f"replica {replica} executed request {timestamp} of session {session} of client "
                        f"{_short(client)} at {first} and at {number}",
                    )

    def _hear_fetched(self, replica: int, details: Details) -> None:
        """It took over a state: execution goes on from there."""
        number, rotten = details["sequence_number"], self.rotten
        if replica in rotten.repaired:
            is_laggard = number > self._executed_here.get(replica, -1)
            if replica not in rotten.found and not is_laggard:
                self.accuse("told damage", f"replica {replica} repaired its state and did not say that it was damaged")
            rotten.replicas.discard(replica)
            rotten.repaired.discard(replica)
        self._executed_here[replica] = number

    def _hear_view(self, replica: int, details: Details) -> None:
        """A view is left when a quorum was in it or wanted it, or when its primary was caught lying: f liars drag
        nobody ahead (B6), and one replica alone does not run ahead (facts 1.7)."""
        view = details["view"]
        self._views[replica] = max(view, self._views.get(replica, 0))
        self.highest_view = max(self.highest_view, view)
        if self._faults is None or view <= 1 + self._faults:
            return
        if sum(1 for other in self._views.values() if other >= view - 1 - self._faults) <= self._faults:
            self.accuse("views", f"replica {replica} moves to view {view}; views of correct replicas: {self._views}")

    def _agree(self, replica: int, details: Details, what: str) -> None:
        number, digest = details["sequence_number"], details["digest"]
        known = self.history.setdefault(number, digest)
        if known != digest:
            self.accuse(
                "agreement", f"at {number} replica {replica} {what} {_short(digest)}, another replica {_short(known)}"
            )

    def _hear_checkpoint(self, replica: int, details: Details) -> None:
        number, digest = details["sequence_number"], details["digest"]
        known = self._checkpoints.setdefault(number, digest)
        if known != digest:
            self.accuse("equal checkpoints", f"replica {replica} has another state at checkpoint {number}")

    def _hear_refused(self, replica: int, details: Details) -> None:
        kind, reason, sender = details["type"], details["reason"], details["sender"]
        self.refusals[f"{kind}: {reason}"] += 1
        if sender in self._replicas and reason not in ORDINARY:
            self.accuse("no slander", f"replica {replica} refused the {kind} of correct replica {sender}: {reason}")


def _short(digest: bytes) -> str:
    return digest.hex()[:8]


def _line(call: Call) -> str:
    ended = "never" if call.returned == END_OF_TIME else f"{call.returned / 1e6:.6f}"
    said = "; ".join(operation.decode() for operation in call.operations)
    learnt = "?" if call.results is None else "; ".join(result.decode() for result in call.results)
    return f"{call.invoked / 1e6:.6f} to {ended:>8}  {call.client}: {said} -> {learnt}"


def sizes_of(core: Core) -> list[tuple[str, int, int]]:
    """What a replica keeps, and how much of it may be there: name, entries, limit."""
    log, window, replicas = core.log, core.log.window, core.replica_count
    digests = core.quorums.faults + 3
    return [
        ("slots", len(log.slots), window),
        ("P", len(log.prepared_claims), window),
        ("Q", sum(map(len, log.pre_prepared_claims.values())), window * digests),
        ("history", len(log.history), window),
        ("checkpoints held", len(core.checkpoints.held), window // core.settings.checkpoint_interval + 1 + replicas),
        ("CHECKPOINTs", sum(map(len, core.checkpoints.votes.values())), window * replicas),
        ("VIEW-CHANGEs", len(core.views.view_changes), replicas),
        ("waiting requests", len(core.waiting), core.settings.waiting_requests_max),
        ("large requests", len(core.waiting.large), 2 * core.settings.waiting_requests_max),
        ("waiting reads", len(core.reads), core.settings.waiting_requests_max),
        ("parked proposals", len(core.parked), window),
    ]
