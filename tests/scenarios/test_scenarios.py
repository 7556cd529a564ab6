"""Golden scripts: commands, `----`, and all that is seen of them. `pytest tests/scenarios --rewrite` writes them again;
the difference is to be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from quorate.errors import ConfigurationError
from quorate.sim.scenario import run_script

SCRIPTS = sorted(Path(__file__).parent.glob("*.txt"))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_script(script: Path, request: pytest.FixtureRequest) -> None:
    expected = script.read_text()
    seen = run_script(expected)
    if request.config.getoption("--rewrite", default=False):
        script.write_text(seen)
        return
    assert seen == expected
    assert "BROKEN" not in seen


def test_an_unknown_command_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="fly: there is no such command; there are cluster"):
        run_script("fly 1 2")
