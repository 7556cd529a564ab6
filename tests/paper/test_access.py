"""The access table (docs/ACCESS.md): clients are let in and shut out at one sequence number, by all replicas alike."""

from __future__ import annotations

import pytest

from core.group import Group, key_pair, total_of
from paper.test_4_1_requests import propose
from quorate.auth.authenticator import ClientAuthenticator
from quorate.config import Settings
from quorate.core.access import AccessTable
from quorate.core.effects import CloseLinks, Effect, SendReply
from quorate.core.ports import Context
from quorate.core.tables import ReplicatedTables, decode_snapshot, encode_snapshot
from quorate.messages.access import (
    ACCESS_BYTES_MAX,
    CLIENTS_MAX,
    LISTED_MAX,
    Accepted,
    AccessOperation,
    AccessResult,
    AddClient,
    Grant,
    ListClients,
    Listed,
    Mark,
    Refused,
    RevokeClient,
    decode_result,
    encode_access,
)
from quorate.messages.protocol import Commit, Outcome, Reply, Request

ADMINISTRATOR, ORDINARY, NEW = 0, 1, 2
FREQUENT = Settings(checkpoint_interval=4)


def group_with_newcomer(settings: Settings | None = None) -> Group:
    """A group whose third client is known to nobody yet."""
    group = Group(4, settings)
    group.clients.append(ClientAuthenticator(key_pair(202), group.configuration))
    return group


def key_of(group: Group, client: int) -> bytes:
    return group.clients[client].client_id


def newcomer(group: Group, is_read_only: bool = False, prefixes: tuple[bytes, ...] = ()) -> Grant:
    return Grant(key_of(group, NEW), "newcomer", is_read_only=is_read_only, prefixes=prefixes)


def access_frame(group: Group, timestamp: int, *operations: AccessOperation, client: int = ADMINISTRATOR) -> bytes:
    return group.request(tuple(encode_access(operation) for operation in operations), 0, timestamp, client)


def answers(group: Group, timestamp: int, client: int = ADMINISTRATOR) -> set[tuple[int, tuple[bytes | None, ...]]]:
    """What the replicas said to a request of session 0: all of them, and alike."""
    asked = (key_of(group, client), 0, timestamp)
    replies = [reply for _, reply in group.replies if (reply.client, reply.session, reply.timestamp) == asked]
    assert {reply.replica for reply in replies} == {0, 1, 2, 3}
    return {(reply.outcome, reply.results) for reply in replies}


def administer(group: Group, timestamp: int, *operations: AccessOperation) -> list[AccessResult]:
    """Have the administrator's operations executed; their results."""
    group.submit(access_frame(group, timestamp, *operations))
    ((outcome, results),) = answers(group, timestamp)
    assert outcome == Outcome.EXECUTED
    return [decode_result(result or b"") for result in results]


def totals(group: Group) -> list[int]:
    return [total_of(service) for service in group.services]


def digests(group: Group) -> set[bytes]:
    """The digests of all replicas' tables: one, where they agree."""
    for replica in group.replicas:
        replica.core.tables.snapshot()
    return {replica.core.tables.digest() for replica in group.replicas}


def test_access_1_a_client_is_added_by_an_ordered_operation() -> None:
    """Nobody knows it before; afterwards every replica does, since the same sequence number."""
    group = group_with_newcomer()
    group.submit(group.request((), 0, 1, NEW))
    assert group.replies == []
    before = digests(group)
    assert administer(group, 1, AddClient(newcomer(group))) == [Accepted(1)]
    assert len(digests(group)) == 1
    assert digests(group) != before
    session = group.open_session(NEW, 2)
    group.submit(group.request((b"add 5",), session, 1, NEW))
    assert totals(group) == [5] * 4


def test_access_1_only_an_administrator_changes_the_table() -> None:
    """Another client is told so at once, by every replica, and nothing is ordered for it."""
    group = group_with_newcomer()
    before = digests(group)
    group.submit(access_frame(group, 1, AddClient(newcomer(group)), client=ORDINARY))
    assert answers(group, 1, ORDINARY) == {(Outcome.DENIED, ())}
    assert [group.core(number).last_executed for number in range(4)] == [0] * 4
    assert digests(group) == before


