"""Ports that are free, and the reason where they are not."""

from __future__ import annotations

import socket

import pytest

from quorate.cli.addresses import LOOPBACK, free_ports, parse_address, why_not_free
from quorate.errors import ConfigurationError


def test_free_ports_are_distinct_and_free() -> None:
    ports = free_ports(8)

    assert len(set(ports)) == 8
    assert [why_not_free(LOOPBACK, port) for port in ports] == [None] * 8


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
