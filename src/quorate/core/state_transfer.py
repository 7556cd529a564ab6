"""Fetching a checkpoint that others hold (facts 4.3, 4.4; decisions).

A replica that its peers' history cannot help any more, or whose state differs from what f + 1 vouch for, fetches the
newest checkpoint that a quorum vouches for. The root's digest is the trust anchor: every node of the tree is
checked against its parent before it is used, so a liar can only delay. Only subtrees that differ are fetched, from all
peers at once, each with a rest between two questions; whoever does not answer in time is passed over (B15). Nothing is
executed meanwhile, and the view-change timer rests; views may come and go.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from quorate.core import admission, answers, checkpoints, epochs
from quorate.core.context import Core, HeldCheckpoint
from quorate.core.execution import shut_out, undo_tentative
from quorate.core.normal_case import is_executed
from quorate.core.ports import Opened
from quorate.core.tables import decode_snapshot, encode_snapshot
from quorate.core.transfer import Transfer
from quorate.core.vouchers import Target
from quorate.errors import MalformedMessage
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import FetchState, StatePieces
from quorate.messages.records import CheckpointRecord, Forget, StableRecord
from quorate.messages.tree import EMPTY, NodeKind, Path, child_digests, inner_digest, kind_of_node

PATHS_MAX: Final = 256
"""Nodes asked for in one message."""
ASKED_MAX: Final = 1024
"""Nodes asked for and not answered, over all peers."""
REST: Final = 50_000
"""Microseconds from one question to a peer to the next: with the sizes above it spends about a tenth of its time on the
fetch, and orders meanwhile (B21)."""
NODE_CHARGE: Final = 8
"""A node is charged to who asks for it as so many bodies: looking it up is most of the work."""
PIECES_BYTES_MAX: Final = 1 << 20
"""Bytes sent in answer to one message; what does not fit is asked for again."""
PIN_INTERVALS: Final = 50
"""How long a checkpoint is kept for a peer after its last question, in status intervals."""
PIN_INTERVALS_MAX: Final = 3000
"""How long it is kept for a peer at all (B15, B21)."""


def settle(core: Core) -> None:
    """Begin, go on with, or finish a fetch."""
    transfer, stable = core.transfer, core.log.low_watermark
    is_passed = transfer is not None and transfer.sequence_number < stable
    if transfer is None or is_passed or core.now >= transfer.restarts_at or transfer.is_unanswered(core.now):
        transfer = begin(core)
    if transfer is None or transfer.sequence_number < stable:
        return
    if transfer.is_complete:
        finish(core, transfer)
    else:
        ask(core, transfer)


def is_needed(core: Core) -> bool:
    """Whether only another replica's checkpoint helps."""
    pending = core.views.pending_new_view
    return checkpoints.state_is_needed(core) or (
        pending is not None and pending[1].checkpoint.sequence_number > core.last_executed
    )


def begin(core: Core) -> Transfer | None:
    """Choose what to fetch: the newest checkpoint that a quorum vouches for, if it is of use (ST-1)."""
    if core.transfer is None and not is_needed(core):
        return None
    target = believed_checkpoint(core)
    if target is None or core.checkpoints.hashing is not None:
        return core.transfer
    if core.transfer is not None and core.transfer.sequence_number >= target.sequence_number:
        core.transfer.restarts_at = core.now + PIN_INTERVALS * core.status_interval
        return core.transfer
    base = core.last_executed
    if core.transfer is not None:
        base = core.transfer.base
    else:
        undo_tentative(core)
        core.service.checkpoint(base)
        core.note("state-transfer", sequence_number=target.sequence_number, last_executed=base)
    core.transfer = Transfer(target.sequence_number, target.digest, base)
    core.transfer.restarts_at = core.now + PIN_INTERVALS * core.status_interval
    return core.transfer


def believed_checkpoint(core: Core) -> Target | None:
    """The largest (n, d) that a quorum signed, or that a NEW-VIEW proves, above what was executed here; at a replica
    whose state is damaged, the number at which that showed will do too (B16: f liars provoke nothing), unless what is
    stable here has passed it meanwhile.

    f + 1 would do to believe the digest. But the low watermark moves with the fetch, and above what is stable that
    could leave no checkpoint for a new view to begin from, once the liars among f + 1 fall silent."""
    lowest = core.last_executed
    if core.diverged_at is not None:
        lowest = max(min(core.diverged_at, core.last_executed + 1), core.log.low_watermark) - 1
    believed = [
        target
        for target, signers in core.checkpoints.vouchers.signers.items()
        if len(signers) >= core.quorums.quorum and target.sequence_number > lowest
    ]
    if core.views.pending_new_view is not None:
        claim = core.views.pending_new_view[1].checkpoint
        if claim.sequence_number > core.last_executed:
            believed.append(Target(claim.sequence_number, claim.digest))
    return max(believed, default=None)


