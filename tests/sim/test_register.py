"""The register service: its operations, and its checkpoints."""

from __future__ import annotations

from itertools import product

from quorate.core.ports import Context
from quorate.sim.register import SHAPE, RegisterService

CONTEXT = Context(client=bytes(32), time=0, seed=bytes(32), sequence_number=1)


def run(service: RegisterService, *operations: str) -> list[str]:
    return [service.execute(operation.encode(), CONTEXT).decode() for operation in operations]


def test_operations() -> None:
    answers = run(RegisterService(), "read x", "write x 1", "append x 2", "swap x 1 3", "swap x 12 3", "read x")
    assert answers == ["-", "ok", "12", "no", "ok", "3"]


def test_numbers_are_added() -> None:
    answers = run(RegisterService(), "add x 5", "add x -7", "write x y", "add x 1", "read x", "add z one", "read z")
    assert answers == ["5", "-2", "ok", "? no number", "y", "? no number", "-"]


def test_nonsense_is_answered_and_changes_nothing() -> None:
    service = RegisterService()
    before = service.checkpoint(1)
    assert run(service, "write x", "", "read", "fly x y") == ["? write x", "? ", "? read", "? fly x y"]
    assert service.checkpoint(2) == before


def test_only_reads_are_queries() -> None:
    service = RegisterService()
    run(service, "write x 1")
    assert service.query(b"read x", CONTEXT) == b"1"
    assert service.query(b"write x 1", CONTEXT) is None


def test_equal_contents_have_equal_digests_whatever_their_history() -> None:
    one, other = RegisterService(), RegisterService()
    run(one, "write x 1", "write y 2")
    run(other, "write y 1", "write x 1", "write y 2")
    assert one.checkpoint(4) == other.checkpoint(9)
    run(other, "append y 2")
    assert one.checkpoint(5) != other.checkpoint(10)


def test_a_checkpoint_moves_to_another_replica() -> None:
    one, other = RegisterService(), RegisterService()
    run(one, "write x 1", "write y 2", "write z 3")
    digest = one.checkpoint(8)
    run(one, "write x 5")
    leaves = {path: one.fetch(8, path) or b"" for path in product(range(SHAPE.fanout), repeat=SHAPE.levels)}
    other.install(8, leaves)
    assert run(other, "read x", "read y", "read z") == ["1", "2", "3"]
    assert other.checkpoint(9) == digest


def test_a_released_checkpoint_is_not_held() -> None:
    service = RegisterService()
    service.checkpoint(4)
    service.checkpoint(8)
    service.release({8})
    assert service.fetch(4, ()) is None
    assert service.fetch(8, ()) is not None
