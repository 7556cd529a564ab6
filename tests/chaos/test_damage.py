"""Files are damaged as the chance of a step says, and only where something is in them."""

from __future__ import annotations

from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.lab.chaos.damage import CUT_OFF, GONE, ROT, Damage, do_damage, draw_damage, used_bytes

CHANCES = st.integers(0, 2**32)


@settings(deadline=None)
@given(CHANCES, st.dictionaries(st.sampled_from(["state-1.log", "state-2.log", "state-9.log"]), st.integers(0, 5000)))
def test_damage_is_of_one_file_where_it_is_used(chance: int, used: dict[str, int]) -> None:
    damage = draw_damage(used, Random(chance))

    assert damage == draw_damage(used, Random(chance))
    if damage is None:
        assert not used
        return
    length = max(1, used[damage.name])
    assert damage.kind in (ROT, CUT_OFF, GONE)
    assert all(0 <= offset < length and 1 <= change <= 255 for offset, change in damage.places)
    assert bool(damage.places) == (damage.kind == ROT)
    assert 0 <= damage.length < length


def test_what_is_used_ends_where_only_room_follows(tmp_path: Path) -> None:
    (tmp_path / "state-1.log").write_bytes(b"abc\0def" + bytes(1000))
    (tmp_path / "state-2.log").write_bytes(bytes(10))
    (tmp_path / "votes.log").write_bytes(b"votes")

    assert used_bytes(tmp_path, "state-*.log") == {"state-1.log": 7, "state-2.log": 0}


def test_damage_is_done(tmp_path: Path) -> None:
    path = tmp_path / "state-1.log"
    path.write_bytes(b"abcdef")

    do_damage(tmp_path, Damage("state-1.log", ROT, ((0, 1), (5, 0x80))))
    assert path.read_bytes() == b"`bcde\xe6"
    do_damage(tmp_path, Damage("state-1.log", CUT_OFF, length=3))
    assert path.read_bytes() == b"`bc"
    do_damage(tmp_path, Damage("state-1.log", GONE))
    assert not path.exists()


def test_damage_is_told() -> None:
    assert str(Damage("votes.log", ROT, ((4, 1), (9, 2)))) == "votes.log: bytes rot at 4, 9"
    assert str(Damage("votes.log", CUT_OFF, length=77)) == "votes.log: cut off at 77"
    assert str(Damage("votes.log", GONE)) == "votes.log: gone"
