"""The client's rules (OSDI'99 4.1), for one session with one outstanding request. Pure.

A request goes to the believed primary; when no answer comes in time, or the link to it is lost, to all. A result is
believed once enough replicas vouch for it (`client.votes`), so at least one correct replica does (B13).

**Steps.** A session is opened by an ordered request of its own, so what is outstanding is either an `OPENING` or the
`REQUEST` of the caller; `_RULES` says what follows from each outcome in each step.

**Never twice.** "Session closed" says that this copy of a request was not executed. It does not say that no earlier
copy was: any replica may have had the request ordered before the session was closed, and again after it (C3), while
the replies to the first copy were lost. That holds even for a request that was sent once, to one replica. So a request
that meets a closed session fails with its outcome unknown; it is not sent again in another session.

Lest that befalls every quiet session that was closed in favour of busier ones (only the S most recently used of a
client stay open), a session that was idle for `IDLE_MICROSECONDS` is not trusted any more: the next request opens a new
one before it is sent at all. What remains are clients that use more than S sessions within that time.

**Openings** of a client have growing timestamps, also across its restarts and among processes that share its key. The
wall clock gives them, with random bits below it; where the replicas know a later one, they say so (STALE) and the
session opens above it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from quorate.auth.authenticator import ClientAuthenticator
from quorate.client.known import NUMBER_MAX, Openings, Views, number_of
from quorate.client.outstanding import Outstanding, Step
from quorate.client.sizes import request_bytes
from quorate.client.votes import Ballot, Results
from quorate.config import ClusterConfiguration
from quorate.core.quorum import primary_of, quorums_of
from quorate.errors import PermissionDenied, RequestFailed, RequestRefused
from quorate.messages.protocol import OPERATIONS_MAX, SEPARATE_BYTES, Outcome, Reply, Request

IDLE_MICROSECONDS: Final = 2_000_000
"""A session that was not used for so long may have been closed by now (see above)."""
_SPREAD: Final = 1 << 20
"""Processes that share a key and all open above the same timestamp choose theirs out of this many."""
_MILLISECOND: Final = 1000
_RETRANSMISSIONS_PER_VIEW_CHANGE: Final = 4
"""The first retransmission comes this many times sooner than a backup suspects the primary."""
_BACK_OFF_MAX: Final = 16
"""Retransmission slows down to this many times the first interval."""
SAMPLE_MICROSECONDS: Final = 100_000
"""How often a request goes to all replicas at once: by these they see how fast the primary proposes (TIMER-5)."""
SIGNED_AFTERWARDS: Final = 100
"""So many requests are signed from the start after one that had to be sent again (REQ-3)."""


class SendRequest(NamedTuple):
    """Send this frame to these replicas."""

    receivers: tuple[int, ...]
    frame: bytes
    needs_primary: bool = False
    """Whether nobody passes this copy on to the primary at once: only it got one, or it is large (SEP-4)."""


class Completed(NamedTuple):
    """The results of the request's operations, in their order; None where the service failed, or, for a client that may
    only read, where an operation may have changed something."""

    results: Results
    is_restricted: bool = False


class Failed(NamedTuple):
    """The request has no result that can be believed."""

    error: RequestFailed


SessionEffect = SendRequest | Completed | Failed


class Session:
    """One session of a client: one request at a time, each executed at most once.

    Times are monotonic microseconds. `first_open_timestamp` is the wall clock, which ticks `ticks` times a microsecond:
    a caller who has randomness puts it below the microseconds (`known.opening_timestamp`), as openings with equal
    timestamps have one session. `first_timestamp` is that of the first request; it is drawn as well, so that two
    processes that share a session all the same never take the answer to the other's request for their own.
    """

    def __init__(
        self,
        authenticator: ClientAuthenticator,
        configuration: ClusterConfiguration,
        first_open_timestamp: int,
        first_timestamp: int = 1,
        ticks: int = 1,
    ) -> None:
        self._authenticator = authenticator
        self._configuration = configuration
        self._quorums = quorums_of(configuration.replica_count)
        self._everyone = tuple(range(configuration.replica_count))
        self._first_interval = first_interval_of(configuration)
        self._views = Views(configuration.replica_count)
        self._openings = Openings(first_open_timestamp, 1 + (first_timestamp - 1) % _SPREAD, ticks)
        self._next_timestamp = first_timestamp
        self._session: int | None = None
        self._last_used = 0
        self._operations: tuple[bytes, ...] | None = None
        self._outstanding: Outstanding | None = None
        self._effects: list[SessionEffect] = []
        self._next_sample = 0
        self._to_sign = 0
        """How many of the next requests are signed, whatever the policy."""
        self._unreliable: set[int] = set()
        """Replicas that did not send the results when that was up to them last: nobody waits for them (DIG-4)."""

    # ------------------------------------------------------------------------------------------- questions

    @property
    def is_idle(self) -> bool:
        """Whether a request may begin."""
        return self._operations is None

    @property
    def is_opening(self) -> bool:
        """Whether the present request waits for its session."""
        return self._outstanding is not None and self._outstanding.step is Step.OPENING

    @property
    def primary(self) -> int:
        """The replica that is believed to be the primary."""
        return primary_of(self._views.believed, self._quorums.replica_count)

    def needs_opening(self, now: int) -> bool:
        """Whether a request that begins now has to open a session first."""
        return self._session is None or now - self._last_used >= IDLE_MICROSECONDS

    def awaits(self, session: int, timestamp: int) -> bool:
        """Whether a reply of this session and timestamp may still tell something."""
        outstanding = self._outstanding
        return (
            outstanding is not None
            and outstanding.request.timestamp == timestamp
            and outstanding.request.session == session
        )

    def next_deadline(self) -> int | None:
        """When to settle again although nothing came in."""
        return None if self._outstanding is None else self._outstanding.next_deadline()

    # ---------------------------------------------------------------------------------------------- inputs

    def begin(self, operations: tuple[bytes, ...], now: int) -> None:
        """Have *operations* executed, together and in this order. Raises RequestRefused when they cannot be sent."""
        if self._operations is not None:
            raise RuntimeError("a session has one outstanding request: wait for it, or abandon it")
        self._check(operations)
        self._operations = operations
        if self.needs_opening(now):
            self._open(now)
        else:
            self._request(now)

    def administer(self, operations: tuple[bytes, ...], now: int) -> None:
        """Have *operations* on the access table executed. It is harmless if they are executed more than once, so after
        an answer that leaves it open they are sent again, as another request."""
        if self._operations is not None:
            raise RuntimeError("a session has one outstanding request: wait for it, or abandon it")
        self._check(operations)
        self._operations = operations
        self._administer(now)

    def receive(self, reply: Reply, now: int) -> None:
        """Take in an authentic reply to this client. What it means is drawn by `settle`."""
        if reply.replica >= self._quorums.replica_count:
            return
        self._views.state(reply.replica, reply.view)
        if self._outstanding is not None and self.awaits(reply.session, reply.timestamp):
            self._outstanding.votes.take(reply)

    def link_changed(self, replica: int, now: int) -> None:
        """The link to a replica is gone, or new: what was on its way is lost."""
        if replica == self.primary:
            self.primary_lost(now)
        if self._outstanding is not None and replica == self._outstanding.designated:
            self._unreliable.add(replica)

    def primary_lost(self, now: int) -> None:
        """The link to the believed primary is gone, or new, or was not there: send to all at once, also what they have
        already, as they pass on what is large when it comes again (decisions; SEP-4)."""
        if self._outstanding is not None:
            self._outstanding.deadline = now

    def abandon(self) -> None:
        """Give up the present request. It may still be executed; it is never sent again."""
        self._operations = None
        self._outstanding = None
        self._effects.clear()

    def settle(self, now: int) -> list[SessionEffect]:
        """Draw the conclusions of what came in and of the time: certificates first, then retransmission."""
        while self._outstanding is not None:
            ballot = self._outstanding.votes.certified()
            if ballot is None:
                self._ask_for_results(self._outstanding, now)
                self._retransmit_when_due(self._outstanding, now)
                break
            self._judge_designated(self._outstanding, now)
            step = self._outstanding.step
            self._outstanding = None
            _RULES.get((step, ballot.outcome), Session._on_unexpected)(self, ballot, now)
        effects, self._effects = self._effects, []
        return effects

    # --------------------------------------------------------------------------------------------- sending

    def _check(self, operations: tuple[bytes, ...]) -> None:
        if not 1 <= len(operations) <= OPERATIONS_MAX:
            raise RequestRefused(f"a request has 1 to {OPERATIONS_MAX} operations, not {len(operations)}: divide them")
        size, limit = request_bytes(self._configuration, operations), self._configuration.settings.request_bytes_max
        if size > limit:
            raise RequestRefused(
                f"the request needs {size} bytes, above the cluster's request_bytes_max of {limit}: make it smaller"
            )

    def _open(self, now: int) -> None:
        self._session = None
        timestamp = self._openings.next(now)
        if timestamp > NUMBER_MAX:
            self._fail(f"the client {self._name()} has used up its opening timestamps: give it a new key")
            return
        self._send(Step.OPENING, Request(self._authenticator.client_id, 0, timestamp, ()), now)

    def _request(self, now: int) -> None:
        assert self._session is not None
        assert self._operations is not None
        timestamp = self._next_timestamp
        self._next_timestamp = timestamp + 1
        request = Request(self._authenticator.client_id, self._session, timestamp, self._operations)
        self._send(Step.REQUEST, request, now)

    def _administer(self, now: int) -> None:
        assert self._operations is not None
        timestamp = self._openings.next(now)
        self._send(Step.ACCESS, Request(self._authenticator.client_id, 0, timestamp, self._operations), now)

    def _send(self, step: Step, request: Request, now: int) -> None:
        is_signed = self._to_sign > 0
        self._to_sign = max(0, self._to_sign - 1)
        frame = self._authenticator.seal(request, is_signed)
        has_path = self._configuration.settings.read_only_path
        self._outstanding = Outstanding(
            step, request, frame, is_signed, self._quorums, has_path, now, self._first_interval
        )
        self._effects.append(self._first_copy(step, frame, now))

    def _first_copy(self, step: Step, frame: bytes, now: int) -> SendRequest:
        """For the believed primary; all get what is large (SEP-1), and another request now and then (TIMER-5)."""
        settings = self._configuration.settings
        is_separate = settings.separate_requests and len(frame) > SEPARATE_BYTES
        is_sample = settings.slow_primary_factor > 0 and step is Step.REQUEST and now >= self._next_sample
        if not is_separate and not is_sample:
            return SendRequest((self.primary,), frame, needs_primary=True)
        self._next_sample = now + SAMPLE_MICROSECONDS
        return SendRequest(self._everyone, frame, needs_primary=is_separate)

    def _ask_for_results(self, outstanding: Outstanding, now: int) -> None:
        """DIG-4: enough replicas agree on a digest, and the one that is to send the results has sent none, or others:
        ask all of them at once, and once; whoever is asked again answers whole. No other copy is signed for that."""
        if not outstanding.lacks_results(now):
            return
        designated = outstanding.designated
        may_come = designated not in self._unreliable and not outstanding.votes.has_heard(designated)
        if may_come and outstanding.whole_due is not None and now < outstanding.whole_due:
            return
        self._unreliable.add(designated)
        outstanding.was_asked_whole = True
        outstanding.deadline = now + outstanding.interval
        self._effects.append(SendRequest(self._everyone, outstanding.frame))

    def _judge_designated(self, outstanding: Outstanding, now: int) -> None:
        """Who has sent the results in time, when that was up to it, is waited for the next time."""
        is_in_time = outstanding.whole_due is None or now <= outstanding.whole_due
        if is_in_time and outstanding.votes.has_whole(outstanding.designated):
            self._unreliable.discard(outstanding.designated)

    def _retransmit_when_due(self, outstanding: Outstanding, now: int) -> None:
        """To all replicas, ever more slowly (OSDI'99 4.1); signed, as are the next ones: it may be that some replicas
        believe nothing else of this client (REQ-3)."""
        if now >= outstanding.deadline:
            if not outstanding.is_signed:
                outstanding.frame = self._authenticator.seal(outstanding.request, True)
                outstanding.is_signed = True
            self._to_sign = SIGNED_AFTERWARDS
            outstanding.deadline = now + outstanding.interval
            outstanding.interval = min(2 * outstanding.interval, _BACK_OFF_MAX * self._first_interval)
            self._effects.append(SendRequest(self._everyone, outstanding.frame))

    # ------------------------------------------------------------------------------------------ conclusions

    def _on_opened(self, ballot: Ballot, now: int) -> None:
        number = number_of(ballot.results)
        if number is None:
            self._on_unexpected(ballot, now)
            return
        self._session = number
        self._last_used = now
        self._request(now)

    def _on_stale_opening(self, ballot: Ballot, now: int) -> None:
        """The replicas know a later opening of this client: open above it."""
        if self._passed_by(ballot, now):
            self._open(now)

    def _on_executed(self, ballot: Ballot, now: int) -> None:
        assert self._operations is not None
        if len(ballot.results) != len(self._operations):
            self._on_unexpected(ballot, now)
            return
        self._last_used = now
        self._operations = None
        self._effects.append(Completed(ballot.results, ballot.outcome == Outcome.READ_ONLY))

    def _on_administered(self, ballot: Ballot, now: int) -> None:
        self._operations = None
        self._effects.append(Completed(ballot.results))

    def _on_stale_access(self, ballot: Ballot, now: int) -> None:
        """Another process of this client opened a session, or asked too: ask above that."""
        if self._passed_by(ballot, now):
            self._administer(now)

    def _passed_by(self, ballot: Ballot, now: int) -> bool:
        """Timestamps of session 0 are above the replicas' from now on; False when they did not say which that is."""
        number = number_of(ballot.results)
        if number is None:
            self._on_unexpected(ballot, now)
            return False
        self._openings.pass_by(number)
        return True

    def _on_no_administrator(self, ballot: Ballot, now: int) -> None:
        self._operations = None
        self._effects.append(Failed(PermissionDenied(f"the client {self._name()} is no administrator of the cluster")))

    def _on_closed(self, ballot: Ballot, now: int) -> None:
        """See the head of this file: whether an earlier copy was executed cannot be known."""
        self._fail(
            "the session was closed while the request was on its way: outcome unknown, it is not sent again; "
            "if more processes share this client's key than sessions_per_client allows, give each a key of its own"
        )

    def _on_stale_request(self, ballot: Ballot, now: int) -> None:
        """A later timestamp was executed in this session, and not by us."""
        self._fail(
            "another process used this session: outcome unknown, the request is not sent again; "
            "give every process a key of its own"
        )

    def _on_denied(self, ballot: Ballot, now: int) -> None:
        self._fail(f"the cluster does not admit the client {self._name()}: an administrator has to add it")

    def _on_unexpected(self, ballot: Ballot, now: int) -> None:
        self._fail(
            f"the replicas answered in a way that this version does not know (outcome {ballot.outcome}): "
            "outcome unknown; use the client of the replicas' version"
        )

    def _fail(self, text: str) -> None:
        """The request fails, and its session is not used again."""
        self._session = None
        self._operations = None
        self._effects.append(Failed(RequestRefused(text)))

    def _name(self) -> str:
        return self._authenticator.client_id.hex()


_RULES: Final[dict[tuple[Step, int], Callable[[Session, Ballot, int], None]]] = {
    (Step.OPENING, Outcome.SESSION_OPENED): Session._on_opened,
    (Step.OPENING, Outcome.STALE): Session._on_stale_opening,
    (Step.OPENING, Outcome.DENIED): Session._on_denied,
    (Step.REQUEST, Outcome.EXECUTED): Session._on_executed,
    (Step.REQUEST, Outcome.READ_ONLY): Session._on_executed,
    (Step.REQUEST, Outcome.SESSION_CLOSED): Session._on_closed,
    (Step.REQUEST, Outcome.STALE): Session._on_stale_request,
    (Step.REQUEST, Outcome.DENIED): Session._on_denied,
    (Step.ACCESS, Outcome.EXECUTED): Session._on_administered,
    (Step.ACCESS, Outcome.STALE): Session._on_stale_access,
    (Step.ACCESS, Outcome.DENIED): Session._on_no_administrator,
}
"""What a certificate means. Any other pair: `_on_unexpected`."""


def first_interval_of(configuration: ClusterConfiguration) -> int:
    """How long a client waits before it sends again, in microseconds."""
    timeout = configuration.settings.view_change_timeout_ms * _MILLISECOND
    return max(1, timeout // _RETRANSMISSIONS_PER_VIEW_CHANGE)
