"""The commands that the gateway answers itself, because they concern the connection and not the data.

Nothing that is answered here says anything about the cluster: PING and ECHO are not in the table, they are ordered
like every other command, so that a PONG means that the cluster answers.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from typing import Final, NamedTuple

from quorate.gateways.resp import replies
from quorate.gateways.resp.client_command import answer_client, check_name
from quorate.gateways.resp.session import Queue, Roster, Session
from quorate.gateways.resp.users import DEFAULT
from quorate.services.redis.numbers import parse_integer
from quorate.services.redis.operation import DATABASES

REDIS_VERSION: Final = b"7.0.15"
"""The Redis whose behaviour this gateway follows."""

_WRONG_PASSWORD: Final = replies.error(b"WRONGPASS invalid username-password pair or user is disabled.")
_NO_PASSWORD: Final = replies.error(
    b"ERR AUTH <password> called without any password configured for the default user. "
    b"Are you sure your configuration is correct?"
)
NOT_AUTHENTICATED: Final = replies.error(b"NOAUTH Authentication required.")
_HELLO_WITHOUT_AUTH: Final = replies.error(
    b"NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO AUTH <user> <pass> "
    b"option can be used to authenticate the client and select the RESP protocol version at the same time"
)
BEFORE_AUTH: Final = frozenset({b"auth", b"hello", b"quit", b"reset"})
"""Commands that are answered to whom nothing else is."""
_SYNTAX_ERROR: Final = replies.error(b"ERR syntax error")
_VALUES_OF_HELLO_OPTIONS: Final = {b"AUTH": 2, b"SETNAME": 1}
_INT_MAX: Final = 2**31 - 1

Answer = Callable[[Session, Roster, list[bytes]], bytes]
"""Takes a session, all open ones and the arguments with the name first; gives the reply."""


class SessionCommand(NamedTuple):
    """A command on the session alone: its reply needs no cluster."""

    arity: int
    """The number of arguments with the name; negative: at least as many."""
    answer: Answer
    is_queued: bool = True
    """Inside of MULTI it waits for EXEC."""


def _answer_auth(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    """AUTH [user] password. A user without a password may come with any."""
    if len(arguments) > 3:
        return _SYNTAX_ERROR
    if len(arguments) == 2 and roster.users.is_open:
        return _NO_PASSWORD
    user = roster.users.find(arguments[1] if len(arguments) == 3 else DEFAULT, arguments[-1])
    if user is None:
        return _WRONG_PASSWORD
    session.become(user)
    return replies.OK


def _answer_hello(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    """HELLO [protocol [AUTH user password] [SETNAME name]]: check everything, then change anything."""
    protocol = session.protocol
    if len(arguments) > 1:
        match parse_integer(arguments[1]):
            case 2:
                protocol = 2
            case 3:
                protocol = 3
            case None:
                return replies.error(b"ERR Protocol version is not an integer or out of range")
            case _:
                return replies.error(b"NOPROTO unsupported protocol version")
    name, credentials = session.name, None
    options = iter(arguments[2:])
    for option in options:
        values = list(islice(options, _VALUES_OF_HELLO_OPTIONS.get(option.upper(), 0)))
        match option.upper(), values:
            case b"AUTH", [_, _]:
                credentials = values
            case b"SETNAME", [name]:
                if refusal := check_name(b"Client names", name):
                    return refusal
            case _:
                return replies.error(b"ERR Syntax error in HELLO option '%b'" % option)
    if credentials is not None:
        user = roster.users.find(*credentials)
        if user is None:
            return _WRONG_PASSWORD
        session.become(user)
    elif not session.is_authenticated:
        return _HELLO_WITHOUT_AUTH
    session.name, session.protocol = name, protocol
    return _describe_server(session)


def _describe_server(session: Session) -> bytes:
    description = {
        b"server": replies.bulk(b"redis"),
        b"version": replies.bulk(REDIS_VERSION),
        b"proto": replies.integer(session.protocol),
        b"id": replies.integer(session.number),
        b"mode": replies.bulk(b"standalone"),
        b"role": replies.bulk(b"master"),
        b"modules": replies.array([]),
    }
    return replies.mapping(description, session.protocol)


def _answer_select(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    index = parse_integer(arguments[1])
    if index is None:
        return replies.error(b"ERR value is not an integer or out of range")
    if not -_INT_MAX - 1 <= index <= _INT_MAX:
        return replies.error(b"ERR value is out of range, value must between -2147483648 and 2147483647")
    if not 0 <= index < DATABASES:
        return replies.error(b"ERR DB index is out of range")
    session.database = index
    return replies.OK


def _answer_multi(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    if session.queue is not None:
        return replies.error(b"ERR MULTI calls can not be nested")
    session.queue = Queue()
    return replies.OK


def _answer_discard(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    if session.queue is None:
        return replies.error(b"ERR DISCARD without MULTI")
    session.end_transaction()
    return replies.OK


def _answer_unwatch(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    session.unwatch()
    return replies.OK


def _answer_reset(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    session.reset()
    session.user, session.is_authenticated = roster.users.default, roster.users.is_open
    return replies.RESET


SESSION_COMMANDS: Final = {
    b"auth": SessionCommand(-2, _answer_auth),
    b"client": SessionCommand(-2, answer_client),
    b"discard": SessionCommand(1, _answer_discard, is_queued=False),
    b"hello": SessionCommand(-1, _answer_hello),
    b"multi": SessionCommand(1, _answer_multi, is_queued=False),
    b"reset": SessionCommand(1, _answer_reset, is_queued=False),
    b"select": SessionCommand(2, _answer_select),
    b"unwatch": SessionCommand(1, _answer_unwatch),
}
