"""A link: an authenticated connection that carries frames.

A turn of the event loop writes once to a link, however many frames were sent in it, and hands over all frames that one
read brought at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from quorate.net.framing import PREFIX_BYTES, FrameBuffer, FrameTooLarge
from quorate.net.handshake import Peer
from quorate.net.limits import LinkLimits, Meter

CLOSED_HERE: Final = "closed here"
CLOSED_THERE: Final = "closed by the other side"
FRAME_TOO_LARGE: Final = "frame too large"
_CLOSE_SECONDS: Final = 1.0
"""What is queued has this long to leave when a link is closed."""
_WRITE_BUFFER_BYTES: Final = 256 << 10
"""Above it frames wait in our queue, where they are counted, and not in the transport's."""


class LinkHandler(Protocol):
    """Who uses a link. Calls come from the event loop's thread; an exception out of one closes the link."""

    def link_opened(self, link: Link) -> None:
        """The peer has proved who it is; frames may be sent."""

    def frames_received(self, link: Link, frames: list[bytes]) -> None:
        """The frames that one read completed, in order."""

    def link_closed(self, link: Link, reason: str) -> None:
        """The end: once for each link that opened."""


class FrameBytesMax(NamedTuple):
    """The largest frame that may travel in each direction of a link."""

    incoming: int
    outgoing: int


class LinkCounters:
    """What went over a link."""

    __slots__ = ("bytes_in", "bytes_out", "dropped", "frames_in", "frames_out", "refused")

    def __init__(self) -> None:
        self.frames_in = self.frames_out = 0
        self.bytes_in = self.bytes_out = 0
        self.dropped = 0
        """Frames that were not queued: the queue was full, or the link closed."""
        self.refused = 0
        """Frames to send that were above the limit: a defect of the sender."""


class _Outbox:
    """The frames that wait to be written, bounded in bytes."""

    __slots__ = ("_bytes_max", "_counters", "_frames", "_handle", "_loop", "_size", "_transport", "is_paused")

    def __init__(self, transport: asyncio.Transport, bytes_max: int, counters: LinkCounters) -> None:
        self.is_paused = False
        self._transport = transport
        self._bytes_max = bytes_max
        self._counters = counters
        self._loop = asyncio.get_running_loop()
        self._frames: list[bytes] = []
        self._size = 0
        self._handle: asyncio.Handle | None = None

    def put(self, frame: bytes) -> bool:
        """Queue *frame*, to be written with all others of this turn; False when there is no room."""
        size = len(frame) + PREFIX_BYTES
        if self._size and self._size + size > self._bytes_max:
            return False
        self._size += size
        self._frames.append(len(frame).to_bytes(PREFIX_BYTES, "big"))
        self._frames.append(frame)
        if self._handle is None and not self.is_paused:
            self._handle = self._loop.call_soon(self.flush)
        return True

    def flush(self) -> None:
        """Write what is queued."""
        self._handle = None
        if self._size:
            frames, self._frames = self._frames, []
            self._counters.frames_out += len(frames) // 2
            self._counters.bytes_out += self._size
            self._size = 0
            self._transport.write(b"".join(frames))

    def discard(self) -> None:
        """The connection is gone, and with it what was queued."""
        if self._handle is not None:
            self._handle.cancel()
        self._counters.dropped += len(self._frames) // 2
        self._frames, self._size = [], 0


class Link(asyncio.Protocol):
    """An authenticated connection to one peer.

    When the queue to a slow peer is full the newest frame is dropped and counted: the protocol repeats what matters.
    """

    def __init__(
        self,
        peer: Peer,
        transport: asyncio.Transport,
        handler: LinkHandler,
        limits: LinkLimits,
        frame_bytes_max: FrameBytesMax,
        on_gone: Callable[[Link, str], None],
        meter: Meter,
    ) -> None:
        self.peer: Final = peer
        self.counters: Final = LinkCounters()
        self._transport = transport
        self._handler = handler
        self._on_gone = on_gone
        self._frame_bytes_out_max = frame_bytes_max.outgoing
        self._buffer = FrameBuffer(frame_bytes_max.incoming)
        self._outbox = _Outbox(transport, limits.queue_bytes_max, self.counters)
        self._reading = _Reading(transport, meter)
        self._close_reason: str | None = None
        self._abort_handle: asyncio.TimerHandle | None = None
        transport.set_write_buffer_limits(_WRITE_BUFFER_BYTES)

    def __repr__(self) -> str:
        return f"Link({self.peer.name})"

    @property
    def is_closing(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._close_reason is not None

    def send(self, frame: bytes) -> bool:
        """Queue *frame*; False when it was dropped or refused."""
        if len(frame) > self._frame_bytes_out_max:
            self.counters.refused += 1
            return False
        if self._close_reason is not None or not self._outbox.put(frame):
            self.counters.dropped += 1
            return False
        return True

    def close(self, reason: str = CLOSED_HERE) -> None:
        """Write what is queued, then close. The handler hears of it when the connection is gone."""
        if self._close_reason is None:
            self._close_reason = reason
            self._outbox.flush()
            self._reading.stop()
            self._transport.close()
            self._abort_handle = asyncio.get_running_loop().call_later(_CLOSE_SECONDS, self._transport.abort)

    def abort(self, reason: str) -> None:
        """Close at once: the peer broke the rules of the link."""
        if self._close_reason is None:
            self._close_reason = reason
            self._outbox.discard()
            self._reading.stop()
            self._transport.abort()

    # ------------------------------------------------------------------------------- called by the event loop

    def data_received(self, data: bytes) -> None:
        """A read: hand over the frames that it completed, and stop reading for a while if it was beyond the rate."""
        if self._close_reason is not None:
            return
        try:
            frames = self._buffer.feed(data)
        except FrameTooLarge as error:
            self.abort(f"{FRAME_TOO_LARGE}: {error}")
            return
        counters = self.counters
        counters.bytes_in += len(data)
        counters.frames_in += len(frames)
        self._reading.charge(len(data), len(frames))
        if frames:
            self._handler.frames_received(self, frames)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._outbox.is_paused = True

    def resume_writing(self) -> None:
        """It has room again."""
        self._outbox.is_paused = False
        if self._close_reason is None:
            self._outbox.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        if self._close_reason is None:
            self._close_reason = CLOSED_THERE if exc is None else f"connection lost: {exc}"
        self._outbox.discard()
        self._reading.stop()
        if self._abort_handle is not None:
            self._abort_handle.cancel()
        self._on_gone(self, self._close_reason)
        self._handler.link_closed(self, self._close_reason)


class _Reading:
    """Stops reading while a peer is above its rate: the backpressure of TCP then slows it down."""

    __slots__ = ("_handle", "_loop", "_meter", "_transport")

    def __init__(self, transport: asyncio.Transport, meter: Meter) -> None:
        self._transport = transport
        self._meter = meter
        self._loop = asyncio.get_running_loop()
        self._handle: asyncio.TimerHandle | None = None

    def charge(self, size: int, frames: int) -> None:
        """That much came in."""
        delay = self._meter.charge(size, frames, self._loop.time())
        if delay > 0 and self._handle is None:
            self._transport.pause_reading()
            self._handle = self._loop.call_later(delay, self._resume)

    def _resume(self) -> None:
        self._handle = None
        self._transport.resume_reading()

    def stop(self) -> None:
        """The link closes."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
