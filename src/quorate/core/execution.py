"""Execution in sequence order, exactly once (OSDI'99 4.1, 4.2), and tentative execution (OSDI'99 5.1).

TENT-1  A batch that is prepared, and whose predecessors are all executed and committed, is executed before it commits.
TENT-2  So is one at a time, none that a checkpoint follows, and none with a request of session 0: what these change in
        the core is for good.
TENT-3  What was executed tentatively stands if its digest is decided for its number, in this view or a later one. If
        another one is, or a state is fetched, it is undone.
"""

from __future__ import annotations

from quorate.core import checkpoints, epochs, pace, reach, timers
from quorate.core.context import Core, Status
from quorate.core.effects import CloseLinks
from quorate.core.log import OpenBatch, Phase
from quorate.core.normal_case import may_be_undone
from quorate.core.ports import Context
from quorate.core.replies import send_reply
from quorate.core.requests import Execution, execute_request
from quorate.core.tentative import Tentative
from quorate.errors import require
from quorate.messages.protocol import Outcome


def execute_ready(core: Core) -> None:
    """Execute every decided batch whose predecessors are all executed (EXEC-1), and perhaps one more that is prepared
    (TENT-1)."""
    while core.transfer is None and core.diverged_at is None:
        sequence_number = core.last_executed + 1
        slot = core.log.slots.get(sequence_number)
        if slot is None or slot.decided is None:
            execute_tentatively(core)
            return
        batch = core.log.batch(slot.decided)
        if batch is None:
            core.missing.setdefault(slot.decided, 0)
            return
        if checkpoints.has_to_wait(core, sequence_number):
            return
        execute_batch(core, sequence_number, batch)


def execute_batch(core: Core, sequence_number: int, batch: OpenBatch) -> None:
    """Execute one decided batch, if that was not done when it was prepared, and say what came of it."""
    require(sequence_number == core.last_executed + 1, "execution is in sequence order")
    tentative = core.tentative
    if tentative is not None and tentative.batch.digest == batch.digest:
        core.tentative = None
        if tentative.view != core.view:  # its replies are of another view than its peers'
            answer(core, tentative.executions)
        finish(core, sequence_number, batch, tentative.executions)
    else:
        undo_tentative(core)
        executions = run_batch(core, sequence_number, batch)
        answer(core, executions)
        finish(core, sequence_number, batch, executions)


def execute_tentatively(core: Core) -> None:
    """TENT-1: execute the next batch though it is only prepared, and reply to its clients, saying so."""
    sequence_number = core.last_executed + 1
    slot = core.log.slots.get(sequence_number)
    if core.tentative is not None or core.status is not Status.NORMAL or not core.settings.tentative_execution:
        return
    if slot is None or slot.digest is None or slot.phase < Phase.PREPARED:
        return
    batch = core.log.batch(slot.digest)
    if batch is None or not may_be_undone(core, sequence_number, batch):
        return
    executions = run_batch(core, sequence_number, batch)
    core.tentative = Tentative(sequence_number, batch, core.view, executions)
    pace.executed(core, sequence_number)
    core.trace("executed-tentatively", view=core.view, sequence_number=sequence_number, digest=batch.digest)
    answer(core, executions)


def undo_tentative(core: Core) -> None:
    """Back to the newest checkpoint, and from there again all that is committed (TENT-3; facts 3.2). Nobody is told
    anything that they were not told before."""
    if core.tentative is None:
        return
    core.note("tentative-undone", sequence_number=core.tentative.sequence_number)
    core.tentative = None
    first, tables = checkpoints.newest(core)
    core.service.revert()
    core.tables.restore(tables)
    for sequence_number in range(first + 1, core.last_executed + 1):
        digest = core.log.decided_digest(sequence_number)
        batch = None if digest is None else core.log.batch(digest)
        require(batch is not None, "what was executed since the newest checkpoint is held")
        assert batch is not None
        run_batch(core, sequence_number, batch)


def run_batch(core: Core, sequence_number: int, batch: OpenBatch) -> list[Execution]:
    """The agreed time and the seed move on, then each request is judged and run (EXEC-2)."""
    core.tables.advance(batch.time, sequence_number, batch.digest)
    core.reads.promised = max(core.reads.promised, sequence_number)
    deadline = core.service.next_deadline()
    is_due = deadline is not None and deadline <= core.tables.time
    if is_due or batch.requests:
        core.reads.changed_at = sequence_number
    if is_due:
        core.service.tick(Context(b"", core.tables.time, core.tables.seed, sequence_number))
    return [execute_request(core, request, sequence_number, index) for index, request in enumerate(batch.requests)]


def answer(core: Core, executions: list[Execution]) -> None:
    """Reply to the clients of a batch; nobody who may not ask, or who asked for what is long past, gets one."""
    for request, verdict, _, recovery in executions:
        is_stale_in_session = verdict.outcome == Outcome.STALE and request.session != 0
        if verdict.outcome != Outcome.DENIED and not is_stale_in_session and recovery is None:
            send_reply(core, request, verdict.outcome, verdict.results, is_first=verdict.is_new)


def finish(core: Core, sequence_number: int, batch: OpenBatch, executions: list[Execution]) -> None:
    """The batch is executed for good: nobody waits for it any more."""
    core.last_executed = sequence_number
    if batch.requests:
        pace.executed(core, sequence_number)
    reach.executed(core, sequence_number)
    for request, _, revoked, recovery in executions:
        for client in revoked:  # behind the reply: an administrator may have revoked itself
            shut_out(core, client)
        if recovery is not None:
            epochs.rise(core, recovery)
        core.waiting.executed(request)
    if core.tracing:
        outcomes = [
            (request.client, request.session, request.timestamp, verdict.outcome if verdict.is_new else -1)
            for request, verdict, _, _ in executions
        ]
        core.trace("executed", sequence_number=sequence_number, digest=batch.digest, requests=outcomes)
    if any(execution.verdict.is_new for execution in executions):
        timers.on_progress(core)
    if sequence_number % core.settings.checkpoint_interval == 0:
        checkpoints.take(core, sequence_number)


def shut_out(core: Core, client: bytes) -> None:
    """ACCESS-2: the client was revoked: nothing of it waits any more, and its links are closed."""
    core.waiting.forget(client)
    core.outbox.append(CloseLinks(client))
    core.note("client-revoked", client=client.hex(), sequence_number=core.tables.access.revoked_at(client))
