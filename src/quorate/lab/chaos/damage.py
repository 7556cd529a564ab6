"""Files that rot, are cut off, or go. A pure function decides what is done."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from msgspec import Struct

STATE_FILES: Final = "state-*.log"
ROT, CUT_OFF, GONE = "rot", "cut off", "gone"
_BYTES_MAX: Final = 4


class Damage(Struct, frozen=True):
    """What happens to one file."""

    name: str
    kind: str
    places: tuple[tuple[int, int], ...] = ()
    """Rot: offsets, and what the bytes there are changed by."""
    length: int = 0
    """Cut off: what is left."""

    def __str__(self) -> str:
        if self.kind == ROT:
            return f"{self.name}: bytes rot at {', '.join(str(offset) for offset, _ in self.places)}"
        return f"{self.name}: cut off at {self.length}" if self.kind == CUT_OFF else f"{self.name}: gone"


def draw_damage(used: Mapping[str, int], random: Random) -> Damage | None:
    """The damage to one of these files, of which so many bytes are used. None: there are none yet."""
    if not used:
        return None
    name = random.choice(sorted(used))
    kind = random.choice((ROT, ROT, CUT_OFF, GONE))
    length = max(1, used[name])
    if kind == ROT:
        count = random.randint(1, _BYTES_MAX)
        offsets = sorted({random.randrange(length) for _ in range(count)})
        return Damage(name, kind, tuple((offset, random.randint(1, 255)) for offset in offsets))
    return Damage(name, kind, length=random.randrange(length) if kind == CUT_OFF else 0)


def used_bytes(folder: Path, pattern: str) -> dict[str, int]:
    """The files of a storage folder that match, and how much of each is used: behind that is room, all zeros."""
    found = {}
    for path in folder.glob(pattern):
        found[path.name] = len(path.read_bytes().rstrip(b"\0"))
    return found


def do_damage(folder: Path, damage: Damage) -> None:
    """Do it."""
    path = folder / damage.name
    if damage.kind == GONE:
        path.unlink()
    elif damage.kind == CUT_OFF:
        with path.open("r+b") as file:
            file.truncate(damage.length)
    else:
        with path.open("r+b") as file:
            for offset, change in damage.places:
                file.seek(offset)
                [byte] = file.read(1)
                file.seek(offset)
                file.write(bytes([byte ^ change]))
