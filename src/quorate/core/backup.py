"""Handing a checkpoint to an administrator who makes a backup of a living cluster (docs/BACKUP.md).

It is what a peer gets that fetches a state, and costs the replica no more: the nodes of a held checkpoint. Each proves
itself by a digest that a quorum vouches for, so that the reader need not believe whoever sends them.
"""

from __future__ import annotations

from typing import Final

from quorate.core import admission, answers, state_transfer
from quorate.core.context import Core, HeldCheckpoint
from quorate.core.ports import Opened
from quorate.core.tables import encode_snapshot
from quorate.core.vouchers import Target
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.protocol import BackupAnswer, BackupPieces, Checkpoint, FetchBackup
from quorate.messages.tree import Path

READER: Final = -1
"""Who makes a backup, where peers have their ids: among the pins and the allowances. So there is one at a time."""


def on_fetch_backup(core: Core, opened: Opened) -> None:
    """BACKUP-1: only an administrator, by the access table as it is executed here, is given what is held; a client that
    is none, and was let in all the same, is told so."""
    message = opened.message
    assert isinstance(message, FetchBackup)
    if not core.tables.may_administer(message.client):
        admission.note_refusal(core, "FetchBackup", admission.NO_ADMINISTRATOR, message.client.hex()[:8])
        refuse(core, message, BackupAnswer.NO_ADMINISTRATOR)
        return
    sequence_number = message.sequence_number or core.log.low_watermark
    held = core.checkpoints.held.get(sequence_number)
    if held is None or sequence_number in (0, core.diverged_at):
        refuse(core, message, BackupAnswer.NOT_HELD)
    elif not take_turn(core, message):
        refuse(core, message, BackupAnswer.BUSY)
    else:
        state_transfer.pin(core, READER, sequence_number)
        give(core, message, sequence_number, held)


def take_turn(core: Core, message: FetchBackup) -> bool:
    """BACKUP-2: one backup is served at a time, up to an allowance of bytes; its checkpoint is kept for a bounded time
    after its last question, and another backup has to wait until that is over."""
    backup = (message.client, message.nonce)
    pinned = core.pins.get(READER)
    if pinned is not None and core.now < pinned[2] and core.backup != backup:
        return False
    if not answers.may_answer(core, READER):
        return False
    core.backup = backup
    return True


def give(core: Core, message: FetchBackup, sequence_number: int, held: HeldCheckpoint) -> None:
    """Send the root entry, or as many of the nodes as one answer may hold."""
    paths: list[Path] = []
    pieces: list[bytes] = []
    if not message.paths:
        certificate = vouching_for(core, Target(sequence_number, held.digest))
        pieces = [encode_snapshot(held.tables), held.service_digest, *certificate]
    room = state_transfer.PIECES_BYTES_MAX
    for path in message.paths:
        data = core.service.fetch(sequence_number, path)
        if data is None:
            continue
        room -= len(data)
        if room < 0 and pieces:
            break
        paths.append(path)
        pieces.append(data)
    answers.charge(core, READER, max(1, len(message.paths)), sum(map(len, pieces)))
    given = BackupPieces(
        message.client, message.nonce, sequence_number, tuple(paths), BackupAnswer.GIVEN, core.replica_id
    )
    core.reply(given, tuple(pieces))


def vouching_for(core: Core, target: Target) -> tuple[bytes, ...]:
    """The CHECKPOINTs that are known here for just this checkpoint. The certificate by which it is stable here may be
    one for later ones (CP-5): then others know more, and the reader puts together what all know."""
    frames = set(core.checkpoints.vouchers.frames(target))
    for frame in core.checkpoints.stable_certificate:
        message = decode(decode_envelope(frame).payload)
        assert isinstance(message, Checkpoint)
        if Target(message.sequence_number, message.digest) == target:
            frames.add(frame)
    return tuple(sorted(frames))


def refuse(core: Core, message: FetchBackup, why: int) -> None:
    """Say why nothing is given."""
    core.reply(
        BackupPieces(message.client, message.nonce, message.sequence_number, message.paths, why, core.replica_id)
    )
