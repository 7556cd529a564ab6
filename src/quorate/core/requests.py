"""Executing one request (OSDI'99 4.1): judged by the replicated state, so that all correct replicas judge alike.

What is here changes the replicated state and nothing else: a request that was executed tentatively may have to be
executed again. Who is told of it is `core.execution`'s.
"""

from __future__ import annotations

from typing import NamedTuple

from quorate.core.context import Core
from quorate.core.ports import Context
from quorate.core.tables import Results, Verdict
from quorate.messages.protocol import Outcome, Request
from quorate.messages.recoveries import Recovery


class Execution(NamedTuple):
    """What came of a request."""

    request: Request
    verdict: Verdict
    revoked: tuple[bytes, ...] = ()
    """The clients that it shut out."""
    recovery: Recovery | None = None
    """The replica that recovers."""


def execute_request(core: Core, request: Request, sequence_number: int, index: int) -> Execution:
    """Judge the request that comes *index*-th in its batch; run it if it is new (EXEC-2)."""
    if core.tables.recoveries.replica_of(request.client) is not None:
        return recover(core, request, sequence_number)
    if request.session == 0 and request.operations:
        verdict, revoked = core.tables.change_access(request, sequence_number, core.settings.reply_bytes_max)
        return Execution(request, verdict, tuple(revoked))
    if request.session == 0:
        return Execution(request, core.tables.open_session(request, sequence_number, index))
    verdict = core.tables.judge(request)
    if verdict.is_new:
        outcome, results = run(core, request, sequence_number)
        core.tables.record(request, outcome, results)
        verdict = Verdict(True, outcome, results)
    return Execution(request, verdict)


def recover(core: Core, request: Request, sequence_number: int) -> Execution:
    """A replica asks to recover, or for what no replica may ask. It is not answered: it executes this itself."""
    row = core.tables.recoveries.execute(request, sequence_number, core.tables.time)
    if row is None:
        return Execution(request, Verdict(False, Outcome.DENIED, ()))
    return Execution(request, Verdict(True, Outcome.EXECUTED, ()), recovery=row)


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
