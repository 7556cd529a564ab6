"""Bounds that keep one command from using up a replica. Redis's own are larger, or absent."""

from __future__ import annotations

from typing import NamedTuple

LONGEST_STRING = 8 << 20
"""Bytes of a string value, which may grow longer than one argument."""

LARGEST_REPLY = 15 << 20
"""Bytes of the replies of one operation, whatever the cluster would carry."""

_REFUSALS = 1 << 20
"""What is left of the cluster's `reply_bytes_max` for the errors of commands whose replies have no room."""
_AROUND_AN_ARGUMENT = 4096
"""What is left of the cluster's `request_bytes_max` for the rest of a command, and for what a request adds."""


class Limits(NamedTuple):
    """What follows from a cluster's settings. Equal at all replicas, as the settings are."""

    longest_argument: int = LONGEST_STRING
    """What Redis calls proto-max-bulk-len."""
    largest_reply: int = LARGEST_REPLY
    """Bytes of the replies of one operation."""


def limits_for(request_bytes_max: int, reply_bytes_max: int) -> Limits:
    """The limits of a service whose cluster carries so much."""
    argument = max(request_bytes_max - _AROUND_AN_ARGUMENT, request_bytes_max // 2)
    reply = max(reply_bytes_max - _REFUSALS, reply_bytes_max // 2)
    return Limits(min(argument, LONGEST_STRING), min(reply, LARGEST_REPLY))


MOST_RANDOM_ELEMENTS = 1 << 20
"""Elements of one answer that may repeat elements, and so could be larger than what is stored."""

LONGEST_SCAN_COUNT = 1 << 16
"""Keys of one step of SCAN; a larger COUNT, which is a hint, is taken as this."""

EXPIRED_KEYS_A_STEP = 256
"""Expired keys removed at the start of one operation. Those that wait are invisible meanwhile."""
