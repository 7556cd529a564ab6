"""Ports: finding free ones and keeping them, and finding out that one is taken before anything is started."""

from __future__ import annotations

import errno
import random
import socket
from contextlib import closing
from typing import Final

from quorate.errors import ConfigurationError

LOOPBACK: Final = "127.0.0.1"
PORT_MAX: Final = 65535
TAKEN: Final = "it is taken by another program"
"""What `why_not_free` says of a port that somebody listens on."""
_LOW: Final = 20_000
_HIGH: Final = 32_000
"""Below the range that the system takes the ports of outgoing connections from, so that they are free next time too."""


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on. They are held: see `hold`."""
    candidates = random.SystemRandom().sample(range(_LOW, _HIGH), _HIGH - _LOW)
    found: list[int] = []
    for port in candidates:
        if hold(port):
            found.append(port)
            if len(found) == count:
                return found
    raise ConfigurationError(f"no {count} ports between {_LOW} and {_HIGH} are free on {LOOPBACK}; stop what uses them")


def hold(port: int) -> bool:
    """Keep a port of the loopback interface until this process ends: whether it was free, and nobody held it.

    Between the choice of a port and the start of who listens there, others choose ports too. A socket that is bound and
    does not listen keeps the port from all who hold ports, and from outgoing connections; whoever sets SO_REUSEADDR, as
    servers do, can listen there.
    """
    with closing(socket.socket()) as holder:
        try:
            holder.bind((LOOPBACK, port))
        except OSError:
            return False
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # set before, it had shared the port with a holder
        holder.detach()  # what is detached stays open
    return True


def why_not_free(host: str, port: int) -> str | None:
    """Why nothing can listen there; None when it can."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except socket.gaierror as error:
        return f"{host} is not known ({error.strerror})"
    with closing(socket.socket(family, kind, protocol)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            return TAKEN if error.errno == errno.EADDRINUSE else str(error.strerror)
    return None


def parse_address(text: str, option: str) -> tuple[str, int]:
    """HOST:PORT, as an option gives it; an IPv6 address stands in brackets."""
    host, separator, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not separator or not host or not port.isdecimal() or not 1 <= int(port) <= PORT_MAX:
        raise ConfigurationError(f"{option} {text}: expected HOST:PORT, for example {LOOPBACK}:6379")
    return host, int(port)
