"""Whether the primary is merely slow (TIMER-5; P8): it proposes late, though in time for the view-change timer.

Now and then a client sends a request to all replicas. A backup then knows that it waits, and looks at the *gap*: the
time until it is proposed, as far as no requests were under way. A primary that has nothing else to do needs for that
about as long as the replicas then need to agree, which a primary can make seem longer no more than SEP-3 and TIMER-7
let it. One whose gaps are several times that is left. Once f + 1 others have been the primary, for a while only if f +
1 of them were much faster: where nobody is, the network or the machines are slow. After that while it is left all the
same: what others have shown may have been a passing trouble, or a faulty client's doing. So where all are slow one
view is lost in each such while.

No client alone says so where there are several: of more than half of them the gaps have to be too long on average, the
longest left out, as any primary has hitches. What a client sends to the backups alone they pass on at once, unless it
is large (SEP-4), and what the primary never proposes makes no gap: that is what the view-change timer is for. What a
client sends to the primary alone the backups have to fetch, and what has spoilt MACs waits until others vouch for it.
For that no primary is blamed as long as a backup waits before it asks (SEP-3): so much sooner the gap ends, or when
f + 1 others have the proposal (TIMER-7) if that is earlier. All the time from then on counts for the agreement: the
others vote meanwhile, so to a backup that is let in late agreeing would seem to take no time. After Aardvark (NSDI'09),
which expects a throughput that earlier views have shown.
"""

from __future__ import annotations

from statistics import median_high
from typing import Final

from quorate.core.context import MILLISECOND, Core, Status
from quorate.core.log import OpenBatch
from quorate.core.paced import CLIENTS_MAX, GAPS, Ordered, Sample
from quorate.messages.protocol import Request

LEAST: Final = 10 * MILLISECOND
"""Gaps below this and what is due to the agreement are nobody's fault."""
SLOWER: Final = 2
"""A primary is slow if it is so many times slower than others were."""


def watches(core: Core) -> bool:
    """Whether this replica looks at the pace: where nobody may fail, nobody is suspected of more than silence."""
    return core.settings.slow_primary_factor > 0 and core.quorums.faults > 0 and core.status is Status.NORMAL


def arrived(core: Core, request: Request) -> None:
    """A client sent this request here too, and nobody has proposed it yet."""
    pace = core.pace
    if watches(core) and not core.is_primary and request.session and not has_sample(core, request.client):
        pace.samples[request.client] = Sample(request.session, request.timestamp, core.now)


def has_sample(core: Core, client: bytes) -> bool:
    """Whether a sample of this client waits. What is executed waits no longer, though its proposal was not seen here,
    or came before the client's own copy."""
    sample = core.pace.samples.get(client)
    waiting = None if sample is None else core.waiting.get(client, sample.session)
    return sample is not None and waiting is not None and waiting.request.timestamp == sample.timestamp


def proposed(core: Core, sequence_number: int, batch: OpenBatch, excused: int, heard: int) -> None:
    """The primary's proposal was accepted here: the gaps of the samples in it end, without what is excused of them: how
    long it waited here for requests, or for others to vouch for them, as their clients may have kept them back or
    spoilt their MACs, which the primary cannot know. They ended already when f + 1 others *heard* it (TIMER-7)."""
    pace = core.pace
    for request in batch.requests if pace.samples else ():
        sample = pace.samples.get(request.client)
        if sample is None or sample.session != request.session or sample.timestamp > request.timestamp:
            continue
        del pace.samples[request.client]
        if sample.timestamp == request.timestamp and len(pace.ordered) < CLIENTS_MAX:
            pace.ordered.append(Ordered(sequence_number, request.client, sample.since))
    if pace.ordered:
        end_gaps(core, core.now - excused, heard)


def end_gaps(core: Core, accepted: int, heard: int) -> None:
    """A gap ends when a sample is proposed, and all that comes before it: who holds back that is late with both. It is
    none if requests are under way before it: then the primary had something else to do."""
    pace, open_gaps = core.pace, []
    done = core.last_executed + (core.tentative is not None)
    for ordered in pace.ordered:
        before = [core.log.slots.get(number) for number in range(done + 1, ordered.sequence_number)]
        digests = [None if slot is None else slot.digest for slot in before]
        batches = [core.log.batch(digest) for digest in digests if digest is not None]
        if None in digests:
            open_gaps.append(ordered)
        elif ordered.sequence_number > done and not any(batch is not None and batch.requests for batch in batches):
            ended = min(accepted, heard)  # from then on the others agreed
            pace.note_gap(ordered.client, max(0, ended - max(ordered.since, pace.busy_until)))
            pace.proposed = (ordered.sequence_number, ended)
    pace.ordered = open_gaps


def executed(core: Core, sequence_number: int) -> None:
    """A batch with requests is executed, tentatively or for good: how long the agreement on a sample took."""
    pace = core.pace
    pace.busy_until = core.now
    if pace.proposed is not None and pace.proposed[0] == sequence_number:
        pace.agreements.append(core.now - pace.proposed[1])
        pace.proposed = None
        pace.is_slow = judge(core)
        pace.hurried = max(0, pace.hurried - 1)


def judge(core: Core) -> bool:
    """Whether this view's primary is slow. Who sees that another replica has left the view is less patient for a few
    samples: so that a quorum leaves, or nobody."""
    pace, gaps = core.pace, core.pace.means()
    if not gaps or len(pace.agreements) < GAPS:
        return False
    shown = pace.shown[core.primary] = median_high(gaps)
    allowed = core.settings.slow_primary_factor * median_high(pace.agreements) + LEAST
    if pace.hurried:
        allowed //= 2
    too_long = [gap for gap in gaps if gap > allowed]
    if 2 * len(too_long) <= len(gaps):
        return False
    others = sorted(gap for replica, gap in pace.shown.items() if replica != core.primary)
    is_known = len(others) >= core.quorums.weak and core.now < pace.began + core.timers.limit
    return not is_known or shown > SLOWER * others[core.quorums.faults]