def test_access_1_a_primary_that_orders_it_all_the_same_gets_nowhere() -> None:
    """Execution judges again."""
    group = group_with_newcomer()
    before = group.core(1).tables.access.encode()
    propose(group, access_frame(group, 1, AddClient(newcomer(group)), client=ORDINARY))
    assert [group.core(number).last_executed for number in range(4)] == [1] * 4
    assert {replica.core.tables.access.encode() for replica in group.replicas} == {before}
    assert group.replies == []


def test_access_1_a_request_is_executed_once() -> None:
    """A copy is answered from the table; an older one is stale, whatever else session 0 did since."""
    group = group_with_newcomer()
    frame = access_frame(group, 5, AddClient(newcomer(group)))
    group.submit(frame)
    first = answers(group, 5)
    propose(group, frame, frame)
    assert answers(group, 5) == first
    group.open_session(ADMINISTRATOR, 6)
    group.replies.clear()
    propose(group, frame)
    assert answers(group, 5) == {(Outcome.STALE, ((6).to_bytes(8, "big"),))}


def test_access_2_a_revoked_clients_requests_die() -> None:
    """Those that wait, those that come, and those that a primary orders: no replica executes or answers them."""
    group = group_with_newcomer()
    session = group.open_session(ORDINARY)
    group.submit(group.request((b"add 1",), session, 1, ORDINARY))
    waits = group.request((b"add 10",), session, 2, ORDINARY)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Request)
    group.receive(3, waits)
    assert len(group.core(3).waiting) == 1
    assert administer(group, 1, RevokeClient(key_of(group, ORDINARY))) == [Accepted(3)]
    group.replies.clear()
    assert [len(replica.core.waiting) for replica in group.replicas] == [0] * 4
    group.submit(waits)
    propose(group, waits, group.request((), 0, 9, ORDINARY))
    assert totals(group) == [1] * 4
    assert group.replies == []
    assert len(digests(group)) == 1
    group.advance(5000)
    assert [replica.core.view for replica in group.replicas] == [0] * 4


def test_access_2_within_a_batch_the_order_decides() -> None:
    """What stands before the revocation is executed, what stands behind it is not."""
    group = Group(4)
    session = group.open_session(ORDINARY)
    before = group.request((b"add 1",), session, 1, ORDINARY)
    revocation = access_frame(group, 1, RevokeClient(key_of(group, ORDINARY)))
    after = group.request((b"add 10",), session, 2, ORDINARY)
    propose(group, before, revocation, after)
    assert totals(group) == [1] * 4


def test_access_2_the_links_of_a_revoked_client_are_closed() -> None:
    """Every replica says so once, whoever it answers."""
    group = Group(4)
    closed: list[tuple[int, bytes]] = []
    perform = group.perform

    def watching(sender: int, effects: list[Effect]) -> None:
        closed.extend((sender, effect.client) for effect in effects if isinstance(effect, CloseLinks))
        perform(sender, effects)

    group.perform = watching  # type: ignore[method-assign]
    key = key_of(group, ORDINARY)
    administer(group, 1, RevokeClient(key))
    administer(group, 2, RevokeClient(key))
    assert sorted(closed) == [(number, key) for number in range(4)]


def test_access_2_a_revoked_key_never_comes_back() -> None:
    """So nothing that its holder ever signed can be replayed into a later life of it."""
    group = Group(4)
    key = key_of(group, ORDINARY)
    (revoked,) = administer(group, 1, RevokeClient(key))
    assert administer(group, 2, RevokeClient(key)) == [revoked]
    (refused,) = administer(group, 3, AddClient(Grant(key, "again")))
    assert isinstance(refused, Refused)
    assert not any(replica.core.tables.may_use(key) for replica in group.replicas)


def test_access_2_the_last_administrator_stays() -> None:
    """Else nobody could let anybody in; with a second one the first may go, and its own request is the last."""
    group = group_with_newcomer()
    key = key_of(group, ADMINISTRATOR)
    (refused,) = administer(group, 1, RevokeClient(key))
    assert isinstance(refused, Refused)
    second = Grant(key_of(group, NEW), "second", is_administrator=True)
    added, revoked = administer(group, 2, AddClient(second), RevokeClient(key))
    assert added == revoked == Accepted(2)
    group.submit(access_frame(group, 3, ListClients(b""), client=NEW))
    assert len(answers(group, 3, NEW)) == 1
    assert not group.core(0).tables.may_administer(key)
    assert len(digests(group)) == 1


