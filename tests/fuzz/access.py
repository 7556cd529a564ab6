"""Target: the access table. Administrators, other clients, strangers and those that were shut out ask for anything."""

from __future__ import annotations

from contextlib import suppress

from fuzz.source import Source
from quorate.core.access import AccessTable
from quorate.core.tables import ReplicatedTables, decode_snapshot, encode_snapshot
from quorate.errors import MalformedMessage
from quorate.messages.access import (
    AddClient,
    Grant,
    ListClients,
    Listed,
    RevokeClient,
    decode_operation,
    decode_result,
    decode_rows,
    encode_access,
)
from quorate.messages.protocol import Outcome, Request

KEYS = [bytes([number]) * 32 for number in range(6)]
MEMBER = KEYS[5]
"""A replica's key."""
STEPS_MAX = 32
ROOM = 4096


def access(data: bytes) -> None:
    """Operations, results and rows of any bytes; then requests: only an administrator's change something, the last one
    stays, whoever was shut out stays out, and the tables come back from their snapshot as they were."""
    decoded_again(data)
    source = Source(data)
    grants = [Grant(KEYS[0], "first", is_administrator=True), Grant(KEYS[1], "second")]
    tables = ReplicatedTables(AccessTable(grants, frozenset({MEMBER})), 2)
    revoked: set[bytes] = set()
    for number in range(1, STEPS_MAX):
        if source.is_empty:
            break
        client = source.choose(KEYS)
        operations = tuple(operation(source) for _ in range(source.below(4)))
        step(tables, Request(client, 0, source.choose((number, 1)), operations), number)
        assert revoked <= tables.access.revoked()
        revoked = tables.access.revoked()
        assert any(map(tables.may_administer, KEYS))
        assert not any(map(tables.may_use, [*revoked, MEMBER]))


def step(tables: ReplicatedTables, request: Request, number: int) -> None:
    """Execute one request of session 0."""
    before, may_administer = tables.access.encode(), tables.may_administer(request.client)
    if request.operations:
        verdict, gone = tables.change_access(request, number, ROOM)
        assert sum(len(result or b"") for result in verdict.results) <= ROOM
        assert verdict.outcome != Outcome.EXECUTED or may_administer
        assert not any(tables.last_opening(client) for client in gone)
        if not may_administer:
            assert (verdict.is_new, verdict.results, tables.access.encode()) == (False, (), before)
    else:
        tables.open_session(request, number, 0)
    snapshot = tables.snapshot()
    other = ReplicatedTables(AccessTable([]), 2)
    other.restore(decode_snapshot(encode_snapshot(snapshot)))
    assert other.digest() == tables.digest() == snapshot.digest()
    assert other.snapshot() == snapshot


def operation(source: Source) -> bytes:
    """Bytes that are an operation, mostly."""
    key = source.choose(KEYS)
    match source.below(4):
        case 0:
            prefixes = tuple(source.piece(8) or b"-" for _ in range(source.below(3)))
            name = source.choose(("first", "second", "third", "fourth"))
            return encode_access(AddClient(Grant(key, name, bool(source.below(2)), bool(source.below(2)), prefixes)))
        case 1:
            return encode_access(RevokeClient(key))
        case 2:
            return encode_access(ListClients(key[: source.below(33)]))
        case _:
            return source.piece(64)


def decoded_again(data: bytes) -> None:
    """What decodes encodes to what decodes to the same; a list of rows makes a table that encodes to it."""
    with suppress(MalformedMessage):
        decoded = decode_operation(data)
        assert decode_operation(encode_access(decoded)) == decoded
    with suppress(MalformedMessage):
        result = decode_result(data)
        assert decode_result(encode_access(result)) == result
        rows = result.rows if isinstance(result, Listed) else ()
        assert decode_rows(encode_access(rows)) == rows
    with suppress(MalformedMessage):
        table = AccessTable([])
        table.restore(data)
        assert decode_rows(table.encode()) == decode_rows(data)
