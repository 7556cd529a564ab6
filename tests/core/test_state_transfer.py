"""Fetching a checkpoint: a laggard beyond the peers' history, and a replica whose state was damaged (ST-1 to ST-4)."""

from __future__ import annotations

import pytest

from core.group import Group
from quorate.config import Settings
from quorate.core.ports import Context
from quorate.messages.protocol import StatePieces

SETTINGS = Settings(checkpoint_interval=8)


def run_requests(group: Group, session: int, first: int, last: int) -> None:
    for timestamp in range(first, last + 1):
        group.submit(group.request((b"add 2",), session, timestamp), 0)
        if timestamp % 10 == 0:
            group.advance(30)


def total_of(group: Group, replica: int) -> bytes:
    return group.services[replica].execute(b"get", Context(b"", 0, b"", 0))


def assert_converged(group: Group, total: bytes) -> None:
    reports = [replica.report() for replica in group.replicas]
    assert {report.last_executed for report in reports} == {reports[0].last_executed}
    assert {report.state_digest for report in reports} == {reports[0].state_digest}
    assert not any(report.needs_state for report in reports)
    assert [total_of(group, number) for number in range(4)] == [total] * 4


def test_a_laggard_fetches_what_its_peers_have_forgotten() -> None:
    group = Group(4, SETTINGS)
    session = group.open_session()
    group.stopped.add(2)
    run_requests(group, session, 1, 60)
    assert group.replicas[0].report().low_watermark - SETTINGS.window > 1
    group.stopped.clear()
    group.advance(3000)
    run_requests(group, session, 61, 70)
    group.advance(1000)
    assert_converged(group, b"140")
    assert [trace.event for trace in group.traces[2] if trace.event == "state-fetched"] == ["state-fetched"]


def test_a_damaged_replica_repairs_itself_at_the_next_checkpoint() -> None:
    group = Group(4, SETTINGS)
    session = group.open_session()
    run_requests(group, session, 1, 20)
    group.services[2]._table.put(b"total", 7)
    run_requests(group, session, 21, 60)
    group.advance(1000)
    assert_converged(group, b"120")


@pytest.mark.parametrize("liar", [0, 1, 3])
def test_a_liar_among_the_sources_only_delays(liar: int) -> None:
    group = Group(4, SETTINGS)
    session = group.open_session()
    group.stopped.add(2)
    run_requests(group, session, 1, 60)
    group.stopped.clear()
    honest = group.authenticators[liar].seal

    def lie(message, attachments=(), receiver=None):  # type: ignore[no-untyped-def]
        if isinstance(message, StatePieces) and attachments:
            attachments = (attachments[0][:-1] + bytes([attachments[0][-1] ^ 1]), *attachments[1:])
        return honest(message, attachments, receiver)

    group.authenticators[liar].seal = lie  # type: ignore[method-assign]
    group.advance(5000)
    run_requests(group, session, 61, 70)
    group.advance(1000)
    assert_converged(group, b"140")
