"""How large the frame of a request becomes. Pure."""

from __future__ import annotations

from typing import Final

from quorate.auth.authenticator import authentication_bytes
from quorate.config import ClusterConfiguration

OPERATION_HEADER_BYTES: Final = 5
"""What an operation adds to a request besides its own bytes, at most."""


def request_bytes(configuration: ClusterConfiguration, operations: tuple[bytes, ...]) -> int:
    """An upper bound of the size of a request's frame, which `request_bytes_max` limits."""
    return (
        request_overhead_bytes(configuration)
        + OPERATION_HEADER_BYTES * len(operations)
        + sum(len(operation) for operation in operations)
    )


def request_overhead_bytes(configuration: ClusterConfiguration) -> int:
    """An upper bound of what the frame of a request holds besides its operations."""
    return 128 + authentication_bytes(configuration)
