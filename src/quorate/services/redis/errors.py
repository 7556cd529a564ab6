"""The error texts of redis-server 7.0, which clients and their users know by heart."""

from __future__ import annotations


class CommandError(Exception):
    """A command ends with this error reply. `text` starts with the error's code; the command changed nothing."""

    def __init__(self, text: str | bytes) -> None:
        super().__init__(text)
        self.text = text.encode() if isinstance(text, str) else text

    @property
    def reply(self) -> bytes:
        """The error as a RESP reply, which is one line."""
        return b"-" + self.text.replace(b"\r", b" ").replace(b"\n", b" ") + b"\r\n"


class NeedsOrder(Exception):
    """While a query runs: the answer depends on the time, so the command has to be ordered."""


WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX = "ERR syntax error"
NOT_AN_INTEGER = "ERR value is not an integer or out of range"
NOT_A_FLOAT = "ERR value is not a valid float"
OUT_OF_RANGE = "ERR value is out of range"
MUST_BE_POSITIVE = "ERR value is out of range, must be positive"
NO_SUCH_KEY = "ERR no such key"
INDEX_OUT_OF_RANGE = "ERR index out of range"
OVERFLOW = "ERR increment or decrement would overflow"
NAN_OR_INFINITY = "ERR increment would produce NaN or Infinity"
SAME_OBJECT = "ERR source and destination objects are the same"
DATABASE_OUT_OF_RANGE = "ERR DB index is out of range"
STRING_TOO_LONG = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
PROTOCOL_ERROR = "ERR Protocol error: an operation holds RESP arrays of bulk strings, whole ones, and nothing else"
REPLY_TOO_LARGE = "ERR the replies of one operation exceed the limit of this service, ask for less at once"
REPLY_HAS_NO_ROOM = "ERR the command was executed, but its reply exceeds the limit of this service"
NO_PERMISSION_FOR_KEY = "NOPERM this user has no permissions to access one of the keys used as arguments"
ARGUMENT_TOO_LARGE = "ERR an argument exceeds the maximum size of this service"


def wrong_arity(name: str) -> CommandError:
    """The command called *name* has too few or too many arguments."""
    return CommandError(f"ERR wrong number of arguments for '{name}' command")


def no_permission_for(name: str) -> CommandError:
    """The client may not run the command called *name*."""
    return CommandError(f"NOPERM this user has no permissions to run the '{name}' command")


def unknown_command(arguments: list[bytes]) -> CommandError:
    """Redis quotes the beginning of the name and of the arguments, so many bytes in all."""
    quoted = b""
    for argument in arguments[1:]:
        if len(quoted) >= 128:
            break
        quoted += b"'%b' " % argument.split(b"\0")[0][: 128 - len(quoted)]
    name = arguments[0].split(b"\0")[0][:128]
    return CommandError(b"ERR unknown command '%b', with args beginning with: %b" % (name, quoted))


def unknown_subcommand(name: str, subcommand: bytes) -> CommandError:
    """A container command does not know the subcommand."""
    shown = subcommand.split(b"\0")[0][:128]
    return CommandError(b"ERR unknown subcommand '%b'. Try %b HELP." % (shown, name.upper().encode()))