def ask(core: Core, transfer: Transfer) -> None:
    """Ask for the root entry, then for nodes: each of one peer, of another when that one is late (ST-5)."""
    if transfer.tables is None:
        if core.now >= transfer.root_due:
            transfer.root_due = core.now + 5 * core.status_interval
            for peer in others(core):
                core.send(peer, FetchState(transfer.sequence_number, (), core.replica_id))
        return
    for path, (digest, _, due) in list(transfer.asked.items()):
        if core.now >= due:
            del transfer.asked[path]
            transfer.wanted[path] = digest
    peers = others(core)
    first = core.transfer_turn % len(peers)
    for peer in peers[first:] + peers[:first]:
        if not transfer.wanted or len(transfer.asked) + PATHS_MAX > ASKED_MAX:
            return
        if core.now >= transfer.rests.get(peer, 0):
            core.transfer_turn += 1
            question(core, transfer, peer)


def question(core: Core, transfer: Transfer, peer: int) -> None:
    """Ask one peer for the next nodes; then it has a rest: it has others to serve."""
    transfer.rests[peer] = core.now + REST
    paths = tuple(path for path, _ in zip(transfer.wanted, range(PATHS_MAX), strict=False))
    for path in paths:
        transfer.asked[path] = (transfer.wanted.pop(path), peer, core.now + 5 * core.status_interval)
    core.send(peer, FetchState(transfer.sequence_number, paths, core.replica_id))


def others(core: Core) -> list[int]:
    """All other replicas."""
    return [replica for replica in range(core.replica_count) if replica != core.replica_id]


def on_fetch_state(core: Core, opened: Opened) -> None:
    """ST-2: send nodes of a checkpoint that is held here, and keep it for the asker, for a bounded time."""
    message = opened.message
    assert isinstance(message, FetchState)
    held = core.checkpoints.held.get(message.sequence_number)
    is_damaged = core.diverged_at == message.sequence_number
    if held is None or is_damaged or message.replica == core.replica_id:
        admission.refuse(core, message, admission.NOT_HELD)
        return
    if not answers.may_answer(core, message.replica):
        admission.refuse(core, message, admission.TOO_MUCH)
        return
    pin(core, message.replica, message.sequence_number)
    if not message.paths:
        root = (encode_snapshot(held.tables), held.service_digest)
        answers.charge(core, message.replica, 1, len(root[0]))
        core.send(message.replica, StatePieces(message.sequence_number, (), core.replica_id), root)
        return
    room = PIECES_BYTES_MAX
    paths: list[Path] = []
    pieces: list[bytes] = []
    for path in message.paths:
        data = core.service.fetch(message.sequence_number, path)
        if data is None:
            continue
        room -= len(data)
        if room < 0 and pieces:
            break
        paths.append(path)
        pieces.append(data)
    answers.charge(core, message.replica, NODE_CHARGE * len(message.paths), sum(map(len, pieces)))
    core.send(message.replica, StatePieces(message.sequence_number, tuple(paths), core.replica_id), tuple(pieces))


def pin(core: Core, peer: int, sequence_number: int) -> None:
    """Keep a checkpoint while a peer fetches it: one a peer, and not for ever."""
    present = core.pins.get(peer)
    is_same = present is not None and present[0] == sequence_number
    since = present[1] if present is not None and is_same else core.now
    until = min(core.now + PIN_INTERVALS * core.status_interval, since + PIN_INTERVALS_MAX * core.status_interval)
    core.pins[peer] = (sequence_number, since, until)


def on_state_pieces(core: Core, opened: Opened) -> None:
    """ST-3: take the nodes that were asked for; each must have the digest that its parent vouches for."""
    message = opened.message
    assert isinstance(message, StatePieces)
    transfer = core.transfer
    if transfer is None or transfer.sequence_number != message.sequence_number:
        admission.refuse(core, message, admission.UNWANTED)
        return
    pieces = opened.envelope.attachments
    if not message.paths:
        take_root(core, transfer, message, pieces)
        return
    if len(pieces) != len(message.paths):
        admission.refuse(core, message, "its paths and pieces do not match")
        return
    for path, data in zip(message.paths, pieces, strict=True):
        asked = transfer.asked.get(path)
        if asked is None:
            continue
        kind = kind_of_node(path, data, asked[0])
        if kind is None:
            admission.refuse(core, message, "a piece of state does not have the digest that is vouched for")
            # Ask somebody else at once.
            transfer.asked[path] = (asked[0], asked[1], core.now)
            continue
        del transfer.asked[path]
        transfer.fetched_bytes += len(data)
        transfer.fetched_nodes += 1
        transfer.restarts_at = core.now + PIN_INTERVALS * core.status_interval
        if kind is NodeKind.LEAF:
            transfer.leaves[path] = data
        else:
            want_children(core, transfer, path, data)


