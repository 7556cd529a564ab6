"""From words of the command line to a service's operation, and from its result to text."""

from __future__ import annotations

import os
from collections.abc import Sequence

from quorate.cli.resp_text import format_replies, is_error, raw_replies
from quorate.services.redis.operation import Pipeline, encode_command, encode_operation

REDIS = "redis"


def encode_words(service: str, words: Sequence[str]) -> bytes:
    """The operation that *words* say: a Redis command, or for any other service the words with spaces between them."""
    parts = [os.fsencode(word) for word in words]
    return redis_operation(parts) if service == REDIS else b" ".join(parts)


def redis_operation(parts: Sequence[bytes]) -> bytes:
    """One Redis command, in database 0."""
    return encode_operation(Pipeline(0, 2, encode_command(parts)))


def result_for_people(service: str, result: bytes) -> str:
    """A result as it is shown in a terminal."""
    return format_replies(result) if service == REDIS else result.decode("utf-8", "backslashreplace")


def result_for_programs(service: str, result: bytes) -> bytes:
    """A result as it goes into a pipe."""
    return raw_replies(result) if service == REDIS else result


def has_failed(service: str, result: bytes) -> bool:
    """Whether the service answered with an error."""
    return service == REDIS and is_error(result)
