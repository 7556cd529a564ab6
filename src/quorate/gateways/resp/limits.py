"""How much one client may make the gateway hold. Beyond a limit there is a protocol error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from quorate.errors import ConfigurationError

LINE_BYTES_MAX: Final = 65_536
"""The longest inline command, and the longest line that announces a number (Redis: PROTO_INLINE_MAX_SIZE)."""
SHORT_ARGUMENTS: Final = 8
SHORT_ARGUMENT_BYTES: Final = 255
"""A short command has at most so many arguments, each of at most this size: it is taken without a look at limits."""
SHORT_COMMAND_BYTES: Final = 4096
"""More than any short command has."""


@dataclass(frozen=True, slots=True)
class ScanLimits:
    """The limits that differ from gateway to gateway."""

    command_bytes: int = 2 << 20
    """The longest command, and so the longest argument (Redis: proto-max-bulk-len). No use in more than the
    cluster's `request_bytes_max`."""
    arguments: int = 256 * 1024

    def __post_init__(self) -> None:
        if self.command_bytes < SHORT_COMMAND_BYTES or self.arguments < SHORT_ARGUMENTS:
            raise ConfigurationError(
                f"a gateway takes commands of up to {SHORT_COMMAND_BYTES} bytes and {SHORT_ARGUMENTS} arguments in any "
                "case: allow at least as many"
            )
