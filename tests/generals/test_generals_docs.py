"""docs/GENERALS.md shows what the commands print and draw, to the letter."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from quorate.cli.generals import generals

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "GENERALS.md").read_text(encoding="utf-8")


def shown() -> dict[str, str]:
    """Each command of the page, and what stands below it."""
    commands: dict[str, str] = {}
    for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL):
        for part in re.split(r"^\$ quorate generals ", block, flags=re.MULTILINE)[1:]:
            command, _, output = part.partition("\n")
            commands[command] = output.strip()
    return commands


@pytest.mark.parametrize("command", shown())
def test_the_page_shows_what_the_command_prints_and_draws(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs" / "images").mkdir(parents=True)
    result = CliRunner().invoke(generals, shlex.split(command), catch_exceptions=False)

    assert result.exit_code == 0
    assert "\n".join(line.rstrip() for line in result.stdout.splitlines()).strip() == shown()[command]
    for picture in (tmp_path / "docs" / "images").iterdir():
        assert picture.read_bytes() == (DOCS / "images" / picture.name).read_bytes()


def test_every_picture_on_the_page_is_drawn_by_a_command_on_the_page() -> None:
    pictures = set(re.findall(r"!\[.*?\]\((images/generals-.*?\.svg)\)", PAGE))
    drawn = set(re.findall(r"--svg docs/(\S+)", PAGE))

    assert pictures == drawn == {f"images/{path.name}" for path in (DOCS / "images").glob("generals-*.svg")}


def test_the_python_on_the_page_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (snippet,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(snippet, {})  # noqa: S102

    assert capsys.readouterr().out.startswith("{1: 'retreat', 2: 'attack'")
