"""Execution in sequence order, exactly once (OSDI'99 4.1, 4.2).

Permission, sessions and duplicates are judged here, by the replicated state, so that all correct replicas judge alike.
"""

from __future__ import annotations

from quorate.core import checkpoints, epochs, timers
from quorate.core.context import Core
from quorate.core.effects import CloseLinks
from quorate.core.log import OpenBatch
from quorate.core.normal_case import send_reply
from quorate.core.ports import Context
from quorate.core.tables import Results, Verdict
from quorate.errors import require
from quorate.messages.protocol import Outcome, Request


def execute_ready(core: Core) -> None:
    """Execute every decided batch whose predecessors are all executed (EXEC-1)."""
    while core.transfer is None and core.diverged_at is None:
        sequence_number = core.last_executed + 1
        slot = core.log.slots.get(sequence_number)
        if slot is None or slot.decided is None:
            return
        batch = core.log.batch(slot.decided)
        if batch is None:
            core.missing.setdefault(slot.decided, 0)
            return
        if checkpoints.has_to_wait(core, sequence_number):
            return
        execute_batch(core, sequence_number, batch)


def execute_batch(core: Core, sequence_number: int, batch: OpenBatch) -> None:
    """Execute one batch: the agreed time and the seed move on, then each request is judged and run (EXEC-2)."""
    require(sequence_number == core.last_executed + 1, "execution is in sequence order")
    core.tables.advance(batch.time, sequence_number, batch.digest)
    deadline = core.service.next_deadline()
    if deadline is not None and deadline <= core.tables.time:
        core.service.tick(Context(b"", core.tables.time, core.tables.seed, sequence_number))
    outcomes: list[tuple[bytes, int, int, int]] = []
    has_new = False
    for index, request in enumerate(batch.requests):
        verdict = execute_request(core, request, sequence_number, index)
        core.waiting.executed(request)
        has_new = has_new or verdict.is_new
        if core.tracing:
            outcome = verdict.outcome if verdict.is_new else -1
            outcomes.append((request.client, request.session, request.timestamp, outcome))
    core.last_executed = sequence_number
    core.trace("executed", sequence_number=sequence_number, digest=batch.digest, requests=outcomes)
    if has_new:
        timers.on_progress(core)
    if sequence_number % core.settings.checkpoint_interval == 0:
        checkpoints.take(core, sequence_number)


def execute_request(core: Core, request: Request, sequence_number: int, index: int) -> Verdict:
    """Judge one request; run it if it is new; answer its client."""
    if core.tables.recoveries.replica_of(request.client) is not None:
        return recover(core, request, sequence_number)
    revoked: list[bytes] = []
    if request.session == 0 and request.operations:
        verdict, revoked = core.tables.change_access(request, sequence_number, core.settings.reply_bytes_max)
    elif request.session == 0:
        verdict = core.tables.open_session(request, sequence_number, index)
    else:
        verdict = core.tables.judge(request)
        if verdict.is_new:
            outcome, results = run(core, request, sequence_number)
            core.tables.record(request, outcome, results)
            verdict = Verdict(True, outcome, results)
    is_stale_in_session = verdict.outcome == Outcome.STALE and request.session != 0
    if verdict.outcome != Outcome.DENIED and not is_stale_in_session:
        send_reply(core, request, verdict.outcome, verdict.results)
    for client in revoked:  # behind the reply: an administrator may have revoked itself
        shut_out(core, client)
    return verdict


def recover(core: Core, request: Request, sequence_number: int) -> Verdict:
    """A replica asks to recover, or for what no replica may ask. It is not answered: it executes this itself."""
    row = core.tables.recoveries.execute(request, sequence_number, core.tables.time)
    if row is None:
        return Verdict(False, Outcome.DENIED, ())
    epochs.rise(core, row)
    return Verdict(True, Outcome.EXECUTED, ())


def run(core: Core, request: Request, sequence_number: int) -> tuple[int, Results]:
    """The results of a request's operations. None stands for an operation at which the service raised, and for a
    result for which one reply has no room left: what comes after it, perhaps another caller's, may be smaller.

    ACCESS-4: of a client that may only read, what may change something is not executed; its result is None too, and
    the outcome says so."""
    tables, execute = core.tables, core.service.execute
    grant = tables.access.grant(request.client)
    assert grant is not None
    context = Context(request.client, tables.time, tables.seed, sequence_number, grant.prefixes)
    outcome = Outcome.EXECUTED
    results: list[bytes | None] = []
    room = core.settings.reply_bytes_max
    for operation in request.operations:
        if grant.is_read_only and not only_reads(core, operation):
            outcome = Outcome.READ_ONLY
            results.append(None)
            continue
        try:
            result: bytes | None = execute(operation, context)
        except MemoryError:
            raise  # this replica's own trouble: the others go on without it
        except Exception as error:  # noqa: BLE001 - a defect of the service is an answer, not the end of the group
            core.refuse("SERVICE", f"raised {type(error).__name__}", request.client.hex()[:8])
            result = None
        if result is not None and len(result) > room:
            result = None
        room -= 0 if result is None else len(result)
        results.append(result)
    return outcome, tuple(results)


def only_reads(core: Core, operation: bytes) -> bool:
    """What the service says of an operation. One at which it raises is no reading."""
    try:
        return core.service.only_reads(operation)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - as in `run`
        core.refuse("SERVICE", f"raised {type(error).__name__}", "only_reads")
        return False


def shut_out(core: Core, client: bytes) -> None:
    """ACCESS-2: the client was revoked: nothing of it waits any more, and its links are closed."""
    core.waiting.forget(client)
    core.outbox.append(CloseLinks(client))
    core.note("client-revoked", client=client.hex(), sequence_number=core.tables.access.revoked_at(client))
