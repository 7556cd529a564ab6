"""The state machine of a connection without a socket: which operations it makes, and what it does with failures."""

from __future__ import annotations

import asyncio
import re

import pytest

from quorate.errors import OperationFailed, PermissionDenied, RequestFailed, RequestRefused, RequestTimeout
from quorate.gateways.resp.connection import OUTPUT_BYTES_MAX, PIPELINE_BYTES_MAX, Connection
from quorate.gateways.resp.limits import ScanLimits
from quorate.gateways.resp.replies import bulk
from quorate.gateways.resp.session import Roster
from quorate.gateways.resp.users import DEFAULT, User, Users
from quorate.services.redis import Pipeline, Transaction, Versions, Watched, decode_operation
from quorate.services.redis.operation import encode_command, encode_versions

SET = encode_command([b"SET", b"key", b"value"])
GET = encode_command([b"GET", b"key"])


class Unasked:
    """The connection calls nobody."""

    def submit(
        self, operation: bytes, timeout: float | None = None, *, only_reads: bool = False
    ) -> asyncio.Future[bytes]:
        raise AssertionError(operation)


BOB = User(b"bob", b"b", Unasked())
USERS = Users(User(DEFAULT, None, Unasked()), [BOB])
CLOSED = Users(User(DEFAULT, b"secret", Unasked()), [BOB])


@pytest.fixture
def connection() -> Connection:
    """A connection whose clock stands still."""
    roster = Roster(lambda: 0.0, USERS)
    return Connection(roster.open("127.0.0.1:1", "127.0.0.1:2"), roster, ScanLimits(command_bytes=100_000))


def receive(connection: Connection, data: bytes) -> Pipeline | Transaction | Versions | None:
    """What the connection submits when *data* arrives."""
    connection.receive_data(data)
    return advance(connection)


def advance(connection: Connection) -> Pipeline | Transaction | Versions | None:
    """The next operation, decoded."""
    operation = connection.next_operation()
    return None if operation is None else decode_operation(operation)


def test_a_pipeline_is_one_operation_of_the_bytes_that_came(connection: Connection) -> None:
    assert receive(connection, SET + GET) == Pipeline(0, 2, SET + GET)


def test_what_arrives_meanwhile_waits_and_goes_together(connection: Connection) -> None:
    receive(connection, SET)

    assert receive(connection, GET) is None
    assert receive(connection, GET + SET[:5]) is None

    connection.receive_result(b"+OK\r\n")
    assert advance(connection) == Pipeline(0, 2, GET + GET)
    assert connection.take_output() == b"+OK\r\n"
    assert connection.buffered_bytes == 5


def test_an_inline_command_becomes_an_array(connection: Connection) -> None:
    assert receive(connection, b"ping\r\n" + GET) == Pipeline(0, 2, encode_command([b"ping"]) + GET)


def test_a_session_command_cuts_the_pipeline_and_is_answered_in_its_place(connection: Connection) -> None:
    assert receive(connection, GET + b"SELECT 3\r\nHELLO 3\r\n" + SET) == Pipeline(0, 2, GET)

    connection.receive_result(b"$-1\r\n")

    assert advance(connection) == Pipeline(3, 3, SET)
    assert connection.take_output().startswith(b"$-1\r\n+OK\r\n%7\r\n")


