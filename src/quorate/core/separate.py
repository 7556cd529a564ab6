"""Large requests travel apart from their PRE-PREPARE (OSDI'99 4.2, 5.1; facts 3.5).

What is agreed on does not change: a batch's digest covers the digests of its requests. A vote is cast when their bodies
are here, so whatever is prepared has its bodies at f + 1 correct replicas (A2, A3), and a digest without a body blocks
no view change.

SEP-1  A client sends a large request to all replicas; beside the PRE-PREPARE its digest stands in its place, unless a
       backup had to fetch one of this client lately.
SEP-2  A backup fills in the requests that it holds from their clients. A proposal that lacks one is parked, and is no
       vote, until it comes.
SEP-3  What lacks for a while is fetched by the batch's digest. Such a body is used if its requests are authentic here,
       or if f matching PREPAREs vouch for the digest.
SEP-4  A backup passes a large request on to the primary when it comes again, or when half of the time is up that the
       primary has.
"""

from __future__ import annotations

from typing import Final

from quorate.core import admission
from quorate.core.context import Core, Status
from quorate.core.log import OpenBatch, Parked, Phase, Slim, Slot
from quorate.core.waiting import Waiting
from quorate.messages.codec import encode_batch
from quorate.messages.digests import DIGEST_BYTES
from quorate.messages.protocol import SEPARATE_BYTES, Batch, Request

SENT_ALONG: Final = 100
"""So many large requests of a client go with their PRE-PREPARE after one that a backup had to fetch."""
UNREACHED_MAX: Final = 1024
"""Clients of whom that is remembered."""


def is_separate(core: Core, frame: bytes) -> bool:
    """Whether a request is one that its client sends to all."""
    return core.settings.separate_requests and len(frame) > SEPARATE_BYTES


def beside_proposal(core: Core, requests: list[Waiting], data: bytes) -> bytes:
    """What travels beside the PRE-PREPARE of a batch whose bytes are *data* (SEP-1)."""
    if not any(is_separate(core, waiting.frame) for waiting in requests):
        return data
    return encode_batch(Batch(core.wall, tuple([frame_or_digest(core, waiting) for waiting in requests])))


def frame_or_digest(core: Core, waiting: Waiting) -> bytes:
    """A request's digest, where all replicas are believed to have the request."""
    if not is_separate(core, waiting.frame):
        return waiting.frame
    left = core.unreached.get(waiting.request.client, 0)
    if not left:
        return waiting.digest
    core.unreached[waiting.request.client] = left - 1
    return waiting.frame


def complete(core: Core, slot: Slot) -> OpenBatch | None:
    """The batch of a parked proposal; None while one of its requests is not here (SEP-2)."""
    parked = slot.parked
    assert parked is not None
    if isinstance(parked.batch, OpenBatch):
        return parked.batch
    batch = core.log.batch(parked.digest) or fill_in(core, parked.batch)
    if batch is None:
        await_body(core, slot, parked)
        return None
    slot.parked = parked._replace(batch=batch, reconsider_at=None)
    core.missing.pop(parked.digest, None)
    return batch


def patience(core: Core) -> int:
    """How long the requests that a proposal lacks are given to come by themselves (SEP-3). That is short: all in their
    batch wait as long, and only a primary that is asked for them learns that their client is late (SEP-1)."""
    return core.status_interval // 10


def fill_in(core: Core, slim: Slim) -> OpenBatch | None:
    """The batch, of what came beside the PRE-PREPARE and of what clients sent here; within the limits of a batch."""
    present = zip(slim.requests, slim.frames, strict=True)
    requests: list[Request] = []
    frames: list[bytes] = []
    for entry, digest in zip(slim.entries, slim.digests, strict=True):
        held = core.waiting.large.find(digest) if len(entry) == DIGEST_BYTES else None
        if len(entry) != DIGEST_BYTES:
            request, frame = next(present)
        elif held is not None:
            request, frame = held.request, held.frame
        else:
            return None
        requests.append(request)
        frames.append(frame)
    data = encode_batch(Batch(slim.time, tuple(frames)))
    batch = OpenBatch(slim.digest, slim.time, tuple(requests), tuple(frames), slim.digests, data)
    return batch if admission.accept_batch(core, slim.digest, batch) is None else None


