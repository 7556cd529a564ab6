"""The service's state on disk: any stable version is there, damage is named, and space is reused."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from quorate.errors import ConfigurationError
from quorate.storage import log_file, state
from quorate.storage.log_file import Owner
from quorate.storage.state import Leaves, StateLog

ROOM = 4096


def log_in(folder: Path, owner: Owner, version: int = 0) -> StateLog:
    log = StateLog(folder, owner, segment_bytes=20_000, garbage_bytes=30_000, room=ROOM)
    log.load(version)
    return log


def apply(leaves: Leaves, changed: Leaves) -> Leaves:
    return {path: contents for path, contents in {**leaves, **changed}.items() if contents}


def history(log: StateLog, versions: int, seed: int = 1) -> list[Leaves]:
    """Write versions 1, 2 and so on; what each is."""
    draw = random.Random(seed)
    states: list[Leaves] = [{}]
    for version in range(1, versions + 1):
        changed = {
            (draw.randrange(4), draw.randrange(8)): draw.randbytes(draw.choice([0, 10, 900]))
            for _ in range(draw.randrange(6))
        }
        log.write(version, changed)
        states.append(apply(states[-1], changed))
    return states


def test_any_version_is_there(tmp_path: Path, owner: Owner) -> None:
    states = history(log_in(tmp_path, owner), 30)

    for version, leaves in enumerate(states):
        loaded = StateLog(tmp_path, owner).load(version)
        assert loaded == (leaves, None)


def test_what_was_never_stable_does_not_count(tmp_path: Path, owner: Owner) -> None:
    """A replica starts again from version 2, though its last life had got to 3, and goes on differently."""
    log = log_in(tmp_path, owner)
    log.write(1, {(0,): b"one"})
    log.write(2, {(1,): b"two"})
    log.write(3, {(0,): b"", (2,): b"three"})
    log = log_in(tmp_path, owner, 2)
    log.write(4, {(3,): b"four"})

    assert StateLog(tmp_path, owner).load(2).leaves == {(0,): b"one", (1,): b"two"}
    assert StateLog(tmp_path, owner).load(4).leaves == {(0,): b"one", (1,): b"two", (3,): b"four"}
    assert StateLog(tmp_path, owner).load(3).damage is not None


def test_an_older_version_that_is_written_later_counts(tmp_path: Path, owner: Owner) -> None:
    """Version 2 turns out to be wrong, and what others hold as version 1 is fetched in its place."""
    log = log_in(tmp_path, owner)
    log.write(1, {(0,): b"wrong"})
    log.write(2, {(1,): b"wrong too"})
    log.write(1, {(0,): b"right", (1,): b""})

    assert StateLog(tmp_path, owner).load(1) == ({(0,): b"right"}, None)


def test_space_is_reused(tmp_path: Path, owner: Owner) -> None:
    """Most leaves never change, a few change all the time: the files stay within a bound, and any stable version is
    there whenever the replica dies."""
    log = log_in(tmp_path, owner)
    leaves: Leaves = {(0, number): bytes([number]) * 500 for number in range(60)}
    wanted = log.write(1, leaves)
    sizes = []
    for version in range(2, 150):
        changed = {(1, version % 3): bytes([version]) * 3000}
        leaves = apply(leaves, changed)
        wanted = log.write(version, changed | {path: leaves.get(path, b"") for path in wanted})
        log.stabilise(version - 1)
        sizes.append(sum(path.stat().st_size for path in tmp_path.iterdir()))
        if version % 10 == 0:
            assert StateLog(tmp_path, owner).load(version) == (leaves, None)
            log = log_in(tmp_path, owner, version)
            wanted = []
    assert max(sizes) < 200_000
    assert not (tmp_path / "state-1.log").exists()


def test_a_segment_is_kept_as_long_as_a_stable_version_needs_it(tmp_path: Path, owner: Owner) -> None:
    log = log_in(tmp_path, owner)
    log.write(1, {(0,): b"a" * 25_000})
    log.write(2, {(0,): b"b" * 25_000})
    log.stabilise(1)
    assert StateLog(tmp_path, owner).load(1) == ({(0,): b"a" * 25_000}, None)

    log.stabilise(2)

    assert [path.name for path in tmp_path.iterdir()] == ["state-2.log"]
    assert StateLog(tmp_path, owner).load(2) == ({(0,): b"b" * 25_000}, None)


def test_damage_is_named_and_what_is_right_is_kept(tmp_path: Path, owner: Owner, damages: Any) -> None:
    log = log_in(tmp_path, owner)
    log.write(1, {(0,): b"a" * 300})
    log.write(2, {(1,): b"b" * 300})
    log.close()
    path = tmp_path / "state-1.log"

    for _ in damages.flipped(path, 1):
        loaded = StateLog(tmp_path, owner).load(2)
        assert loaded.damage is not None
        assert loaded.damage.startswith(str(path))
        assert all(contents in (b"a" * 300, b"b" * 300) for contents in loaded.leaves.values())


def test_a_segment_that_is_gone_is_named(tmp_path: Path, owner: Owner) -> None:
    log = log_in(tmp_path, owner)
    for version in range(1, 4):
        log.write(version, {(version,): b"x" * 25_000})

    (tmp_path / "state-2.log").unlink()

    assert StateLog(tmp_path, owner).load(3).damage == f"{tmp_path / 'state-2.log'}: is missing"


def test_foreign_and_newer_files_are_refused(tmp_path: Path, owner: Owner, monkeypatch: pytest.MonkeyPatch) -> None:
    log_in(tmp_path, owner).write(1, {(0,): b"a"})
    with pytest.raises(ConfigurationError, match=r"state-1.log is not this replica's: its replica is another"):
        StateLog(tmp_path, owner._replace(public_key=bytes(32))).load(1)
    (tmp_path / "state-1.log").rename(tmp_path / "state-2.log")
    with pytest.raises(ConfigurationError, match="its place among such files is another"):
        StateLog(tmp_path, owner).load(1)
    (tmp_path / "state-2.log").unlink()

    with monkeypatch.context() as newer:
        newer.setattr(log_file, "FORMAT", 7)
        log_in(tmp_path, owner).write(1, {(0,): b"a"})
    with pytest.raises(ConfigurationError, match=r"state-1.log has format 7"):
        StateLog(tmp_path, owner).load(1)


def test_after_a_failed_write_the_same_again_mends_it(
    tmp_path: Path, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = log_in(tmp_path, owner)
    log.write(1, {(0,): b"one"})

    def fail(*arguments: object) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as broken:
        broken.setattr(state.LogFile, "sync", fail)
        with pytest.raises(OSError, match="Input/output"):
            log.write(2, {(1,): b"two"})
        with pytest.raises(OSError, match="Input/output"):
            log.write(2, {(1,): b"two"})
    log.write(2, {(1,): b"two"})

    assert StateLog(tmp_path, owner).load(2) == ({(0,): b"one", (1,): b"two"}, None)
    assert StateLog(tmp_path, owner).load(1) == ({(0,): b"one"}, None)
