"""How much one client may make the gateway hold. A command beyond it is read to its end, forgotten as it comes, and
answered with an error; where its end cannot be known, or is too far away, there is a protocol error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quorate.errors import ConfigurationError
from quorate.services.redis.limits import LONGEST_STRING

LINE_BYTES_MAX: Final = 65_536
"""The longest inline command, and the longest line that announces a number (Redis: PROTO_INLINE_MAX_SIZE)."""
HOPELESS_BYTES: Final = 512 << 20
"""An argument that is announced as longer is not read to its end (Redis: the default of proto-max-bulk-len)."""
SHORT_ARGUMENTS: Final = 8
SHORT_ARGUMENT_BYTES: Final = 255
"""A short command has at most so many arguments, each of at most this size: it is taken without a look at limits."""
SHORT_COMMAND_BYTES: Final = 4096
"""More than any short command has."""


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """The limits that differ from gateway to gateway."""

    command_bytes: int = 2 << 20
    """The longest command. No use in more than the cluster's `request_bytes_max`."""
    argument_bytes: int = LONGEST_STRING
    """The longest argument (Redis: proto-max-bulk-len)."""
    arguments: int = 256 * 1024

    def __post_init__(self) -> None:
        is_too_little = self.command_bytes < SHORT_COMMAND_BYTES or self.arguments < SHORT_ARGUMENTS
        if is_too_little or self.argument_bytes < SHORT_ARGUMENT_BYTES:
            raise ConfigurationError(
                f"a gateway takes commands of up to {SHORT_COMMAND_BYTES} bytes, with {SHORT_ARGUMENTS} arguments of "
                f"{SHORT_ARGUMENT_BYTES} bytes, in any case: allow at least as many"
            )