def await_body(core: Core, slot: Slot, parked: Parked) -> None:
    """SEP-3: give the requests a little time to come, then ask for the batch."""
    if parked.digest in core.missing:
        slot.parked = parked._replace(reconsider_at=None)
    elif parked.reconsider_at is None:
        slot.parked = parked._replace(reconsider_at=core.now + patience(core))
    elif core.now >= parked.reconsider_at:
        slot.parked = parked._replace(reconsider_at=None)
        core.missing[parked.digest] = 0


def take_body(core: Core, batch: OpenBatch) -> bool:
    """A body that was missing came. False: it is not, or not only, for a parked proposal (SEP-3). Until it is authentic
    here or vouched for, others are asked for theirs: whoever sent it may have spoilt the authentication."""
    slots = [slot for slot in core.log.slots.values() if slot.parked is not None and slot.parked.digest == batch.digest]
    if not slots or is_needed_anyway(core, batch.digest):
        return False
    if admission.accept_batch(core, batch.digest, batch) is not None:
        return True
    for slot in slots:
        assert slot.parked is not None
        slot.parked = slot.parked._replace(batch=batch, reconsider_at=None)
        core.touched.add(slot.sequence_number)
    if admission.first_unauthentic_request(core, batch) is None:
        del core.missing[batch.digest]
    return True


def is_needed_anyway(core: Core, digest: bytes) -> bool:
    """Whether a body is needed for something that correct replicas vouch for; while views change, that may be any. The
    P of one VIEW-CHANGE vouches for nothing: it may be a liar's."""
    if any(digest in (slot.digest, slot.decided) for slot in core.log.slots.values()):
        return True
    return core.status is not Status.NORMAL


def note_fetched(core: Core, digests: tuple[bytes, ...]) -> None:
    """A backup asks its primary for bodies without which it cannot vote: perhaps their clients sent them to few
    replicas. Their next ones go along with the PRE-PREPARE (SEP-1)."""
    for digest in digests if core.is_primary else ():
        held = core.log.batches.get(digest)
        slot = None if held is None else core.log.slots.get(held.sequence_number)
        if held is None or slot is None or slot.digest != digest or slot.phase >= Phase.COMMITTED:
            continue
        for request, frame in zip(held.batch.requests, held.batch.frames, strict=True):
            if is_separate(core, frame):
                core.unreached[request.client] = SENT_ALONG
    while len(core.unreached) > UNREACHED_MAX:
        del core.unreached[next(iter(core.unreached))]


def receive(core: Core, waiting: Waiting, is_new: bool) -> None:
    """A request came to a backup, which passes it on to the primary unless that has it for sure, or most likely
    (SEP-4)."""
    if is_separate(core, waiting.frame):
        if is_new:
            core.waiting.keep_back(waiting.request)
            core.touched.update(core.parked)
            return
        is_new = core.waiting.take_kept_back(waiting.request)
    if is_new:
        core.forward(core.primary, waiting.request, waiting.frame)


def settle(core: Core) -> None:
    """Pass on what was kept back, when half of the primary's time is up."""
    if core.status is not Status.NORMAL or core.is_primary or not core.waiting.has_kept_back:
        return
    if core.timers.timed is not None and core.now >= half_time(core):
        for waiting in core.waiting.take_all_kept_back(core.settings.batch_requests_max):
            core.forward(core.primary, waiting.request, waiting.frame)


def half_time(core: Core) -> int:
    """When half of the time is up that the primary has for what is timed."""
    return core.timers.started + core.timers.timeout // 2
