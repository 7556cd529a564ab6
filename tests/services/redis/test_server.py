"""What clients ask a server about itself before they work."""

from __future__ import annotations

from typing import Any

import hiredis

from quorate.services.redis.catalogue import COMMANDS


def _parsed(reply: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(reply)
    return reader.gets()


def test_command_describes_every_command(subject: Any) -> None:
    described = _parsed(subject.ask("COMMAND"))

    assert [information[0].decode() for information in described] == list(COMMANDS)
    assert _parsed(subject.ask("COMMAND", "COUNT")) == len(COMMANDS)
    assert _parsed(subject.ask("COMMAND", "LIST")) == [name.encode() for name in COMMANDS]


def test_command_information_is_that_of_redis(subject: Any, oracle: Any) -> None:
    """Name, arity, and which arguments are keys: what cluster clients and proxies go by."""
    for ours, theirs in zip(
        _parsed(subject.ask("COMMAND", "INFO", *COMMANDS)),
        _parsed(oracle.ask("COMMAND", "INFO", *COMMANDS)),
        strict=True,
    ):
        assert [*ours[:2], *ours[3:6]] == [*theirs[:2], *theirs[3:6]]
        assert (ours[2] == [b"write"]) == (b"write" in theirs[2])


def test_command_docs_are_a_map(new_subject: Any) -> None:
    documentation = _parsed(new_subject(3).ask("COMMAND", "DOCS", "get", "nosuch", "ZADD"))

    assert sorted(documentation) == [b"get", b"zadd"]
    assert documentation[b"get"] == {b"summary": b"GET key", b"group": b"string"}


def test_info_says_what_clients_wait_for(new_subject: Any) -> None:
    subject = new_subject(3)
    subject.ask("SET", "a", "")
    subject.ask("SET", "b", "", "EX", 100)

    reply = subject.ask("INFO")

    assert reply.startswith(b"=")
    for line in (b"redis_version:7.0.15", b"loading:0", b"role:master", b"db0:keys=2,expires=1,avg_ttl=0"):
        assert b"\r\n%b\r\n" % line in reply
    assert b"db0" not in subject.ask("INFO", "server")


def test_config_get_selects_settings(subject: Any) -> None:
    assert _parsed(subject.ask("CONFIG", "GET", "save", "APPENDONLY")) == [b"appendonly", b"no", b"save", b""]
    assert b"maxmemory-policy" in subject.ask("CONFIG", "GET", "max*")
