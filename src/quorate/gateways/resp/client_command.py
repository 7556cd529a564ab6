"""CLIENT and its subcommands: what a connection says about itself, and who else is connected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

from quorate.gateways.resp import replies
from quorate.gateways.resp.session import Roster, Session
from quorate.services.redis.errors import unknown_subcommand, wrong_arity
from quorate.services.redis.numbers import parse_integer

_SYNTAX_ERROR: Final = replies.error(b"ERR syntax error")
_CLIENT_TYPES: Final = frozenset({b"normal", b"master", b"replica", b"slave", b"pubsub"})


class _Subcommand(NamedTuple):
    arity: int
    """With CLIENT and the subcommand; negative: at least as many."""
    answer: Callable[[Session, Roster, list[bytes]], bytes]
    help: tuple[bytes, ...] = ()


def is_arity_right(arity: int, argument_count: int) -> bool:
    """Whether a command of this arity takes so many arguments, its name included."""
    return argument_count == arity if arity >= 0 else argument_count >= -arity


def answer_client(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    """The reply to CLIENT <subcommand> ..."""
    if refusal := check_client(arguments):
        return refusal
    return _SUBCOMMANDS[arguments[1].lower()].answer(session, roster, arguments)


def check_client(arguments: list[bytes]) -> bytes | None:
    """The error for an unknown subcommand or a wrong number of arguments, known before it is executed."""
    subcommand = _SUBCOMMANDS.get(arguments[1].lower())
    if subcommand is None:
        return unknown_subcommand("client", arguments[1]).reply
    if is_arity_right(subcommand.arity, len(arguments)):
        return None
    return wrong_arity("client|" + arguments[1].lower().decode()).reply


def check_name(what: bytes, name: bytes) -> bytes | None:
    """The error for a name that would break the lines of CLIENT LIST."""
    if all(ord("!") <= byte <= ord("~") for byte in name):
        return None
    return replies.error(b"ERR %b cannot contain spaces, newlines or special characters." % what)


def _answer_id(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    return replies.integer(session.number)


def _answer_getname(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    return replies.bulk(session.name) if session.name else replies.null(session.protocol)


def _answer_setname(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    if refusal := check_name(b"Client names", arguments[2]):
        return refusal
    session.name = arguments[2]
    return replies.OK


def _answer_setinfo(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    """Of Redis 7.2; clients that know it send it without asking."""
    attribute, value = arguments[2].lower(), arguments[3]
    if attribute not in (b"lib-name", b"lib-ver"):
        return replies.error(b"ERR Unrecognized option '%b'" % arguments[2])
    if refusal := check_name(attribute, value):
        return refusal
    if attribute == b"lib-name":
        session.library_name = value
    else:
        session.library_version = value
    return replies.OK


def _answer_info(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    return replies.verbatim(_describe([session], roster), session.protocol)


def _answer_list(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    """CLIENT LIST [TYPE type | ID id ...]. All clients of a gateway are of type normal."""
    option = arguments[2].lower() if len(arguments) > 2 else b""
    shown: Iterable[Session] = roster.sessions.values()
    if option == b"type" and len(arguments) == 4:
        if arguments[3].lower() not in _CLIENT_TYPES:
            return replies.error(b"ERR Unknown client type '%b'" % arguments[3])
        shown = shown if arguments[3].lower() == b"normal" else []
    elif option == b"id" and len(arguments) > 3:
        numbers = [parse_integer(argument) for argument in arguments[3:]]
        if None in numbers:
            return replies.error(b"ERR Invalid client ID")
        shown = [roster.sessions[number] for number in numbers if number in roster.sessions]
    elif option:
        return _SYNTAX_ERROR
    return replies.verbatim(_describe(shown, roster), session.protocol)


def _describe(sessions: Iterable[Session], roster: Roster) -> bytes:
    """One line a session, in the order and with the names of Redis; what a gateway has not is left out."""
    now = roster.clock()
    lines = []
    for session in sessions:
        queue = session.queue
        fields = {
            "id": session.number,
            "addr": session.address,
            "laddr": session.local_address,
            "name": session.name.decode(),
            "age": int(now - session.opened_at),
            "idle": int(now - session.active_at),
            "flags": "N" if queue is None else "x",
            "db": session.database,
            "sub": 0,
            "psub": 0,
            "ssub": 0,
            "multi": -1 if queue is None else len(queue.commands),
            "user": session.user.name.decode(errors="backslashreplace"),
            "redir": -1,
            "resp": session.protocol,
            "lib-name": session.library_name.decode(),
            "lib-ver": session.library_version.decode(),
        }
        lines.append(" ".join(f"{name}={value}" for name, value in fields.items()) + "\n")
    return "".join(lines).encode()


def _answer_reply(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    """CLIENT REPLY ON | OFF | SKIP. Only ON has a reply."""
    match arguments[2].upper():
        case b"ON":
            session.are_replies_off = session.is_reply_skipped = False
            return replies.OK
        case b"OFF":
            session.are_replies_off = True
        case b"SKIP":
            session.is_next_skipped |= not session.are_replies_off
        case _:
            return _SYNTAX_ERROR
    return b""


def _accept_switch(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    """NO-EVICT and NO-TOUCH: the gateway evicts nobody and keeps no time of access, so either is already so."""
    return replies.OK if arguments[2].lower() in (b"on", b"off") else _SYNTAX_ERROR


def _answer_getredir(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    return replies.integer(-1)


def _answer_trackinginfo(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    description = {
        b"flags": replies.strings([b"off"], session.protocol),
        b"redirect": replies.integer(-1),
        b"prefixes": replies.array([]),
    }
    return replies.mapping(description, session.protocol)


def _refuse(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    return replies.error(b"ERR quorate: CLIENT %b is not supported" % arguments[1].upper())


def _answer_help(session: Session, roster: Roster, arguments: list[bytes]) -> bytes:
    lines = [b"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for subcommand in _SUBCOMMANDS.values():
        lines += subcommand.help
    return replies.array([b"+%b\r\n" % line for line in lines])


_SUBCOMMANDS: Final = {
    b"getname": _Subcommand(2, _answer_getname, (b"GETNAME", b"    Return the name of the current connection.")),
    b"getredir": _Subcommand(
        2, _answer_getredir, (b"GETREDIR", b"    Return -1: there is no tracking, and so no redirection.")
    ),
    b"id": _Subcommand(2, _answer_id, (b"ID", b"    Return the ID of the current connection.")),
    b"info": _Subcommand(2, _answer_info, (b"INFO", b"    Return information about the current client connection.")),
    b"list": _Subcommand(
        -2,
        _answer_list,
        (
            b"LIST [options ...]",
            b"    Return information about the client connections of this gateway. Options:",
            b"    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
            b"      Return clients of specified type.",
            b"    * ID <id> [<id> ...]",
            b"      Return clients of specified IDs.",
        ),
    ),
    b"no-evict": _Subcommand(3, _accept_switch, (b"NO-EVICT (ON|OFF)", b"    No effect: nobody is evicted.")),
    b"no-touch": _Subcommand(
        3, _accept_switch, (b"NO-TOUCH (ON|OFF)", b"    No effect: times of access are not kept.")
    ),
    b"reply": _Subcommand(
        3,
        _answer_reply,
        (b"REPLY (ON|OFF|SKIP)", b"    Control the replies sent to the current connection."),
    ),
    b"setinfo": _Subcommand(
        4, _answer_setinfo, (b"SETINFO (LIB-NAME|LIB-VER) <value>", b"    Say which library this client uses.")
    ),
    b"setname": _Subcommand(
        3,
        _answer_setname,
        (b"SETNAME <name>", b"    Assign the name <name> to the current connection."),
    ),
    b"trackinginfo": _Subcommand(
        2, _answer_trackinginfo, (b"TRACKINGINFO", b"    Report tracking status: always off.")
    ),
    b"help": _Subcommand(2, _answer_help, (b"HELP", b"    Prints this help.")),
    b"caching": _Subcommand(3, _refuse),
    b"kill": _Subcommand(-3, _refuse),
    b"pause": _Subcommand(-3, _refuse),
    b"tracking": _Subcommand(-3, _refuse),
    b"unblock": _Subcommand(-3, _refuse),
    b"unpause": _Subcommand(2, _refuse),
}
"""What Redis has and the gateway refuses stands last, so that HELP does not show it."""
