"""From a service's name to the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.errors import ConfigurationError
from quorate.services.counter import CounterService
from quorate.services.loading import load_service


def test_a_built_in_service_has_a_short_name() -> None:
    assert isinstance(load_service("counter"), CounterService)


def test_an_own_service_is_found_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from quorate.services.counter import CounterService\nclass Mine(CounterService): pass\n"
    (tmp_path / "own_service_of_test.py").write_text(source)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["/nowhere"])

    assert type(load_service("own_service_of_test:Mine")).__name__ == "Mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("postgres", "no service 'postgres'; known are counter, redis and your own, as module:Class"),
        ("no_such_module_of_ours:Mine", "No module named 'no_such_module_of_ours'; install what is missing"),
        ("types:MethodType", "name a class that is made without arguments"),
        ("json:Mine", "has no attribute 'Mine'"),
        ("json:JSONDecoder", "is no quorate.Service: it lacks execute"),
    ],
)
def test_what_is_no_service_is_refused_with_the_remedy(name: str, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        load_service(name)