def take_root(core: Core, transfer: Transfer, message: StatePieces, pieces: tuple[bytes, ...]) -> None:
    """The root entry: tables and service digest that together have the digest that is vouched for."""
    if transfer.tables is not None or len(pieces) != 2:
        return
    try:
        tables = decode_snapshot(pieces[0])
    except MalformedMessage:
        admission.refuse(core, message, "the tables of a checkpoint are malformed")
        return
    if checkpoint_digest(pieces[1], tables.digest()) != transfer.digest:
        admission.refuse(core, message, "a checkpoint does not have the digest that is vouched for")
        return
    transfer.tables, transfer.service_digest = tables, pieces[1]
    want_if_different(core, transfer, [((), pieces[1], local_digest(core, transfer))])


def local_digest(core: Core, transfer: Transfer) -> bytes | None:
    """The digest of this replica's own tree, if its root is an inner node."""
    data = core.service.fetch(transfer.base, ())
    return None if data is None else inner_digest((), data)


def want_children(core: Core, transfer: Transfer, path: Path, data: bytes) -> None:
    """Go down into the children that differ from the own ones."""
    own_node = core.service.fetch(transfer.base, path) or b""
    theirs = child_digests(data)
    own: list[bytes | None] = list(child_digests(own_node)) if len(own_node) == len(data) else [EMPTY] * len(theirs)
    want_if_different(
        core,
        transfer,
        [((*path, index), digest, own[index]) for index, digest in enumerate(theirs)],
    )


def want_if_different(core: Core, transfer: Transfer, nodes: Iterable[tuple[Path, bytes, bytes | None]]) -> None:
    """Want the nodes whose digests differ, and those that the scrub found damaged behind digests that are right; a node
    without contents needs no fetching."""
    for path, digest, own in nodes:
        if digest == own and path not in core.scrub.damaged:
            continue
        if digest == EMPTY:
            transfer.leaves[path] = b""
        else:
            transfer.wanted[path] = digest


def finish(core: Core, transfer: Transfer) -> None:
    """Install what came, as the checkpoint that it is, and go on from there (ST-4; facts 4.5)."""
    assert transfer.tables is not None
    sequence_number = transfer.sequence_number
    core.transfer = None
    core.service.install(sequence_number, transfer.leaves)
    root = core.service.fetch(sequence_number, ())
    if root is None or kind_of_node((), root, transfer.service_digest) is None:
        # The own state changed behind this replica's back: nothing of it can be trusted. Start from nothing.
        core.refuse("STATE", "the own state is damaged; it is fetched whole", core.replica_id)
        core.service.install(sequence_number, {(): b""})
        core.diverged_at = sequence_number
        begin(core)
        return
    core.scrub.damaged.clear()
    before, recovered = core.tables.access.revoked(), core.tables.recoveries.rows
    core.tables.restore(transfer.tables)
    for client in sorted(core.tables.access.revoked() - before):
        shut_out(core, client)
    core.tables.snapshot()
    core.last_executed = core.reads.changed_at = sequence_number
    core.reads.promised = max(core.reads.promised, sequence_number)
    core.diverged_at = None
    core.checkpoints.held = {sequence_number: HeldCheckpoint(transfer.digest, transfer.service_digest, transfer.tables)}
    checkpoints.take_back(core)
    adopt_checkpoint(core, sequence_number, transfer)
    epochs.rise_to_fetched(core, recovered)
    for waiting in core.waiting.oldest_first():
        if is_executed(core, waiting.request):
            core.waiting.executed(waiting.request)
    core.note("state-fetched", sequence_number=sequence_number, fetched_bytes=transfer.fetched_bytes)


def adopt_checkpoint(core: Core, sequence_number: int, transfer: Transfer) -> None:
    """The log begins at the checkpoint; say so with a CHECKPOINT of one's own. It is part of the certificate that is
    sent to whoever lags: perhaps those who vouch for the checkpoint are no quorum without it."""
    assert transfer.tables is not None
    tables = encode_snapshot(transfer.tables)
    core.persist(CheckpointRecord(sequence_number, transfer.digest, transfer.service_digest, tables))
    said = checkpoints.say(core, sequence_number, transfer.digest)
    if said is not None:
        core.checkpoints.vouchers.add(*said)
    if sequence_number > core.log.low_watermark:
        vouching = core.checkpoints.vouchers.frames(Target(sequence_number, transfer.digest))
        checkpoints.stabilise(core, sequence_number, vouching)
    else:
        core.persist(StableRecord(sequence_number, transfer.digest, core.checkpoints.stable_certificate))
        core.persist(Forget(sequence_number))
    core.next_sequence_number = max(core.next_sequence_number, sequence_number + 1)


def release_pins(core: Core) -> None:
    """Forget checkpoints that were kept for peers which no longer ask."""
    expired = [peer for peer, (_, _, until) in core.pins.items() if core.now >= until]
    for peer in expired:
        del core.pins[peer]
    if expired:
        checkpoints.release_old(core)
