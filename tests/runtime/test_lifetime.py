"""One process a replica, and what a restart means."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from quorate.errors import ConfigurationError
from quorate.runtime.lifetime import has_started, hold_folder, is_running, mark_started


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


def test_a_start_is_remembered_for_its_incarnation(tmp_path: Path) -> None:
    assert not has_started(tmp_path, "aa")

    mark_started(tmp_path, "aa")

    assert has_started(tmp_path, "aa")
    assert not has_started(tmp_path, "bb")


def test_a_marker_that_cannot_be_read_is_no_new_start(tmp_path: Path) -> None:
    (tmp_path / "started").mkdir()

    with pytest.raises(ConfigurationError, match="cannot be read"):
        has_started(tmp_path, "aa")