def test_access_2_an_administrator_that_revokes_itself_is_answered_before_its_links_close() -> None:
    """Nothing of it would get through any more to ask again; what follows in the same request is not executed."""
    group = group_with_newcomer()
    key = key_of(group, ADMINISTRATOR)
    turns: list[Effect] = []
    perform = group.perform

    def watching(sender: int, effects: list[Effect]) -> None:
        turns.extend(effects if sender == 0 else [])
        perform(sender, effects)

    group.perform = watching  # type: ignore[method-assign]
    second = Grant(key_of(group, NEW), "second", is_administrator=True)
    third = Grant(key_pair(203).public_key, "third")
    *_, refused = administer(group, 1, AddClient(second), RevokeClient(key), AddClient(third))
    assert isinstance(refused, Refused)
    assert not any(replica.core.tables.may_use(third.public_key) for replica in group.replicas)
    kinds = [type(effect) for effect in turns]
    assert kinds.index(SendReply) < kinds.index(CloseLinks)


def test_access_2_what_a_new_view_chose_for_a_revoked_client_gets_nowhere() -> None:
    """Prepared under the old primary behind the revocation, chosen by NEW-VIEW: decided, and not executed."""
    group = Group(4)
    session = group.open_session(ORDINARY)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit) or message.view > 0
    propose(group, access_frame(group, 1, RevokeClient(key_of(group, ORDINARY))))
    propose(group, group.request((b"add 10",), session, 1, ORDINARY))
    assert [group.core(number).last_executed for number in range(4)] == [1] * 4
    group.stopped.add(0)
    group.advance(20_000)
    assert [group.core(number).last_executed >= 3 for number in (1, 2, 3)] == [True] * 3
    assert all(group.core(number).view > 0 for number in (1, 2, 3))
    assert totals(group)[1:] == [0] * 3
    assert all(group.core(number).tables.access.revoked_at(key_of(group, ORDINARY)) == 2 for number in (1, 2, 3))


@pytest.mark.parametrize("client", [NEW, ORDINARY])
def test_access_3_what_may_not_be_executed_does_not_wait(client: int) -> None:
    """A stranger's request, and an ordinary client's for the table: not queued, no timer, also inside a proposal."""
    group = group_with_newcomer()
    frame = access_frame(group, 1, AddClient(newcomer(group)), client=client)
    group.reaches = lambda sender, receiver, message: False
    propose(group, frame)
    group.submit(frame)
    assert [len(replica.core.waiting) for replica in group.replicas] == [0] * 4


def test_access_4_a_client_that_may_only_read() -> None:
    """Its operations are executed in the order, as all are; those that may change something are not, at any replica."""
    group = group_with_newcomer()
    administer(group, 1, AddClient(newcomer(group, is_read_only=True)))
    writer, reader = group.open_session(ORDINARY, 2), group.open_session(NEW, 3)
    group.submit(group.request((b"add 7",), writer, 1, ORDINARY))
    group.submit(group.request((b"get", b"add 1", b"get"), reader, 1, NEW))
    group.submit(group.request((b"get",), reader, 2, NEW))
    assert totals(group) == [7] * 4
    said = {reply[:-1] for reply in map(_fields, (reply for _, reply in group.replies)) if reply[0] == reader}
    assert said == {
        (reader, 1, Outcome.READ_ONLY, (b"7", None, b"7")),
        (reader, 2, Outcome.EXECUTED, (b"7",)),
    }
    group.replies.clear()
    propose(group, group.request((b"get", b"add 1", b"get"), reader, 2, NEW))
    assert {reply.outcome for _, reply in group.replies} == {Outcome.EXECUTED}
    assert len(digests(group)) == 1


def _fields(reply: Reply) -> tuple[int, int, int, tuple[bytes | None, ...], int]:
    return (reply.session, reply.timestamp, reply.outcome, reply.results, reply.replica)


