"""Tables in terminals that are too narrow for them."""

from __future__ import annotations

import pytest

from quorate.cli import output


@pytest.mark.parametrize(
    ("room", "tables"),
    [
        (None, [[0, 1, 2, 3]]),
        (26, [[0, 1, 2, 3]]),
        (25, [[0, 1, 2], [0, 3]]),
        (14, [[0, 1], [0, 2], [0, 3]]),
        (1, [[0, 1], [0, 2], [0, 3]]),
    ],
)
def test_columns_are_divided_among_tables_that_fit(room: int | None, tables: list[list[int]]) -> None:
    assert output.split_columns([2, 5, 6, 7], room) == tables


def test_no_cell_is_lost_and_no_line_is_broken(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(output, "terminal_width", lambda: 20)

    output.print_table(["id", "first\ncolumn", "second"], [["0", "abcdefghij", "klmnopqrst"]], frozenset({"id"}))

    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == ["    first", "id  column", " 0  abcdefghij", "", "id  second", " 0  klmnopqrst"]


def test_no_line_of_a_table_ends_with_spaces(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_table(["name", "two\nlines", "x"], [["a", "b", ""], ["longer", "1", "long"]], frozenset({"x"}))

    lines = capsys.readouterr().out.split("\n")
    assert lines == [line.rstrip() for line in lines]
    assert lines[-2] == "longer  1      long"


def test_one_is_not_many() -> None:
    assert [output.counted(count, "seed") for count in (0, 1, 2, 2000)] == [
        "0 seeds",
        "1 seed",
        "2 seeds",
        "2,000 seeds",
    ]
