"""What may never happen to the replicas that are run once, nor to a client, whatever the twins do.

It sees what correct replicas trace and send, and the replies of everybody; nothing of how the rules work.
"""

from __future__ import annotations

from collections import defaultdict
from traceback import format_exception
from typing import Any, NamedTuple

from quorate.core.quorum import Quorums
from quorate.messages.protocol import Checkpoint, Commit, Message, Outcome, Prepare, PrePrepare, Reply
from quorate.sim.checkers import Verdict

Details = dict[str, Any]


class Content(NamedTuple):
    """What a reply says."""

    outcome: int
    results: tuple[bytes | None, ...]


RequestId = tuple[bytes, int, int]
"""Client, session, timestamp."""


class Judge:
    """Collects what happens; `verdicts` says what was wrong."""

    def __init__(self, quorums: Quorums, correct: frozenset[int]) -> None:
        self.verdicts: list[Verdict] = []
        self.history: dict[int, bytes] = {}
        """The digest of every sequence number that a correct replica committed or executed."""
        self.last_executed = 0
        self.highest_view = 0
        self.believed: dict[RequestId, Content] = {}
        """What clients may believe: f + 1 identities said it, or a quorum, tentatively in one view. The two copies
        of a twin are one identity."""
        self._quorums = quorums
        self._correct = correct
        self._prepared: dict[object, bytes] = {}
        self._checkpoints: dict[object, bytes] = {}
        self._votes: dict[object, bytes] = {}
        self._position: dict[int, int] = {}
        self._executed_at: dict[RequestId, int] = {}
        self._sayers: defaultdict[RequestId, dict[Content, set[int]]] = defaultdict(dict)
        self._preparers: defaultdict[tuple[RequestId, Content, int], set[int]] = defaultdict(set)
        """Who said it tentatively, by view."""

    def accuse(self, rule: str, text: str) -> None:
        """A rule was broken."""
        self.verdicts.append(Verdict(rule, text))

    def see_failure(self, replica: int, error: Exception) -> None:
        """The rules raised at a replica."""
        if replica in self._correct:
            frames = "".join(format_exception(error)[-3:]).rstrip()
            self.accuse("no failure", f"replica {replica} stopped: {error}\n{frames}")

    def see_sent(self, replica: int, message: Message) -> None:
        """A replica sent a message. A correct one says one digest of one thing."""
        if replica not in self._correct:
            return
        if isinstance(message, PrePrepare | Prepare | Commit):
            place: tuple[object, ...] = (type(message).__name__, replica, message.view, message.sequence_number)
            self._expect("one vote", self._votes, place, message.digest)
        elif isinstance(message, Checkpoint):
            self._expect("one vote", self._votes, ("Checkpoint", replica, message.sequence_number), message.digest)

    def hear(self, replica: int, event: str, details: Details) -> None:
        """A replica traced something."""
        if replica not in self._correct:
            return
        match event:
            case "prepared":
                place = (details["view"], details["sequence_number"])
                self._expect("prepared uniqueness", self._prepared, place, details["digest"])
            case "committed":
                self._expect("agreement", self.history, details["sequence_number"], details["digest"])
            case "executed":
                self._hear_executed(replica, details)
            case "state-fetched":
                self._position[replica] = details["sequence_number"]
            case "checkpoint":
                self._expect("equal checkpoints", self._checkpoints, details["sequence_number"], details["digest"])
            case "entered-view":
                self.highest_view = max(self.highest_view, details["view"])

    def _expect(self, rule: str, known: dict[Any, bytes], place: object, digest: bytes) -> None:
        before = known.setdefault(place, digest)
        if before != digest:
            self.accuse(rule, f"at {place} {digest.hex()[:8]}, before that {before.hex()[:8]}")

    def _hear_executed(self, replica: int, details: Details) -> None:
        number = details["sequence_number"]
        self._expect("agreement", self.history, number, details["digest"])
        if number != self._position.get(replica, 0) + 1:
            self.accuse("order", f"replica {replica} executed {number} after {self._position.get(replica, 0)}")
        self._position[replica] = number
        self.last_executed = max(self.last_executed, number)
        for client, session, timestamp, outcome in details["requests"]:
            request = (client, session, timestamp)
            if outcome >= 0 and self._executed_at.setdefault(request, number) != number:
                first = self._executed_at[request]
                self.accuse("exactly once", f"request {timestamp} of session {session} ran at {first} and at {number}")

    def hear_reply(self, reply: Reply) -> Content | None:
        """A reply was sent, by anybody. Returns what is believed of its request now, if anything is."""
        request = (reply.client, reply.session, reply.timestamp)
        assert not isinstance(reply.results, bytes), "digests are switched off here"
        content = Content(reply.outcome, reply.results)
        sayers = self._sayers[request].setdefault(content, set())
        preparers = self._preparers[request, content, reply.view]
        (preparers if reply.is_tentative else sayers).add(reply.replica)
        if len(sayers) >= self._quorums.weak or len(sayers | preparers) >= self._quorums.quorum:
            believed = self.believed.setdefault(request, content)
            if believed != content:
                self.accuse("one belief", f"a certificate for {request[1:]} says {believed}, another one {content}")
        return self.believed.get(request)

    def check_end(self, logs: set[bytes]) -> None:
        """In the end: correct replicas hold one log, each operation is in it once, they replied alike, and what was
        believed is a beginning of it."""
        if len(logs) != 1:
            self.accuse("equal states", f"correct replicas hold {sorted(logs)}")
            return
        (final,) = logs
        operations = final.split(b";")[:-1]
        if len(set(operations)) != len(operations):
            self.accuse("exactly once", f"{final.decode()} has an operation twice")
        for request, contents in self._sayers.items():
            honest = [content for content, sayers in contents.items() if sayers & self._correct]
            if len(honest) > 1:
                self.accuse("equal replies", f"correct replicas replied {honest} to {request[1:]}")
        for request, content in self.believed.items():
            if content.outcome == Outcome.EXECUTED and not final.startswith(content.results[0] or b"?"):
                self.accuse("believed for good", f"{content} to {request[1:]} is not in {final.decode()}")
