"""What the kit and its child processes tell each other."""

from __future__ import annotations

import importlib
from hashlib import sha256
from itertools import accumulate
from typing import cast

import msgspec

from quorate.core.ports import Context, Service
from quorate.errors import ConfigurationError

_CLIENT = b"conformance".ljust(32)
_START = 1_700_000_000_000_000
_GARBAGE_SIZES = (0, 1, 7, 64, 1000)


class Step(msgspec.Struct, array_like=True, frozen=True):
    """One operation, and how much agreed time passes before it."""

    operation: bytes
    microseconds: int = 1000


class Plan(msgspec.Struct, frozen=True):
    """What a child process runs."""

    service: str
    """Where the class is: `module:Class`."""
    steps: list[Step]
    checkpoint_interval: int
    """Operations between two checkpoints."""

    def contexts(self) -> list[Context]:
        """The contexts of the operations: the same in every run."""
        times = accumulate((step.microseconds for step in self.steps), initial=_START)
        return [
            Context(_CLIENT, time, sha256(b"%d" % index).digest(), index // self.checkpoint_interval + 1)
            for index, time in enumerate(times)
        ]


class Finding(msgspec.Struct, frozen=True):
    """Something that a replicated service must not do."""

    index: int
    """The index of the first operation at which it shows."""
    problem: str

    def __str__(self) -> str:
        return f"operation {self.index}: {self.problem}"


class Transcript(msgspec.Struct):
    """What a service did in one process."""

    results: list[bytes]
    digests: dict[int, bytes]
    """By the index of the operation before the checkpoint."""
    deadlines: list[int | None]
    findings: list[Finding]


def new_service(place: str) -> Service:
    """An instance of the class at `module:Class`."""
    module, _, name = place.partition(":")
    try:
        return cast(Service, getattr(importlib.import_module(module), name)())
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigurationError(f"no service at {place!r} (write module:Class): {error}") from error


def with_garbage(steps: list[Step]) -> list[Step]:
    """The steps, and behind each of the last ones something that is hardly an operation."""
    garbage = [Step(_garbage(size)) for size in _GARBAGE_SIZES]
    bent = [Step(step.operation[:-1]) for step in steps[-5:]] + [Step(b"\xff" + step.operation) for step in steps[-5:]]
    return [*steps, *garbage, *bent]


def _garbage(size: int) -> bytes:
    block = sha256(b"%d" % size).digest()
    return (block * (size // len(block) + 1))[:size]
