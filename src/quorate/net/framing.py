"""Frames on a byte stream, and how large the largest legal one is. Pure.

A frame is preceded by its length: four bytes, big-endian. Nothing is allocated because a length was announced; a
buffer holds at most what was received of one frame, and never more than the limit.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from quorate.auth.authenticator import authentication_bytes
from quorate.config import ClusterConfiguration
from quorate.core.quorum import quorums_of
from quorate.errors import ConfigurationError, QuorateError
from quorate.messages.protocol import BACKUP_PATHS_MAX, OPERATIONS_MAX
from quorate.messages.reads import READ_BYTES_MAX, READ_OPERATIONS_MAX

_PREFIX: Final = Struct(">I")
PREFIX_BYTES: Final = _PREFIX.size
FRAME_BYTES_LIMIT: Final = 1 << 30
"""No cluster may need a larger frame: what a peer may make us buffer has an end."""


class FrameTooLarge(QuorateError):
    """A peer announced a frame above the limit. What follows it on the stream cannot be read."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"a frame of {size} bytes is above the limit of {limit}")
        self.size = size
        self.limit = limit


def frame(payload: bytes) -> bytes:
    """*payload* as it travels."""
    return _PREFIX.pack(len(payload)) + payload


class FrameBuffer:
    """Turns received chunks into frames, in time linear in their bytes whatever the chunking.

    A frame that lies within one chunk is copied once, out of it; one that spans chunks is gathered, then copied.
    """

    def __init__(self, frame_bytes_max: int) -> None:
        self.frame_bytes_max: Final = frame_bytes_max
        self._partial = bytearray()
        """The beginning of a frame, with its prefix, whose end has not come yet."""

    @property
    def pending_bytes(self) -> int:
        """How much is held of a frame that is not whole."""
        return len(self._partial)

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that *data* completes. Raises FrameTooLarge, then and at every later call; what the same *data*
        completed before it is lost with it."""
        frames: list[bytes] = []
        end = len(data)
        position = self._complete_partial(data, frames) if self._partial else 0
        while end - position >= PREFIX_BYTES:
            start = position + PREFIX_BYTES
            (size,) = _PREFIX.unpack_from(data, position)
            if size > self.frame_bytes_max:
                self._partial = bytearray(data[position:start])
                raise FrameTooLarge(size, self.frame_bytes_max)
            if end - start < size:
                break
            position = start + size
            frames.append(data[start:position])
        if position < end:
            self._partial += data[position:]
        return frames

    def _complete_partial(self, data: bytes, frames: list[bytes]) -> int:
        """Move what the partial frame lacks out of *data*; return where the rest begins: its end if it took all."""
        partial = self._partial
        position = 0
        if len(partial) < PREFIX_BYTES:
            position = PREFIX_BYTES - len(partial)
            partial += data[:position]
            if len(partial) < PREFIX_BYTES:
                return len(data)
        (size,) = _PREFIX.unpack_from(partial)
        if size > self.frame_bytes_max:
            raise FrameTooLarge(size, self.frame_bytes_max)
        lacking: int = PREFIX_BYTES + size - len(partial)
        partial += data[position : position + lacking]
        if len(partial) < PREFIX_BYTES + size:
            return len(data)
        frames.append(bytes(memoryview(partial)[PREFIX_BYTES:]))
        self._partial = bytearray()
        return position + lacking


# ----------------------------------------------------------------------------- the largest legal frames

_INTEGER: Final = 9
"""The longest encoding of a Natural."""
_DIGEST: Final = 2 + 32
_HEADER: Final = 5
"""The longest header of bytes or of an array."""
_CHECKPOINTS_MAX: Final = 64
"""Elements of C in a VIEW-CHANGE (`messages.protocol.ViewChange`)."""
_CLAIM: Final = _HEADER + _INTEGER + _DIGEST + _INTEGER
"""An element of C, P (without its certificate), Q or X."""
_FIXED: Final = 128
"""A message's array header, tag, views, numbers, ids: at most eight integers, a digest or a client's key."""


def _envelope_bytes(configuration: ClusterConfiguration, payload: int) -> int:
    """The frame of a payload of that size: two headers more, and the longest authentication."""
    return 4 * _HEADER + payload + authentication_bytes(configuration)


def _view_change_bytes(configuration: ClusterConfiguration) -> int:
    """The frame of a VIEW-CHANGE: C, P with at most one element a number of the window, and Q with f + 3 a number.

    With everything signed, an element of P carries a certificate: a PRE-PREPARE and quorum - 1 PREPAREs.
    """
    quorums = quorums_of(configuration.replica_count)
    window = configuration.settings.window
    certificate = 0
    if configuration.settings.replica_authentication == "signature":
        certificate = _HEADER + quorums.quorum * (_HEADER + _envelope_bytes(configuration, _FIXED))
    prepared = window * (_CLAIM + certificate)
    pre_prepared = window * (quorums.faults + 3) * _CLAIM
    claims = _CHECKPOINTS_MAX * _CLAIM + prepared + pre_prepared
    return _envelope_bytes(configuration, _FIXED + 3 * _HEADER + claims)


def _new_view_bytes(configuration: ClusterConfiguration) -> int:
    """The frame of a NEW-VIEW: whole VIEW-CHANGEs, and the choice X, one element a number of the window.

    A quorum of VIEW-CHANGEs makes one, but where their claims do not yet allow a choice the primary waits for more
    (facts 2.4), so it may carry one from each replica.
    """
    view_changes = configuration.replica_count * (_HEADER + _view_change_bytes(configuration))
    chosen = configuration.settings.window * _CLAIM
    return _envelope_bytes(configuration, _FIXED + 2 * _HEADER + view_changes + _CLAIM + chosen)


def _pre_prepare_bytes(configuration: ClusterConfiguration) -> int:
    """The frame of a PRE-PREPARE and the batch beside it. `batch_bytes_max` counts the requests; what the batch adds
    to each is admitted up to 64 bytes, and 1024 for the whole."""
    settings = configuration.settings
    batch = settings.batch_bytes_max + 64 * settings.batch_requests_max + 1024
    return _envelope_bytes(configuration, _FIXED) + _HEADER + batch


def _reply_bytes(configuration: ClusterConfiguration) -> int:
    """The frame of a REPLY: `reply_bytes_max` counts the results, each of which has a header."""
    results = configuration.settings.reply_bytes_max + OPERATIONS_MAX * _HEADER
    return _envelope_bytes(configuration, _FIXED + _HEADER + results)


def _read_reply_bytes(configuration: ClusterConfiguration) -> int:
    """The frame of a READ-REPLY: beside each result stands a number."""
    answers = READ_BYTES_MAX + READ_OPERATIONS_MAX * (2 * _HEADER + _INTEGER)
    return _envelope_bytes(configuration, _FIXED + _HEADER + answers)


def _inspection_bytes(configuration: ClusterConfiguration) -> int:
    """The frame of an INSPECTION, whose report has at most a mebibyte."""
    return _envelope_bytes(configuration, _FIXED + _HEADER + (1 << 20))


def _backup_pieces_bytes(configuration: ClusterConfiguration) -> int:
    """The frame of BACKUP-PIECES: a mebibyte of nodes, unless a single one is larger, and their paths."""
    return _fetch_backup_bytes(configuration) + BACKUP_PATHS_MAX * _HEADER + (1 << 20)


def _fetch_backup_bytes(configuration: ClusterConfiguration) -> int:
    """The frame of a FETCH-BACKUP: its paths have up to 16 elements, of five bytes each."""
    return _envelope_bytes(configuration, _FIXED + _HEADER + BACKUP_PATHS_MAX * (_HEADER + 16 * 5))


def frame_bytes_max_of(configuration: ClusterConfiguration) -> int:
    """The size of the largest frame that a correct replica of this cluster sends.

    Every term is an upper bound of a message's encoding, so the largest legal NEW-VIEW, batch, request and reply fit
    (decisions: limits). BATCHES, which may bring many batches, are the sender's to keep below it.
    """
    size = max(
        _new_view_bytes(configuration),
        _pre_prepare_bytes(configuration),
        _reply_bytes(configuration),
        _read_reply_bytes(configuration),
        _inspection_bytes(configuration),
        _backup_pieces_bytes(configuration),
        configuration.settings.request_bytes_max,
    )
    if size > FRAME_BYTES_LIMIT:
        raise ConfigurationError(
            f"a frame of this cluster may need {size} bytes, above the limit of {FRAME_BYTES_LIMIT}: "
            "lower checkpoint_interval, batch_bytes_max or reply_bytes_max, or use fewer replicas"
        )
    return size


def client_frame_bytes_max_of(configuration: ClusterConfiguration) -> int:
    """The size of the largest frame that a client may send: `request_bytes_max` counts the whole frame of a request,
    and an INSPECT or a FETCH-BACKUP is small."""
    return max(configuration.settings.request_bytes_max, _fetch_backup_bytes(configuration))
