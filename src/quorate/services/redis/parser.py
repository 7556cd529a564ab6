"""From the raw bytes of an operation to the commands in it."""

from __future__ import annotations

import re

import hiredis

from quorate.services.redis.errors import PROTOCOL_ERROR, CommandError

_NOTHING = object()
_join = b"".join

# hiredis makes room for as many elements as a header announces, before it sees one. Headers of seven digits or more
# are looked at one by one; others ask for a few megabytes at most. A header stands at the start or after a line.
_large_header = re.compile(rb"\n[*%~>|][0-9+-]{7}").search
_SHORT_HEADER = len(b"*123456\r\n")
_header = re.compile(rb"\*(\d{1,9})\r\n|\$(\d{1,9})\r\n")
_SHORTEST_ARGUMENT = len(b"$0\r\n\r\n")


class CommandParser:
    """Splits operations into commands with hiredis."""

    __slots__ = ("_reader",)

    def __init__(self) -> None:
        self._reader = hiredis.Reader(notEnoughData=_NOTHING)

    def parse(self, data: bytes) -> list[list[bytes]]:
        """All commands of an operation, each with one argument at least; CommandError when it holds anything else."""
        if data.find(b"\r\n", 0, _SHORT_HEADER) < 0 or _large_header(data):
            _check_headers(data)
        try:
            return self._parse(data)
        except (hiredis.HiredisError, TypeError, ValueError):
            self._reader = hiredis.Reader(notEnoughData=_NOTHING)
            raise CommandError(PROTOCOL_ERROR) from None

    def _parse(self, data: bytes) -> list[list[bytes]]:
        if not data:
            return []
        reader = self._reader
        reader.feed(data)
        commands: list[list[bytes]] = []
        while True:
            command = reader.gets()
            # Joining is the cheapest way to have a TypeError when not all of it is bytes.
            if type(command) is not list or not command or _join(command) is None:
                raise ValueError("not commands only, or not the whole of one")
            commands.append(command)
            if not reader.has_data():
                return commands


def _check_headers(data: bytes) -> None:
    """CommandError unless the bytes are arrays of bulk strings that are all there."""
    place, elements = 0, 0
    while place < len(data):
        header = _header.match(data, place)
        if header is None or (header[1] is None) != (elements > 0):
            raise CommandError(PROTOCOL_ERROR)
        place = header.end()
        if elements:
            elements -= 1
            place += int(header[2]) + len(b"\r\n")
        else:
            elements = int(header[1])
            if elements * _SHORTEST_ARGUMENT > len(data) - place:
                raise CommandError(PROTOCOL_ERROR)
