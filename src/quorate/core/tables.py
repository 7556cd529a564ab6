"""The replicated tables of the core: what, besides the service's state, every correct replica holds alike.

The client table (exactly-once, OSDI'99 4.1), the access table, the recoveries, the agreed time and the seed. They are
part of every checkpoint's digest (ACCESS-5, EPOCH-4). Views, replica ids and MACs are not in them: those differ between
correct replicas (facts 1.3).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from quorate.core.access import AccessTable, access_digest
from quorate.core.recoveries import Recoveries
from quorate.errors import MalformedMessage
from quorate.messages.access import Refused, encode_access
from quorate.messages.protocol import REQUESTS_MAX, ClientId, Digest, Natural, Outcome, Request

Results = tuple[bytes | None, ...]
GENESIS_SEED: Final = sha256(b"quorate seed").digest()


class SessionRow(Struct, array_like=True):
    """A session's last executed request and its reply."""

    timestamp: int
    outcome: int
    results: Results


class ClientRow(Struct, array_like=True):
    """A client's sessions, the least recently used first, and what was executed last of its session 0."""

    opening: SessionRow
    sessions: dict[int, SessionRow]


def row_digest(client: bytes, encoded: bytes) -> bytes:
    """The digest of a client's row."""
    return sha256(client + encoded).digest()


def tables_digest(time: int, seed: bytes, row_digests: dict[bytes, bytes], access: bytes, recoveries: bytes) -> bytes:
    """The digest of the agreed time, the seed, the access table, the recoveries if there were any, and the rows in the
    order of the clients' keys."""
    hashed = sha256(b"quorate tables" + time.to_bytes(8, "big") + seed + access_digest(access))
    if recoveries:
        hashed = sha256(b"quorate recoveries" + hashed.digest() + sha256(recoveries).digest())
    for client in sorted(row_digests):
        hashed.update(row_digests[client])
    return hashed.digest()


class TablesSnapshot(Struct, frozen=True, array_like=True):
    """The tables at a checkpoint."""

    time: Natural
    seed: Digest
    rows: dict[ClientId, bytes]
    access: bytes
    recoveries: bytes = b""

    def digest(self) -> bytes:
        """What a CHECKPOINT's digest covers of the tables."""
        digests = {client: row_digest(client, encoded) for client, encoded in self.rows.items()}
        return tables_digest(self.time, self.seed, digests, self.access, self.recoveries)


class Verdict(NamedTuple):
    """What the client table says of a request that is about to be executed."""

    is_new: bool
    outcome: int
    results: Results