def test_a_long_pipeline_is_cut_in_several_operations(connection: Connection) -> None:
    count = 2 * PIPELINE_BYTES_MAX // len(SET)
    operation = receive(connection, SET * count)
    sizes = []
    while operation is not None:
        assert isinstance(operation, Pipeline)
        sizes.append(len(operation.commands))
        connection.receive_result(b"+OK\r\n" * (sizes[-1] // len(SET)))
        operation = advance(connection)

    assert sum(sizes) == count * len(SET)
    assert max(sizes) <= PIPELINE_BYTES_MAX + len(SET)
    assert connection.take_output() == b"+OK\r\n" * count


def test_exec_ships_the_queue_with_the_versions_that_watch_brought(connection: Connection) -> None:
    assert receive(connection, b"WATCH a b a\r\n") == Versions([(0, b"a"), (0, b"b")])
    connection.receive_result(encode_versions([7, 0]))
    assert receive(connection, b"SELECT 1\r\nWATCH a\r\n") == Versions([(1, b"a")])
    connection.receive_result(encode_versions([9]))

    expected = Transaction(1, 2, SET + GET, [Watched(0, b"a", 7), Watched(0, b"b", 0), Watched(1, b"a", 9)])
    assert receive(connection, b"MULTI\r\n" + SET + GET + b"EXEC\r\n" + GET) == expected
    connection.receive_result(b"*2\r\n+OK\r\n$5\r\nvalue\r\n")
    assert advance(connection) == Pipeline(1, 2, GET)
    connection.receive_result(b"$5\r\nvalue\r\n")

    replies = b"+OK\r\n" * 4 + b"+QUEUED\r\n" * 2 + b"*2\r\n+OK\r\n$5\r\nvalue\r\n" + b"$5\r\nvalue\r\n"
    assert connection.take_output() == replies


def test_each_command_of_a_failed_operation_gets_an_error(connection: Connection) -> None:
    receive(connection, b"SELECT 1\r\n" + SET + GET + b"get key\r\n" + b"SELECT 2\r\n" + GET)

    connection.receive_failure(RequestRefused("the request\r\nis too large"))

    assert advance(connection) == Pipeline(2, 2, GET)
    error = b"-ERR quorate: the request  is too large\r\n"
    assert connection.take_output() == b"+OK\r\n" + error * 3 + b"+OK\r\n"


@pytest.mark.parametrize(
    ("failure", "reply"),
    [
        (
            RequestTimeout("no 2 replicas answered"),
            b"-TIMEOUT outcome unknown: no 2 replicas answered",
        ),
        (OperationFailed("the service raised"), b"-ERR quorate: the service raised\r\n"),
        (RequestFailed(), b"-ERR quorate: RequestFailed\r\n"),
    ],
)
def test_a_timeout_says_that_the_outcome_is_unknown(
    connection: Connection, failure: RequestFailed, reply: bytes
) -> None:
    receive(connection, SET)

    connection.receive_failure(failure)

    assert connection.take_output().startswith(reply)


def test_a_failed_exec_gets_one_error_and_ends_the_transaction(connection: Connection) -> None:
    receive(connection, b"MULTI\r\n" + SET + GET + b"EXEC\r\n")
    connection.take_output()

    connection.receive_failure(RequestTimeout("late"))

    assert receive(connection, GET) == Pipeline(0, 2, GET)
    assert connection.take_output().count(b"\r\n") == 1


@pytest.mark.parametrize(
    "answer", [RequestTimeout("late"), b"-ERR not a service of Redis\r\n", encode_versions([1, 2])]
)
def test_after_a_failed_watch_exec_does_not_run(connection: Connection, answer: RequestFailed | bytes) -> None:
    """Otherwise a client that pipelines WATCH and EXEC would run its transaction unprotected."""
    receive(connection, b"WATCH a\r\n")
    if isinstance(answer, RequestFailed):
        connection.receive_failure(answer)
    else:
        connection.receive_result(answer)
    assert connection.take_output().startswith(b"-")

    assert receive(connection, b"MULTI\r\n" + SET + b"EXEC\r\n") is None

    assert connection.take_output().endswith(b"-EXECABORT Transaction discarded because of previous errors.\r\n")
    assert isinstance(receive(connection, b"MULTI\r\n" + SET + b"EXEC\r\n"), Transaction)


def test_unwatch_forgets_a_failed_watch(connection: Connection) -> None:
    receive(connection, b"WATCH a\r\n")
    connection.receive_failure(RequestTimeout("late"))

    assert receive(connection, b"UNWATCH\r\nMULTI\r\n" + SET + b"EXEC\r\n") == Transaction(0, 2, SET, [])


def test_a_transaction_of_session_commands_alone_needs_the_cluster_only_for_watched_keys(
    connection: Connection,
) -> None:
    assert receive(connection, b"MULTI\r\nCLIENT SETNAME bob\r\nEXEC\r\n") is None
    assert connection.take_output() == b"+OK\r\n+QUEUED\r\n*1\r\n+OK\r\n"

    receive(connection, b"WATCH a\r\n")
    connection.receive_result(encode_versions([1]))
    assert receive(connection, b"MULTI\r\nCLIENT GETNAME\r\nEXEC\r\n") == Transaction(0, 2, b"", [Watched(0, b"a", 1)])
    connection.receive_result(b"*0\r\n")
    assert connection.take_output().endswith(b"+QUEUED\r\n*1\r\n$3\r\nbob\r\n")


def test_session_commands_stand_in_their_places_among_nested_replies(connection: Connection) -> None:
    receive(
        connection, b"HELLO 3\r\nMULTI\r\n" + GET + b"CLIENT GETNAME\r\n" + GET * 5 + b"AUTH x\r\n" + GET + b"EXEC\r\n"
    )
    connection.take_output()
    results = [
        b"%1\r\n$1\r\na\r\n*2\r\n:1\r\n*0\r\n",
        b"~2\r\n,1.5\r\n_\r\n",
        b"=5\r\ntxt:a\r\n",
        b"$-1\r\n",
        b"-ERR no\r\n",
        b"*-1\r\n",
        b"$2\r\n\r\n\r\n",
    ]

    connection.receive_result(b"*7\r\n" + b"".join(results))

    output = connection.take_output()
    assert output.startswith(b"*9\r\n" + results[0] + b"_\r\n" + b"".join(results[1:6]) + b"-ERR AUTH ")
    assert output.endswith(b"\r\n" + results[6])


def test_a_transaction_has_a_limit(connection: Connection) -> None:
    large = encode_command([b"SET", b"key", b"x" * 60_000])

    assert receive(connection, b"MULTI\r\n" + large * 2 + b"EXEC\r\n") is None

    assert b"ERR quorate: the transaction is too large" in connection.take_output()
    assert connection.session.queue is None


def test_watched_keys_have_a_limit(connection: Connection) -> None:
    keys = b" ".join(b"%d" % number for number in range(5_000))

    assert receive(connection, b"WATCH " + keys + b"\r\nMULTI\r\nEXEC\r\n") is None

    assert connection.take_output().startswith(b"-ERR quorate: too many keys are watched\r\n+OK\r\n-EXECABORT ")


def test_much_that_the_gateway_answers_itself_waits_until_it_is_written(connection: Connection) -> None:
    connection.receive_data(b"CLIENT HELP\r\n" * 10_000)
    rounds, total = 0, 0

    while True:
        assert connection.next_operation() is None
        output = connection.take_output()
        if not output:
            break
        assert len(output) < OUTPUT_BYTES_MAX + 10_000
        rounds, total = rounds + 1, total + output.count(b"CLIENT <subcommand>")

    assert rounds > 1
    assert total == 10_000


def test_nothing_is_executed_after_quit_or_an_error(connection: Connection) -> None:
    assert receive(connection, b"QUIT\r\n" + SET) is None
    assert connection.is_closing
    assert receive(connection, SET) is None


def test_client_list_shows_all_connections() -> None:
    now = [10.0]
    roster = Roster(lambda: now[0], USERS)
    first = Connection(roster.open("127.0.0.1:1", "127.0.0.1:9"), roster, ScanLimits())
    second = Connection(roster.open("[::1]:2", "[::1]:9"), roster, ScanLimits())
    assert receive(first, b"MULTI\r\nGET a\r\n") is None
    assert receive(second, b"HELLO 3 SETNAME bob\r\nSELECT 4\r\nCLIENT SETINFO LIB-NAME redis-py\r\n") is None
    second.take_output()
    now[0] = 15.5

    assert receive(second, b"CLIENT LIST\r\n") is None

    in_multi = (
        b"id=1 addr=127.0.0.1:1 laddr=127.0.0.1:9 name= age=5 idle=5 flags=x db=0 sub=0 psub=0 ssub=0 multi=1 "
        b"user=default redir=-1 resp=2 lib-name= lib-ver=\n"
    )
    named = (
        b"id=2 addr=[::1]:2 laddr=[::1]:9 name=bob age=5 idle=5 flags=N db=4 sub=0 psub=0 ssub=0 multi=-1 "
        b"user=default redir=-1 resp=3 lib-name=redis-py lib-ver=\n"
    )
    assert second.take_output() == b"=%d\r\ntxt:%b\r\n" % (len(in_multi + named) + 4, in_multi + named)
    first.take_output()
    assert receive(first, b"DISCARD\r\nCLIENT INFO\r\nCLIENT ID\r\nCLIENT LIST ID 2 77\r\n") is None
    idle = in_multi.replace(b"flags=x", b"flags=N").replace(b"multi=1", b"multi=-1")
    assert first.take_output() == b"+OK\r\n" + bulk(idle) + b":1\r\n" + bulk(named)


@pytest.mark.parametrize(
    ("command", "reply"),
    [
        (b"CLIENT TRACKING ON", b"-ERR quorate: CLIENT TRACKING is not supported\r\n"),
        (b"CLIENT kill ID 1", b"-ERR quorate: CLIENT KILL is not supported\r\n"),
        (b"CLIENT SETINFO LIB-NAME redis-py", b"+OK\r\n"),
        (b"CLIENT SETINFO LIB-VER '1 2'", b"-ERR lib-ver cannot contain spaces, newlines or special characters.\r\n"),
        (b"CLIENT SETINFO COLOUR red", b"-ERR Unrecognized option 'COLOUR'\r\n"),
        (b"CLIENT NO-TOUCH OFF", b"+OK\r\n"),
    ],
)
def test_where_the_gateway_differs_from_redis_7_0(connection: Connection, command: bytes, reply: bytes) -> None:
    assert receive(connection, command + b"\r\n") is None
    assert connection.take_output() == reply


WRONG = b"-WRONGPASS invalid username-password pair or user is disabled.\r\n"
NOAUTH = b"-NOAUTH Authentication required.\r\n"


@pytest.fixture
def closed() -> Connection:
    """A connection on which nothing is done before AUTH."""
    roster = Roster(lambda: 0.0, CLOSED)
    return Connection(roster.open("127.0.0.1:1", "127.0.0.1:2"), roster, ScanLimits(command_bytes=100_000))


def said(connection: Connection, data: bytes) -> bytes:
    """What the gateway answers by itself."""
    assert receive(connection, data) is None
    return connection.take_output()


def test_auth_chooses_the_user(connection: Connection) -> None:
    assert connection.session.user.name == DEFAULT
    assert said(connection, b"AUTH bob wrong\r\nAUTH eve b\r\nAUTH bob\r\n") == 2 * WRONG + (
        b"-ERR AUTH <password> called without any password configured for the default user. "
        b"Are you sure your configuration is correct?\r\n"
    )
    assert connection.session.user.name == DEFAULT
    assert said(connection, b"AUTH bob b\r\n") == b"+OK\r\n"
    assert connection.session.user is BOB
    assert b" user=bob " in said(connection, b"CLIENT INFO\r\n")
    assert said(connection, b"AUTH default whatever\r\n") == b"+OK\r\n"
    assert connection.session.user.name == DEFAULT


def test_hello_may_say_who_it_is(connection: Connection) -> None:
    assert said(connection, b"HELLO 3 AUTH bob wrong SETNAME x\r\n") == WRONG
    assert (connection.session.name, connection.session.protocol) == (b"", 2)
    assert said(connection, b"HELLO 3 AUTH bob b\r\n").startswith(b"%7\r\n")
    assert connection.session.user is BOB


@pytest.mark.parametrize("command", [b"GET a", b"PING", b"MULTI", b"DISCARD", b"WATCH a", b"CLIENT LIST", b"SELECT 1"])
def test_before_auth_nothing_is_done(closed: Connection, command: bytes) -> None:
    assert said(closed, command + b"\r\n") == NOAUTH
    assert said(closed, encode_command(command.split())) == NOAUTH


def test_what_redis_says_before_auth(closed: Connection) -> None:
    """Seen at redis-server 7.0.15 with `requirepass`: an unknown command, a wrong number of arguments come first."""
    assert said(closed, b"NOPE\r\n").startswith(b"-ERR unknown command 'NOPE'")
    assert said(closed, b"GET\r\n") == b"-ERR wrong number of arguments for 'get' command\r\n"
    assert said(closed, b"HELLO 3\r\n").startswith(
        b"-NOAUTH HELLO must be called with the client already authenticated"
    )
    assert said(closed, b"EXEC\r\n") == b"-EXECABORT Transaction discarded because of: " + NOAUTH[1:]
    assert said(closed, b"AUTH wrong\r\n") == WRONG
    assert said(closed, b"AUTH default wrong\r\n") == WRONG
    assert said(closed, b"RESET\r\n") == b"+RESET\r\n"


def test_after_auth_and_until_reset(closed: Connection) -> None:
    assert said(closed, b"AUTH secret\r\n") == b"+OK\r\n"
    assert receive(closed, SET + GET) == Pipeline(0, 2, SET + GET)
    closed.receive_result(b"+OK\r\n$1\r\nx\r\n")
    closed.take_output()
    assert said(closed, b"AUTH bob b\r\nRESET\r\n" + GET) == b"+OK\r\n+RESET\r\n" + NOAUTH
    assert closed.session.user.name == DEFAULT
    assert said(closed, b"HELLO 2 AUTH bob b\r\n").startswith(b"*14\r\n")
    assert receive(closed, GET) == Pipeline(0, 2, GET)


def test_auth_in_front_of_a_pipeline(closed: Connection) -> None:
    """What stands behind it in the same bytes is done."""
    assert receive(closed, encode_command([b"AUTH", b"secret"]) + SET + GET) == Pipeline(0, 2, SET + GET)
    assert closed.take_output() == b"+OK\r\n"


def test_what_a_client_may_not_do_is_refused_command_by_command(connection: Connection) -> None:
    """The cluster executes nothing of an operation that may change something; what only reads is sent again alone."""
    denied = PermissionDenied("only reads")
    assert receive(connection, GET + SET + GET) == Pipeline(0, 2, GET + SET + GET)
    connection.receive_failure(denied)
    assert advance(connection) == Pipeline(0, 2, GET)
    connection.receive_result(b"$1\r\nx\r\n")
    assert advance(connection) == Pipeline(0, 2, SET)
    connection.receive_failure(denied)
    assert receive(connection, SET) == Pipeline(0, 2, GET)
    connection.receive_result(b"$1\r\nx\r\n")
    refusal = b"-NOPERM this user has no permissions to run the 'set' command\r\n"
    assert connection.take_output() == b"$1\r\nx\r\n" + refusal + b"$1\r\nx\r\n"
    assert advance(connection) == Pipeline(0, 2, SET)
    connection.receive_failure(denied)
    assert connection.take_output() == refusal


def test_a_transaction_that_may_not_be_executed(connection: Connection) -> None:
    receive(connection, b"MULTI\r\n" + GET + SET + b"EXEC\r\n")
    connection.receive_failure(PermissionDenied("only reads"))
    assert connection.take_output().endswith(b"-NOPERM only reads\r\n")
    assert connection.session.queue is None


def test_a_watch_of_a_key_that_the_client_may_not_use(connection: Connection) -> None:
    """The service refuses to tell its version; a transaction behind it is not executed."""
    refusal = b"-NOPERM this user has no permissions to access one of the keys used as arguments\r\n"
    receive(connection, b"WATCH a\r\n")
    connection.receive_result(refusal)
    assert connection.take_output() == refusal
    assert re.search(rb"-EXECABORT .*", said(connection, b"MULTI\r\nEXEC\r\n"))
