"""The conformance kit passes sound services and catches each fault that it names."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.errors import ConfigurationError
from quorate.services.conformance import Step, assert_conforms, check

_OPERATIONS = [b"%s word%d" % (key, number) for number in range(20) for key in (b"a", b"b", b"c")]
_OPERATIONS += [b"a", b"c", b"nothing"]


@pytest.fixture(autouse=True)
def _faulty_services_can_be_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


def test_a_sound_service_has_no_findings() -> None:
    """The base class of all the faulty ones passes, so what they are caught at is their fault."""
    assert check("faulty_services:Sound", _OPERATIONS) == []


@pytest.mark.parametrize(
    ("service", "problem"),
    [
        ("IteratesASet", "two processes answer"),
        ("StoresASet", "two processes have different digests"),
        ("ReadsTheClock", "two processes answer"),
        ("ThrowsDice", "two processes answer"),
        ("ForgetsModify", "does not match its digest"),
        ("KeepsStateAside", "an instance that installed or reverted to the checkpoint"),
        ("RemembersHistory", "queries alone has another digest"),
        ("AnswersQueriesWrongly", "query answers b'stale "),
        ("Raises", "query raised UnicodeDecodeError"),
        ("NeverReverts", "revert to the checkpoint after it gives another digest"),
        ("NeverReleases", "release leaves a checkpoint held"),
        ("ReleasesTooMuch", "there is no node at ()"),
        ("HashesThePresent", "another digest in an instance that installed"),
        ("WaitsForTheClock", "two processes wait for"),
    ],
)
def test_a_fault_is_caught(service: str, problem: str) -> None:
    """Each faulty service is found out, and for the right reason."""
    findings = check(f"faulty_services:{service}", _OPERATIONS)

    assert any(problem in finding.problem for finding in findings), findings


def test_the_first_operation_that_differs_is_named() -> None:
    """The report leads to the operation, not only to the fact."""
    operations = [b"a", b"a one", b"a two", b"a three"]

    with pytest.raises(AssertionError) as raised:
        assert_conforms("faulty_services:ReadsTheClock", operations)

    assert "operation 1: two processes answer" in str(raised.value)
    assert "the first of these operations: b'a one'" in str(raised.value)


def test_time_passes_as_the_steps_say() -> None:
    """Steps carry agreed time to the service: a key of the Redis service is gone after its time."""
    from quorate.services.redis import Pipeline, encode_operation

    def pipeline(commands: bytes) -> bytes:
        return encode_operation(Pipeline(0, 2, commands))

    set_with_deadline = pipeline(b"*5\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n$2\r\nPX\r\n$2\r\n50\r\n")
    get = pipeline(b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n")

    assert_conforms("quorate.services.redis:RedisService", [set_with_deadline, Step(get, 10_000), Step(get, 60_000)])


def test_a_place_without_a_service_is_an_error_of_the_caller() -> None:
    """The message says how a place is written."""
    with pytest.raises(ConfigurationError, match="write module:Class"):
        check("faulty_services:NotThere", [b"a"])


def test_operations_are_needed() -> None:
    """A kit that runs nothing would pass anything."""
    with pytest.raises(ConfigurationError, match="some operations"):
        check("faulty_services:Sound", [])
