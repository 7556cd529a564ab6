"""The background scrub (DISK-5): is the service's state still what its digest says?

A partition that changes behind the replica's back, by a defect of the memory or of the service, shows at the next
checkpoint if it was written to meanwhile: f + 1 others vouch for another digest. One that nobody writes to would stay
hidden, and be read. So a replica looks at a few nodes of its stable checkpoint now and then, and what is not as its
parent vouches for is fetched from the others.
"""

from __future__ import annotations

from typing import Final

from quorate.core.context import MILLISECOND, Core
from quorate.messages.tree import NodeKind, Path, child_digests, kind_of_node

NODES_A_ROUND: Final = 32
"""Nodes looked at in one turn: less than a millisecond."""
DAMAGED: Final = "a partition of the own state has changed by itself; it is fetched"


def settle(core: Core) -> None:
    """Look at a few nodes, if it is time to, and nothing else concerns the state just now."""
    scrub, interval = core.scrub, core.settings.scrub_interval_ms
    is_busy = core.transfer is not None or core.diverged_at is not None or core.checkpoints.hashing is not None
    if interval == 0 or is_busy or core.now < scrub.due:
        return
    scrub.due = core.now + MILLISECOND * interval
    number = core.log.low_watermark
    held = core.checkpoints.held.get(number)
    if held is None:
        return
    if number != scrub.sequence_number or not scrub.unread:
        scrub.sequence_number, scrub.unread = number, [((), held.service_digest)]
    for _ in range(NODES_A_ROUND):
        if not scrub.unread:
            scrub.behind = ()
            scrub.passes += 1
            return
        look(core, *scrub.unread.pop())


def look(core: Core, path: Path, digest: bytes) -> None:
    """Look at one node; its children that were not looked at in this pass are next."""
    scrub = core.scrub
    data = core.service.fetch(scrub.sequence_number, path) or b""
    kind = kind_of_node(path, data, digest)
    if kind is None:
        number = scrub.sequence_number
        scrub.note(path)
        core.refuse("STATE", DAMAGED, core.replica_id)
        core.note("state-damaged", sequence_number=number, partition=path)
        core.diverged_at = number
    elif kind is NodeKind.LEAF:
        scrub.behind = path
    else:
        depth = len(path) + 1
        children = [((*path, child), part) for child, part in enumerate(child_digests(data))]
        scrub.unread += [each for each in reversed(children) if scrub.behind[:depth] <= each[0] != scrub.behind]
