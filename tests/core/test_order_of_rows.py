"""The rows of a checkpoint's tables come in an order that is the same in every process (found by the simulator: the
root entry of a state transfer had other bytes under another PYTHONHASHSEED)."""

from __future__ import annotations

from quorate.core.access import AccessTable
from quorate.core.tables import ReplicatedTables
from quorate.messages.access import Grant
from quorate.messages.protocol import Request


def test_rows_that_changed_since_the_last_snapshot_are_in_order() -> None:
    clients = tuple(bytes([number]) * 32 for number in range(40, 0, -1))
    tables = ReplicatedTables(AccessTable(Grant(client, "one") for client in clients), 4)
    for index, client in enumerate(clients):
        tables.open_session(Request(client, 0, 1, ()), 1, index)
    assert list(tables.snapshot().rows) == sorted(clients)