class ReplicatedTables:
    """The client table, the access table, the last agreed time in microseconds, and the seed."""

    def __init__(self, access: AccessTable, sessions_max: int, recoveries: Recoveries | None = None) -> None:
        self.access: Final = access
        self.recoveries: Final = recoveries or Recoveries()
        self._sessions_max = sessions_max
        self.time = 0
        self.seed = GENESIS_SEED
        self._rows: dict[bytes, ClientRow] = {}
        self._encoded: dict[bytes, bytes] = {}
        self._digests: dict[bytes, bytes] = {}
        self._changed: set[bytes] = set()

    def advance(self, proposed_time: int, sequence_number: int, digest: bytes) -> None:
        """A batch begins: effective time = max(proposed, last + 1); a new seed (TIME-1)."""
        self.time = max(proposed_time, self.time + 1)
        self.seed = sha256(self.seed + sequence_number.to_bytes(8, "big") + digest).digest()

    def may_use(self, client: bytes) -> bool:
        """Whether the replicated state admits the client."""
        return self.access.grant(client) is not None

    def may_administer(self, client: bytes) -> bool:
        """Whether the client may change the access table (ACCESS-1)."""
        grant = self.access.grant(client)
        return grant is not None and grant.is_administrator

    def session(self, client: bytes, session: int) -> SessionRow | None:
        """The row of a session."""
        row = self._rows.get(client)
        return None if row is None else row.sessions.get(session)

    def session_count(self) -> int:
        """How many sessions are open."""
        return sum(len(row.sessions) for row in self._rows.values())

    def last_opening(self, client: bytes) -> SessionRow | None:
        """What the client's session 0 executed last: an opening, or a change of the access table."""
        row = self._rows.get(client)
        return None if row is None else row.opening

    def judge(self, request: Request) -> Verdict:
        """Whether a request of an open session is to be executed; else how it is answered (EXEC-2)."""
        if not self.may_use(request.client):
            return Verdict(False, Outcome.DENIED, ())
        row = self.session(request.client, request.session)
        if row is None:
            return Verdict(False, Outcome.SESSION_CLOSED, ())
        if request.timestamp > row.timestamp:
            return Verdict(True, Outcome.EXECUTED, ())
        if request.timestamp == row.timestamp:
            return Verdict(False, row.outcome, row.results)
        return Verdict(False, Outcome.STALE, ())

    def record(self, request: Request, outcome: int, results: Results) -> None:
        """The request was executed: keep its reply; its session is now the most recently used."""
        sessions = self._rows[request.client].sessions
        row = sessions.pop(request.session)
        row.timestamp = request.timestamp
        row.outcome = outcome
        row.results = results
        sessions[request.session] = row
        self._changed.add(request.client)

    def open_session(self, request: Request, sequence_number: int, index: int) -> Verdict:
        """Open a session named by the sequence number and index that open it (SESS-1).

        Openings of a client have growing timestamps, so none can be replayed to push out its live sessions. The
        least recently used session beyond the limit is closed.
        """
        verdict = self._judge_opening(request)
        if verdict is not None:
            return verdict
        session = sequence_number * REQUESTS_MAX + index
        results = (session.to_bytes(8, "big"),)
        row = self._record_opening(request, Outcome.SESSION_OPENED, results)
        row.sessions[session] = SessionRow(0, Outcome.SESSION_OPENED, ())
        while len(row.sessions) > self._sessions_max:
            del row.sessions[next(iter(row.sessions))]
        return Verdict(True, Outcome.SESSION_OPENED, results)

    def change_access(self, request: Request, sequence_number: int, room: int) -> tuple[Verdict, list[bytes]]:
        """Execute an administrator's operations on the access table, once (ACCESS-1); who was revoked by them.

        *room* is how many bytes the results may have; what is beyond it is left out. A revoked client's sessions are
        closed and its row is dropped: its key never comes back (ACCESS-2).
        """
        if not self.may_administer(request.client):
            return Verdict(False, Outcome.DENIED, ()), []
        verdict = self._judge_opening(request)
        if verdict is not None:
            return verdict, []
        before = self.access.revoked()
        results: list[bytes | None] = []
        for operation in request.operations:
            if self.may_administer(request.client):
                encoded = encode_access(self.access.execute(operation, sequence_number))
            else:
                encoded = encode_access(Refused("this client revoked itself"))
            fits = len(encoded) <= room
            results.append(encoded if fits else None)
            room -= len(encoded) if fits else 0
        self._record_opening(request, Outcome.EXECUTED, tuple(results))
        revoked = sorted(self.access.revoked() - before)
        for client in revoked:
            self._rows.pop(client, None)
            self._encoded.pop(client, None)
            self._digests.pop(client, None)
            self._changed.discard(client)
        return Verdict(True, Outcome.EXECUTED, tuple(results)), revoked

    def _judge_opening(self, request: Request) -> Verdict | None:
        """How a request of session 0 is answered that is not to be executed; None: it is."""
        if not self.may_use(request.client):
            return Verdict(False, Outcome.DENIED, ())
        last = self.last_opening(request.client)
        if last is None or request.timestamp > last.timestamp:
            return None
        if request.timestamp == last.timestamp:
            return Verdict(False, last.outcome, last.results)
        return Verdict(False, Outcome.STALE, (last.timestamp.to_bytes(8, "big"),))

    def _record_opening(self, request: Request, outcome: int, results: Results) -> ClientRow:
        opening = SessionRow(request.timestamp, outcome, results)
        row = self._rows.setdefault(request.client, ClientRow(opening, {}))
        row.opening = opening
        self._changed.add(request.client)
        return row

    def snapshot(self) -> TablesSnapshot:
        """The tables as they are. Costs what changed since the last snapshot, and a pointer a client."""
        for client in sorted(self._changed):  # a set of bytes has another order in every process
            row = self._rows[client]
            # Sessions as a list: their order, least recently used first, is part of what is agreed.
            encoded = msgspec.msgpack.encode((row.opening, list(row.sessions.items())))
            self._encoded[client] = encoded
            self._digests[client] = row_digest(client, encoded)
        self._changed.clear()
        recoveries = self.recoveries.encode()
        return TablesSnapshot(self.time, self.seed, dict(self._encoded), self.access.encode(), recoveries)

    def digest(self) -> bytes:
        """The digest of the tables at the last snapshot."""
        recoveries = self.recoveries.encode()
        return tables_digest(self.time, self.seed, self._digests, self.access.encode(), recoveries)

    def restore(self, snapshot: TablesSnapshot) -> None:
        """Become what *snapshot* says. Raises MalformedMessage when its rows are not rows."""
        rows: dict[bytes, ClientRow] = {}
        try:
            for client, encoded in snapshot.rows.items():
                opening, sessions = msgspec.msgpack.decode(
                    encoded, type=tuple[SessionRow, list[tuple[int, SessionRow]]]
                )
                rows[client] = ClientRow(opening, dict(sessions))
        except msgspec.DecodeError as error:
            raise MalformedMessage(f"not a row of the client table: {error}") from None
        self.access.restore(snapshot.access)
        self.recoveries.restore(snapshot.recoveries)
        self.time, self.seed = snapshot.time, snapshot.seed
        self._rows = rows
        self._encoded = dict(snapshot.rows)
        self._digests = {client: row_digest(client, encoded) for client, encoded in snapshot.rows.items()}
        self._changed.clear()


def encode_snapshot(snapshot: TablesSnapshot) -> bytes:
    """The bytes of a snapshot, for the journal."""
    return msgspec.msgpack.encode(snapshot)


def decode_snapshot(data: bytes) -> TablesSnapshot:
    """The snapshot in *data*, or MalformedMessage."""
    try:
        return msgspec.msgpack.decode(data, type=TablesSnapshot)
    except msgspec.DecodeError as error:
        raise MalformedMessage(f"not the tables of a checkpoint: {error}") from None
