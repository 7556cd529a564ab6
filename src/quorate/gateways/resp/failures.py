"""What a Redis client is told when an operation failed between the gateway and the cluster."""

from __future__ import annotations

from quorate.errors import PermissionDenied, RequestFailed, RequestTimeout
from quorate.gateways.resp import replies


def describe_failure(failure: RequestFailed) -> bytes:
    """The error reply for each command of the failed operation.

    Only a timeout leaves open whether the command was executed, so it has a code of its own: whoever sees it must
    not simply repeat a command that may not be executed twice.
    """
    text = str(failure).encode()
    if isinstance(failure, PermissionDenied):
        return replies.error(b"NOPERM " + text)
    if isinstance(failure, RequestTimeout):
        return replies.error(b"TIMEOUT outcome unknown: " + text)
    return replies.error(b"ERR quorate: " + (text or type(failure).__name__.encode()))
