"""The replicated tables of the core: what, besides the service's state, every correct replica holds alike.

The client table (exactly-once, OSDI'99 4.1), the agreed time and the seed. They are part of every checkpoint's digest.
Views, replica ids and MACs are not in them: those differ between correct replicas (facts 1.3).
"""

from __future__ import annotations

from hashlib import sha256
from typing import Final, NamedTuple

import msgspec
from msgspec import Struct

from quorate.errors import MalformedMessage
from quorate.messages.protocol import REQUESTS_MAX, ClientId, Digest, Natural, Outcome, Request

Results = tuple[bytes | None, ...]
GENESIS_SEED: Final = sha256(b"quorate seed").digest()


class SessionRow(Struct, array_like=True):
    """A session's last executed request and its reply."""

    timestamp: int
    outcome: int
    results: Results


class ClientRow(Struct, array_like=True):
    """A client's sessions, the least recently used first, and the opening that was executed last."""

    opening: int
    opened_session: int
    sessions: dict[int, SessionRow]


def row_digest(client: bytes, encoded: bytes) -> bytes:
    """The digest of a client's row."""
    return sha256(client + encoded).digest()


def tables_digest(time: int, seed: bytes, row_digests: dict[bytes, bytes]) -> bytes:
    """The digest of the agreed time, the seed and the rows, in the order of the clients' keys."""
    hashed = sha256(b"quorate tables" + time.to_bytes(8, "big") + seed)
    for client in sorted(row_digests):
        hashed.update(row_digests[client])
    return hashed.digest()


class TablesSnapshot(Struct, frozen=True, array_like=True):
    """The tables at a checkpoint."""

    time: Natural
    seed: Digest
    rows: dict[ClientId, bytes]

    def digest(self) -> bytes:
        """What a CHECKPOINT's digest covers of the tables."""
        digests = {client: row_digest(client, encoded) for client, encoded in self.rows.items()}
        return tables_digest(self.time, self.seed, digests)


class Verdict(NamedTuple):
    """What the client table says of a request that is about to be executed."""

    is_new: bool
    outcome: int
    results: Results


class ReplicatedTables:
    """The client table, the last agreed time in microseconds, and the seed."""

    def __init__(self, clients: tuple[bytes, ...], sessions_max: int) -> None:
        self._clients = frozenset(clients)
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
        return client in self._clients

    def session(self, client: bytes, session: int) -> SessionRow | None:
        """The row of a session."""
        row = self._rows.get(client)
        return None if row is None else row.sessions.get(session)

    def last_opening(self, client: bytes) -> tuple[int, int]:
        """The timestamp of the client's last opening, and the session that it opened."""
        row = self._rows.get(client)
        return (-1, 0) if row is None else (row.opening, row.opened_session)

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

    def record(self, request: Request, results: Results) -> None:
        """The request was executed: keep its reply; its session is now the most recently used."""
        sessions = self._rows[request.client].sessions
        row = sessions.pop(request.session)
        row.timestamp = request.timestamp
        row.outcome = Outcome.EXECUTED
        row.results = results
        sessions[request.session] = row
        self._changed.add(request.client)

    def open_session(self, request: Request, sequence_number: int, index: int) -> Verdict:
        """Open a session named by the sequence number and index that open it (SESS-1).

        Openings of a client have growing timestamps, so none can be replayed to push out its live sessions. The
        least recently used session beyond the limit is closed.
        """
        if not self.may_use(request.client):
            return Verdict(False, Outcome.DENIED, ())
        opening, opened_session = self.last_opening(request.client)
        if request.timestamp == opening:
            return Verdict(False, Outcome.SESSION_OPENED, (opened_session.to_bytes(8, "big"),))
        if request.timestamp < opening:
            return Verdict(False, Outcome.STALE, (opening.to_bytes(8, "big"),))
        session = sequence_number * REQUESTS_MAX + index
        row = self._rows.setdefault(request.client, ClientRow(0, 0, {}))
        row.opening = request.timestamp
        row.opened_session = session
        row.sessions[session] = SessionRow(0, Outcome.SESSION_OPENED, ())
        while len(row.sessions) > self._sessions_max:
            del row.sessions[next(iter(row.sessions))]
        self._changed.add(request.client)
        return Verdict(True, Outcome.SESSION_OPENED, (session.to_bytes(8, "big"),))

    def snapshot(self) -> TablesSnapshot:
        """The tables as they are. Costs what changed since the last snapshot, and a pointer a client."""
        for client in sorted(self._changed):  # a set of bytes has another order in every process
            row = self._rows[client]
            # Sessions as a list: their order, least recently used first, is part of what is agreed.
            encoded = msgspec.msgpack.encode((row.opening, row.opened_session, list(row.sessions.items())))
            self._encoded[client] = encoded
            self._digests[client] = row_digest(client, encoded)
        self._changed.clear()
        return TablesSnapshot(self.time, self.seed, dict(self._encoded))

    def digest(self) -> bytes:
        """The digest of the tables at the last snapshot."""
        return tables_digest(self.time, self.seed, self._digests)

    def restore(self, snapshot: TablesSnapshot) -> None:
        """Become what *snapshot* says. Raises MalformedMessage when its rows are not rows."""
        rows: dict[bytes, ClientRow] = {}
        try:
            for client, encoded in snapshot.rows.items():
                opening, opened, sessions = msgspec.msgpack.decode(
                    encoded, type=tuple[int, int, list[tuple[int, SessionRow]]]
                )
                rows[client] = ClientRow(opening, opened, dict(sessions))
        except msgspec.DecodeError as error:
            raise MalformedMessage(f"not a row of the client table: {error}") from None
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
