"""The client's side of the access table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from quorate.client.aio import AsyncClient, connect
from quorate.core.access import AccessTable
from quorate.errors import PermissionDenied, RequestFailed
from quorate.messages.access import LISTED_MAX, Accepted, Grant, encode_access
from quorate.messages.protocol import Outcome, Request

KEY = b"k" * 32
Answer = Callable[[Request], tuple[int, tuple[bytes | None, ...]]]


def answering(table: AccessTable) -> Answer:
    """A replica whose administrator the client is."""
    return lambda request: (
        Outcome.EXECUTED,
        tuple(encode_access(table.execute(operation, 7)) for operation in request.operations),
    )


@pytest.fixture
def with_client(fake_cluster: Any, run: Any) -> Callable[[Callable[[AsyncClient], Any], Callable[[], Answer]], None]:
    """Runs a scenario with a client of four fakes, each of which answers by a function of its own."""

    def go(scenario: Callable[[AsyncClient], Any], make_answer: Callable[[], Answer]) -> None:
        async def all_of_it() -> None:
            async with fake_cluster() as cluster:
                for replica in cluster.replicas:
                    replica.administer = make_answer()
                async with connect(cluster.path) as client:
                    await scenario(client)

        run(all_of_it())

    return go


def tables(count: int = 1) -> Callable[[], Answer]:
    first = Grant(b"%032d" % 0, "first", is_administrator=True)
    others = [Grant(b"%032d" % number, f"c{number}") for number in range(1, count)]
    return lambda: answering(AccessTable([first, *others]))


def test_clients_are_added_listed_and_revoked(with_client: Any) -> None:
    async def scenario(client: AsyncClient) -> None:
        grant = Grant(KEY, "new", is_read_only=True, prefixes=(b"a:",))
        assert await client.access.add(grant) == 7
        assert [row.grant.name for row in await client.access.rows()] == ["first", "new"]
        assert await client.access.revoke(KEY) == 7
        assert [row.revoked_at for row in await client.access.rows()] == [0, 7]
        assert await client.invoke(b"op") == b"done op"

    with_client(scenario, tables())


def test_a_long_table_comes_in_pieces(with_client: Any) -> None:
    async def scenario(client: AsyncClient) -> None:
        rows = await client.access.rows()
        assert [row.grant.public_key for row in rows] == [b"%032d" % number for number in range(3 * LISTED_MAX)]

    with_client(scenario, tables(3 * LISTED_MAX))


def test_what_the_table_refuses_is_said(with_client: Any) -> None:
    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(PermissionDenied, match="no client with this key"):
            await client.access.revoke(KEY)
        with pytest.raises(PermissionDenied, match="last administrator"):
            await client.access.revoke(b"%032d" % 0)

    with_client(scenario, tables())


def test_who_is_no_administrator(with_client: Any) -> None:
    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(PermissionDenied, match="no administrator"):
            await client.access.rows()

    with_client(scenario, lambda: lambda _: (Outcome.DENIED, ()))


def test_an_answer_to_something_else(with_client: Any) -> None:
    """Replicas of another version, perhaps."""

    async def scenario(client: AsyncClient) -> None:
        with pytest.raises(RequestFailed, match="version"):
            await client.access.rows()

    with_client(scenario, lambda: lambda _: (Outcome.EXECUTED, (encode_access(Accepted(1)),)))


def test_a_mark_is_a_sequence_number(with_client: Any) -> None:
    async def mark(client: AsyncClient) -> None:
        assert await client.access.mark() == 7

    with_client(mark, tables())
