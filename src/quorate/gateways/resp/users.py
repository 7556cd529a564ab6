"""Redis users of a gateway: AUTH chooses as which client of the cluster a connection's commands are executed.

The user `default` is who does not say otherwise. With a password, nothing is executed for it before AUTH.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from hmac import compare_digest
from typing import Final, NamedTuple

from quorate.gateways.ports import Invoker

DEFAULT: Final = b"default"


class User(NamedTuple):
    """A user, and the client of the cluster that executes its commands."""

    name: bytes
    password: bytes | None
    """None: any password will do."""
    invoker: Invoker


class Users:
    """The users of a gateway; one of them is `default`."""

    def __init__(self, default: User, others: Iterable[User] = ()) -> None:
        self.default: Final = default
        self._users = {user.name: user for user in (*others, default)}

    @property
    def is_open(self) -> bool:
        """Whether a new connection may do something before AUTH."""
        return self.default.password is None

    def find(self, name: bytes, password: bytes) -> User | None:
        """The user, if this is its password. It takes as long for a name that nobody has."""
        user = self._users.get(name)
        expected = b"" if user is None or user.password is None else user.password
        is_right = compare_digest(sha256(expected).digest(), sha256(password).digest())
        return user if user is not None and (user.password is None or is_right) else None
