"""Redis replies as redis-cli shows them."""

from __future__ import annotations

import pytest

from quorate.cli.operations import encode_words, has_failed, redis_operation
from quorate.cli.resp_text import format_replies, is_error, raw_replies
from quorate.errors import RequestFailed
from quorate.services.redis.operation import Pipeline, decode_operation


@pytest.mark.parametrize(
    ("reply", "text", "raw"),
    [
        (b"+OK\r\n", "OK", b"OK"),
        (b"-ERR wrong\r\n", "(error) ERR wrong", b"ERR wrong"),
        (b":42\r\n", "(integer) 42", b"42"),
        (b"$-1\r\n", "(nil)", b""),
        (b"_\r\n", "(nil)", b""),
        (b"*-1\r\n", "(nil)", b""),
        (b'$8\r\na"b\\\n\x00\xc3\xa9\r\n', r'"a\"b\\\n\x00\xc3\xa9"', b'a"b\\\n\x00\xc3\xa9'),
        (b"*0\r\n", "(empty array)", b""),
        (b"*2\r\n$1\r\na\r\n:1\r\n", '1) "a"\n2) (integer) 1', b"a\n1"),
        (b"*2\r\n*2\r\n+a\r\n+b\r\n+c\r\n", "1) 1) a\n   2) b\n2) c", b"a\nb\nc"),
        (b"%1\r\n+k\r\n:1\r\n", "1# k => (integer) 1", b"k\n1"),
        (b"~1\r\n+k\r\n", "1~ k", b"k"),
        (b",1.5\r\n", "(double) 1.5", b"1.5"),
        (b"#t\r\n", "(true)", b"t"),
        (b"=6\r\ntxt:hi\r\n", "hi", b"hi"),
        (b"+a\r\n+b\r\n", "a\nb", b"a\nb"),
    ],
)
def test_a_reply_for_people_and_for_programs(reply: bytes, text: str, raw: bytes) -> None:
    assert format_replies(reply) == text
    assert raw_replies(reply) == raw


def test_ten_items_are_aligned() -> None:
    text = format_replies(b"*10\r\n" + b":7\r\n" * 10)

    assert text.splitlines()[0] == " 1) (integer) 7"
    assert text.splitlines()[9] == "10) (integer) 7"


def test_what_is_no_reply_is_an_error_of_ours() -> None:
    with pytest.raises(RequestFailed, match="not a Redis reply"):
        format_replies(b"hello")


def test_words_become_an_operation_of_the_service() -> None:
    command = b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\n\xc3\xa9!\r\n"

    assert decode_operation(encode_words("redis", ["SET", "k", "é!"])) == Pipeline(0, 2, command)
    assert encode_words("counter", ["add", "5"]) == b"add 5"
    assert decode_operation(redis_operation([b"GET"])) == Pipeline(0, 2, b"*1\r\n$3\r\nGET\r\n")


def test_only_redis_says_that_it_failed() -> None:
    assert is_error(b"-ERR\r\n")
    assert has_failed("redis", b"-ERR\r\n")
    assert not has_failed("redis", b"+OK\r\n")
    assert not has_failed("counter", b"-1")
