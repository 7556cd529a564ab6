"""How much is sent to one peer in answer to what it asks for (B21). Bodies and state are large and the questions for
them are small: without a bound one liar would keep a replica busy with nothing else (facts 2.6, point 10)."""

from __future__ import annotations

from typing import Final

from quorate.core.context import Core

WINDOW: Final = 100_000
"""Microseconds for which the allowance holds."""
BYTES_MAX: Final = 8 << 20
"""A peer's allowance: more than an honest one can use, with the few questions that it has on their way."""
PIECE_BYTES: Final = 1024
"""What looking up one body or one node counts for at least."""


def may_answer(core: Core, peer: int) -> bool:
    """Whether the peer has something left of its allowance (one answer may go beyond it)."""
    since, spent = core.answered_bytes.get(peer, (core.now, 0))
    return spent < BYTES_MAX or core.now >= since + WINDOW


def charge(core: Core, peer: int, pieces: int, size: int) -> None:
    """Count an answer of so many pieces and bytes."""
    since, spent = core.answered_bytes.get(peer, (core.now, 0))
    if core.now >= since + WINDOW:
        since, spent = core.now, 0
    core.answered_bytes[peer] = (since, spent + max(size, PIECE_BYTES * max(1, pieces)))
