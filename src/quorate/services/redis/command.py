"""What a command is, and what its handler is given."""

from __future__ import annotations

from collections.abc import Callable
from enum import Flag, auto
from typing import NamedTuple

from quorate.services.redis.choice import Choices
from quorate.services.redis.keyspace import Database, Keyspace
from quorate.services.redis.limits import Limits
from quorate.services.redis.operation import Pipeline, Transaction
from quorate.services.redis.reply import RESP2, RESP3, Dialect


class Call:
    """One operation while it runs: what its commands' handlers see of the world."""

    __slots__ = ("_choices", "_seed", "database", "dialect", "keyspace", "limits", "microseconds", "prefixes")

    def __init__(
        self,
        keyspace: Keyspace,
        limits: Limits,
        operation: Pipeline | Transaction,
        microseconds: int,
        seed: bytes,
        prefixes: tuple[bytes, ...],
    ) -> None:
        self.keyspace = keyspace
        self.limits = limits
        self.database: Database = keyspace.databases[operation.database]
        self.dialect: Dialect = RESP2 if operation.protocol == 2 else RESP3
        self.microseconds = microseconds
        """Agreed time; 0 in a query, which never runs a command that asks for it."""
        self.prefixes = prefixes
        """What the keys that the client may use begin with; none: it may use all."""
        self._seed = seed
        self._choices: Choices | None = None

    @property
    def choices(self) -> Choices:
        """Random choices, one stream for the whole operation."""
        if self._choices is None:
            self._choices = Choices(self._seed, self.keyspace.clock.version)
        return self._choices


Handler = Callable[[Call, list[bytes]], bytes]
"""From the command's arguments, its name first, to its reply. Raises CommandError before it changes anything."""


class Kind(Flag):
    """What a command does, as far as ordering goes."""

    READ = auto()
    """It changes nothing."""
    WRITE = auto()
    """It may change keys."""
    UNSTEADY = auto()
    """Its answer depends on the agreed time or on chance: ordered although it only reads."""


class Keys(NamedTuple):
    """Which arguments are keys, as COMMAND INFO says it: first, last (negative: from the end), step."""

    first: int = 0
    last: int = 0
    step: int = 0


ONE_KEY = Keys(1, 1, 1)
TWO_KEYS = Keys(1, 2, 1)
ALL_KEYS = Keys(1, -1, 1)
NO_KEYS = Keys()


class Command(NamedTuple):
    """A row of the command table."""

    name: str
    handler: Handler
    arity: int
    """How many arguments, the name counted; negative: at least so many."""
    kind: Kind
    keys: Keys = ONE_KEY

    def accepts(self, count: int) -> bool:
        """Whether it takes so many arguments, the name counted."""
        return count == self.arity or 0 < -self.arity <= count

    @property
    def is_query(self) -> bool:
        """Whether it can be answered without being ordered, as long as no deadline is in play."""
        return self.kind == Kind.READ
