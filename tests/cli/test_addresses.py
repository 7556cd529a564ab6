"""Ports that are free, and the reason where they are not."""

from __future__ import annotations

import errno
import socket
import subprocess
import sys

import pytest

from quorate.cli import addresses
from quorate.cli.addresses import LOOPBACK, free_ports, hold, parse_address, why_not_free
from quorate.errors import ConfigurationError


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(8)

    assert len(set(ports)) == 8
    assert [why_not_free(LOOPBACK, port) for port in ports] == [None] * 8


def test_ports_that_were_given_are_given_to_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor to another process: the ports of two clusters, or of a cluster and its gateway, would be the same."""
    first = free_ports(1)[0]
    monkeypatch.setattr(addresses, "_LOW", first)
    monkeypatch.setattr(addresses, "_HIGH", first + 1)

    with pytest.raises(ConfigurationError, match="no 1 ports between"):
        free_ports(1)
    ask = f"from quorate.cli.addresses import hold; print(hold({first}))"
    told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    assert told.stdout == "False\n"


def test_who_listens_on_a_port_that_was_given_can_and_only_one() -> None:
    port = free_ports(1)[0]

    for _ in range(2):
        with socket.create_server((LOOPBACK, port)) as server, socket.create_connection((LOOPBACK, port)):
            server.accept()[0].close()  # the end that closes first keeps the port for a minute
            with pytest.raises(OSError) as refused, socket.create_server((LOOPBACK, port)):
                pass
            assert refused.value.errno == errno.EADDRINUSE


def test_what_somebody_listens_on_cannot_be_held() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        assert not hold(taken.getsockname()[1])


def test_a_taken_port_is_told() -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        assert why_not_free(LOOPBACK, taken.getsockname()[1]) == "it is taken by another program"


def test_an_address_of_another_machine_is_told() -> None:
    assert why_not_free("192.0.2.1", 6379) == "Cannot assign requested address"


@pytest.mark.parametrize(
    ("text", "address"),
    [("127.0.0.1:6379", ("127.0.0.1", 6379)), ("[::1]:1", ("::1", 1)), ("localhost:65535", ("localhost", 65535))],
)
def test_an_address_is_read(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text, "--redis") == address


@pytest.mark.parametrize("text", ["", "6379", ":6379", "host", "host:", "host:0", "host:65536", "host:x"])
def test_what_is_no_address_is_refused_with_the_option(text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"--redis .*expected HOST:PORT"):
        parse_address(text, "--redis")
