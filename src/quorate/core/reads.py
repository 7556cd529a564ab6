"""Read-only requests (OSDI'99 5.1), with what makes them linearizable (facts 3.3; decisions, reads).

RO-1  Only what reads is answered (C6), to a client that may use the cluster, while the read-only path is on.
RO-2  It is answered from a committed state, and from none that lies before anything that was ever executed here,
      tentatively too. Until then it waits, in a bounded queue; what cannot be answered soon is declined at once, and
      the client has it ordered.
RO-3  An answer says from which sequence number on it has been the same here, and after which it was given: results are
      one answer if they are equal and have been so from one number on.
RO-6  A COMMIT does not wait for company (COM-3) while a read waits for it.
RO-8  What a turn spends on reads is bounded, and clients have it in turn: what is ordered, by this replica and the
      others, does not wait for long. So are the operations of a READ and the bytes of its results.

What a client believes (RO-4, RO-5) and what it has ordered (RO-7) is in `client.reads` and `client.votes`.
"""

from __future__ import annotations

from typing import Final

from quorate.core import admission
from quorate.core.context import MILLISECOND, Core
from quorate.core.ports import Context, Opened
from quorate.core.requests import only_reads
from quorate.core.waiting_reads import WaitingRead
from quorate.messages.reads import READ_BYTES_MAX, READ_OPERATIONS_MAX, Answer, Read, ReadReply

OFF: Final = "the read-only path is off"
WRITES: Final = "an operation in it may change something"


def on_read(core: Core, opened: Opened) -> None:
    """Let a READ wait for the end of the turn, or longer; decline it when that is of no use."""
    message = opened.message
    assert isinstance(message, Read)
    reason = accept_read(core, message, opened.frame)
    if reason is not None:
        admission.note_refusal(core, "READ", reason, message.client.hex()[:8])
        if reason is OFF:
            decline(core, message)
        return
    until = core.now + core.settings.view_change_timeout_ms * MILLISECOND
    if not core.reads.add(WaitingRead(message, len(opened.frame), until)):
        decline(core, message)


def accept_read(core: Core, message: Read, frame: bytes) -> admission.Reason:
    """RO-1: a READ is looked at if

    - it is not larger than the cluster's limit;
    - by the access table as it is executed here its client may use the cluster; no replica is a client;
    - the path is on.

    What its operations are is looked at when they are answered, each by itself.
    """
    if len(frame) > core.settings.request_bytes_max:
        return "larger than request_bytes_max"
    if not core.tables.may_use(message.client):
        return "of an unknown client"
    return None if core.settings.read_only_path else OFF


def settle(core: Core) -> None:
    """RO-2: answer of what waits a turn's share if the state is fit to be read; decline what would wait for long."""
    if not len(core.reads):
        return
    if core.transfer is not None or core.diverged_at is not None:
        for read in core.reads.take_all():
            decline(core, read)
        return
    for read in core.reads.take_given_up(core.now):
        decline(core, read)
    if can_be_answered(core):
        answer_some(core)


def can_be_answered(core: Core) -> bool:
    """Whether reads wait for nothing but their turn (RO-8)."""
    return len(core.reads) > 0 and core.last_executed >= core.reads.promised


def answer_some(core: Core) -> None:
    """RO-8: of each client in turn, until those that were answered have as many operations, or as many bytes of
    results, as one READ may have. What is left waits for the next turn, which comes at once."""
    operations = size = 0
    while len(core.reads) and operations < READ_OPERATIONS_MAX and size < room(core):
        read = core.reads.take()
        operations += len(read.operations)
        size += answer(core, read)


def room(core: Core) -> int:
    """How many bytes the results of a READ may have."""
    return min(READ_BYTES_MAX, core.settings.reply_bytes_max)


def answer(core: Core, read: Read) -> int:
    """READ-REPLY, unless the client was shut out meanwhile. How many bytes of results were made for it: those for which
    there is no room are declined, and what stands behind them is not looked at (RO-8)."""
    grant = core.tables.access.grant(read.client)
    if grant is None:
        return 0
    context = Context(read.client, 0, b"", 0, grant.prefixes)  # equal everywhere: states differ, answers must not
    answers: list[Answer | None] = []
    size = 0
    for operation in read.operations:
        found = look(core, operation, context) if size < room(core) else None
        size += 0 if found is None else len(found.result)
        answers.append(found if size <= room(core) else None)
    core.reply(ReadReply(read.client, read.nonce, core.last_executed, tuple(answers), core.replica_id))
    return size


def look(core: Core, operation: bytes, context: Context) -> Answer | None:
    """What the service answers by itself, and since when (RO-3); None when the operation has to be ordered."""
    if not only_reads(core, operation):
        core.refuse("READ", WRITES, context.client.hex()[:8])
        return None
    try:
        result = core.service.query(operation, context)
    except MemoryError:
        raise  # as in `requests.run`
    except Exception as error:  # noqa: BLE001 - ordered, it is answered as every defect of the service
        core.refuse("SERVICE", f"raised {type(error).__name__}", "query")
        return None
    return None if result is None else Answer(result, core.reads.changed_at)


def decline(core: Core, read: Read) -> None:
    """Say at once that all of it has to be ordered: the client need not wait for that, unless it was shut out."""
    if core.tables.may_use(read.client):
        answers = (None,) * len(read.operations)
        core.reply(ReadReply(read.client, read.nonce, core.last_executed, answers, core.replica_id))