def test_access_4_a_service_that_raises_reads_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it cannot judge is not executed."""
    group = group_with_newcomer()
    administer(group, 1, AddClient(newcomer(group, is_read_only=True)))
    reader = group.open_session(NEW, 3)

    def fails(operation: bytes) -> bool:
        raise ValueError(operation)

    for service in group.services:
        monkeypatch.setattr(service, "only_reads", fails)
    group.submit(group.request((b"get",), reader, 1, NEW))
    replies = [reply for _, reply in group.replies if reply.session == reader]
    assert {(reply.outcome, reply.results) for reply in replies} == {(Outcome.READ_ONLY, (None,))}


def test_access_4_the_service_is_told_the_clients_prefixes(monkeypatch: pytest.MonkeyPatch) -> None:
    """They come with every operation, from the replicated table."""
    group = group_with_newcomer()
    administer(group, 1, AddClient(newcomer(group, prefixes=(b"a:", b"b:"))))
    one, two = group.open_session(NEW, 2), group.open_session(ORDINARY, 3)
    seen: list[tuple[bytes, tuple[bytes, ...]]] = []

    def execute(operation: bytes, context: Context) -> bytes:
        seen.append((context.client, context.prefixes))
        return b""

    for service in group.services:
        monkeypatch.setattr(service, "execute", execute)
    group.submit(group.request((b"get",), one, 1, NEW), 0)
    group.submit(group.request((b"get",), two, 1, ORDINARY), 0)
    assert sorted(set(seen)) == sorted([(key_of(group, NEW), (b"a:", b"b:")), (key_of(group, ORDINARY), ())])
    assert len(seen) == 8


def test_access_5_a_replica_that_was_away_learns_it_with_the_state() -> None:
    """The table is part of every checkpoint; who was revoked meanwhile is shut out then."""
    group = group_with_newcomer(FREQUENT)
    session = group.open_session(ORDINARY)
    group.stopped.add(2)
    administer_others(group, 1, AddClient(newcomer(group)), RevokeClient(key_of(group, ORDINARY)))
    other = group.open_session(NEW, 2)
    for timestamp in range(1, 40):
        group.submit(group.request((b"add 1",), other, timestamp, NEW), 0)
    group.stopped.clear()
    group.receive(2, group.request((b"add 1000",), session, 1, ORDINARY))
    assert len(group.core(2).waiting) == 1
    closed: list[bytes] = []
    perform = group.perform

    def watching(sender: int, effects: list[Effect]) -> None:
        closed.extend(effect.client for effect in effects if isinstance(effect, CloseLinks))
        perform(sender, effects)

    group.perform = watching  # type: ignore[method-assign]
    group.advance(4000)
    assert totals(group) == [39] * 4
    assert closed == [key_of(group, ORDINARY)]
    assert group.core(2).tables.access.encode() == group.core(0).tables.access.encode()
    assert len(group.core(2).waiting) == 0


def administer_others(group: Group, timestamp: int, *operations: AccessOperation) -> None:
    group.submit(access_frame(group, timestamp, *operations), 0)


def test_access_5_a_restart_keeps_the_table() -> None:
    """From the stable checkpoint, and by executing again what came after it."""
    group = group_with_newcomer(FREQUENT)
    session = group.open_session(ORDINARY)
    administer(group, 1, AddClient(newcomer(group)))
    for timestamp in range(1, 8):
        group.submit(group.request((b"add 1",), session, timestamp, ORDINARY), 0)
    administer(group, 2, RevokeClient(key_of(group, ORDINARY)))
    expected = group.core(1).tables.access.encode()
    group.restart(1)
    group.settle(1)
    assert group.core(1).tables.access.encode() == expected
    assert group.core(1).log.low_watermark > 0


def test_access_5_the_digest_covers_the_table() -> None:
    """Two replicas with different clients cannot vouch for one checkpoint; a snapshot brings the table along."""
    one, other = Grant(b"1" * 32, "one"), Grant(b"2" * 32, "two", is_read_only=True, prefixes=(b"x",))
    tables = [ReplicatedTables(AccessTable(grants), 4) for grants in ([one], [other])]
    snapshots = [copy.snapshot() for copy in tables]
    assert tables[0].digest() != tables[1].digest()
    tables[0].restore(decode_snapshot(encode_snapshot(snapshots[1])))
    assert tables[0].digest() == tables[1].digest() == snapshots[1].digest()
    assert tables[0].access.grant(b"2" * 32) == other
    assert not tables[0].may_use(b"1" * 32)


def test_what_the_table_refuses() -> None:
    """It is as it was, and says why."""
    group = group_with_newcomer()
    taken = Grant(key_of(group, NEW), "client-1")
    replica = Grant(key_pair(1).public_key, "replica")
    other_rights = Grant(key_of(group, ORDINARY), "client-1", is_administrator=True)
    before = group.core(0).tables.access.encode()
    results = administer(
        group, 1, AddClient(taken), AddClient(replica), AddClient(other_rights), RevokeClient(b"?" * 32)
    )
    assert all(isinstance(result, Refused) for result in results)
    assert {replica.core.tables.access.encode() for replica in group.replicas} == {before}
    group.submit(group.request((b"no operation",), 0, 2))
    ((outcome, (result,)),) = answers(group, 2)
    assert outcome == Outcome.EXECUTED
    assert isinstance(decode_result(result or b""), Refused)


def test_why_an_operation_is_none_is_said_in_words_of_our_own() -> None:
    """What is said is part of every checkpoint: the words of a library may change with its version."""
    table = AccessTable([])
    reasons = {table.execute(data, 1) for data in (b"", b"\x93", b"\x92\x01\x90", b"\x92\x09\x00")}
    assert reasons == {Refused("not an operation on the access table")}


def test_results_beyond_the_limit_of_a_reply_are_left_out() -> None:
    """So no administrator makes the client table larger than other clients can."""
    group = Group(4, Settings(reply_bytes_max=1024, digest_replies=False))
    operations = [encode_access(ListClients(b""))] * 100
    group.submit(group.request(tuple(operations), 0, 1))
    ((outcome, results),) = answers(group, 1)
    assert outcome == Outcome.EXECUTED
    assert len(results) == 100
    assert 0 < sum(len(result or b"") for result in results) <= 1024


def test_the_table_is_bounded_in_bytes_too() -> None:
    """It has to fit one frame; a revocation always has room."""
    table = AccessTable([])
    for number in range(CLIENTS_MAX):
        grant = Grant(b"%032d" % number, f"c{number}", prefixes=tuple(b"%02d" % at * 256 for at in range(16)))
        if isinstance(table.execute(encode_access(AddClient(grant)), 1), Refused):
            break
    assert 0 < number < CLIENTS_MAX - 1
    assert len(table.encode()) <= ACCESS_BYTES_MAX
    assert isinstance(table.execute(encode_access(RevokeClient(b"%032d" % 0)), 2**63), Accepted)


def test_the_same_grant_again_is_no_mistake() -> None:
    """An administrator whose first answer was lost asks again."""
    group = group_with_newcomer()
    assert administer(group, 1, AddClient(newcomer(group))) == [Accepted(1)]
    before = group.core(0).tables.access.encode()
    assert administer(group, 2, AddClient(newcomer(group))) == [Accepted(2)]
    assert group.core(0).tables.access.encode() == before


def test_the_table_is_bounded_and_listed_in_pieces() -> None:
    """Revoked clients count: their rows stay."""
    table = AccessTable(Grant(b"%032d" % number, f"c{number}") for number in range(CLIENTS_MAX - 1))
    assert isinstance(table.execute(encode_access(RevokeClient(b"%032d" % 0)), 7), Accepted)
    assert isinstance(table.execute(encode_access(AddClient(Grant(b"a" * 32, "a"))), 8), Accepted)
    assert isinstance(table.execute(encode_access(AddClient(Grant(b"b" * 32, "b"))), 9), Refused)
    rows = []
    after = b""
    while True:
        listed = table.execute(encode_access(ListClients(after)), 10)
        assert isinstance(listed, Listed)
        assert len(listed.rows) <= LISTED_MAX
        if not listed.rows:
            break
        rows += listed.rows
        after = rows[-1].grant.public_key
    assert len(rows) == CLIENTS_MAX
    assert rows[0].revoked_at == 7
    assert rows == sorted(rows, key=lambda row: row.grant.public_key)


def test_a_mark_tells_its_sequence_number_and_changes_nothing() -> None:
    """What a backup begins with; like all of session 0 it is for administrators."""
    group = group_with_newcomer()
    before = group.core(1).tables.access.encode()
    for timestamp in (1, 2):
        group.submit(access_frame(group, timestamp, Mark()))
        ((outcome, (result,)),) = answers(group, timestamp)
        assert (outcome, decode_result(result or b"")) == (Outcome.EXECUTED, Accepted(timestamp))
    group.submit(access_frame(group, 3, Mark(), client=ORDINARY))
    assert group.core(1).last_executed == 2
    assert group.core(1).tables.access.encode() == before
