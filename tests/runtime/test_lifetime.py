"""One process a replica, and what a restart means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quorate.errors import ConfigurationError
from quorate.runtime.lifetime import forget_start, has_started, hold_folder, is_running, mark_started


def test_a_folder_is_held_once(tmp_path: Path) -> None:
    assert not is_running(tmp_path)

    with hold_folder(tmp_path):
        assert is_running(tmp_path)
        with pytest.raises(ConfigurationError, match=rf"runs already \(pid {os.getpid()}\)"), hold_folder(tmp_path):
            pass

    assert not is_running(tmp_path)
    with hold_folder(tmp_path):
        pass


def test_a_folder_that_is_not_there_cannot_be_held(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"), hold_folder(tmp_path / "none"):
        pass


THIS = "aa" * 16
OTHER = "bb" * 16


def test_a_start_is_remembered_for_its_incarnation(tmp_path: Path) -> None:
    assert not has_started(tmp_path, THIS)

    mark_started(tmp_path, THIS)

    assert has_started(tmp_path, THIS)
    assert not has_started(tmp_path, OTHER)
    mark_started(tmp_path, OTHER)
    assert has_started(tmp_path, OTHER)


@pytest.mark.parametrize("content", [b"", b"aa", b"\xff" * 32, b"\x00" * 33])
def test_a_damaged_marker_may_have_named_this_incarnation(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "started").write_bytes(content)

    mark_started(tmp_path, THIS)

    assert has_started(tmp_path, THIS)
    assert (tmp_path / "started").read_bytes() == content


def test_a_new_incarnation_begins_without_markers(tmp_path: Path) -> None:
    mark_started(tmp_path, THIS)

    forget_start(tmp_path)
    forget_start(tmp_path)

    assert not has_started(tmp_path, THIS)


def test_a_marker_that_cannot_be_read_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "started").mkdir()

    with pytest.raises(ConfigurationError, match="cannot be read"):
        has_started(tmp_path, THIS)


def test_a_marker_that_cannot_be_written_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written: No such file or directory"):
        mark_started(tmp_path / "none", THIS)
