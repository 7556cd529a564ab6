"""All attacks by name: the traitors' strategies, the liars', and what is done to a process from outside.

What a strategy does is said where it is written; here stands whom it is given to, what has to happen for it to come
into play, and what to expect, by its row of the attack catalogue.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Sequence
from difflib import get_close_matches
from enum import Enum
from typing import Any, Final, NamedTuple

from quorate.adversary.registry import CLIENT_STRATEGIES, PROCESSES, STRATEGIES
from quorate.core.quorum import primary_of
from quorate.errors import ConfigurationError
from quorate.lab.paths import SHAPES

NAMESPACES_SUFFIX: Final = "-namespaces"


class Kind(Enum):
    """Who or what attacks."""

    REPLICA = "replica"
    CLIENT = "client"
    PERTURBATION = "perturbation"


class Role(Enum):
    """Which replica an attack is given to, in the view in which it begins."""

    PRIMARY = 0
    NEXT_PRIMARY = 1
    BACKUP = 2


class Nudge(Enum):
    """What is done besides, so that the attack comes into play: a correct replica is stopped for a while."""

    NONE = "nothing"
    VIEW_CHANGE = "the primary is paused, so that the view changes"
    LAG = "a backup is paused, so that it has to catch up"


class Row(NamedTuple):
    """How the strategies of one row of the attack catalogue are run."""

    role: Role
    expect: str
    nudge: Nudge = Nudge.NONE


class Attack(NamedTuple):
    """One attack."""

    name: str
    kind: Kind
    row: str
    text: str
    """What it does, in one line."""
    role: Role
    nudge: Nudge
    expect: str
    in_namespaces: bool = False

    @property
    def strategies(self) -> tuple[str, ...]:
        """The names in the registry of strategies."""
        return tuple(self.name.split("+"))

    @property
    def perturbation(self) -> str:
        """What is done from outside, wherever it is done."""
        return self.name.removesuffix(NAMESPACES_SUFFIX)

    @property
    def is_lie(self) -> bool:
        """Whether who was given it has lied, and counts as faulty for ever."""
        return self.kind is Kind.REPLICA


_VIEW: Final = "a view change, then as before"
_REFUSED_VIEW: Final = "its NEW-VIEW is refused, the view after it works"
_NOTHING: Final = "no harm: its votes are one replica's"
ROWS: Final[dict[str, Row]] = {
    "P1": Row(Role.PRIMARY, _VIEW),
    "P2": Row(Role.PRIMARY, "at most one of its batches prepares; left by those who see it (TIMER-6); " + _VIEW),
    "P4": Row(Role.PRIMARY, _VIEW),
    "P7": Row(Role.PRIMARY, "the starved client makes the view change, then as before"),
    "P8": Row(Role.PRIMARY, "left when the backups have seen that it proposes late without need (TIMER-5)"),
    "P9": Row(Role.NEXT_PRIMARY, "slower while it leads; progress brings time-outs down again", Nudge.VIEW_CHANGE),
    "P10": Row(Role.PRIMARY, "the forged batch is not prepared: as slow as P8, or a view change"),
    "P11": Row(Role.PRIMARY, "each request is executed once; slower for as long as it leads"),
    "P12": Row(Role.PRIMARY, _VIEW),
    "P13": Row(Role.PRIMARY, "what cannot be read is not prepared: as slow as P8, or a view change"),
    "P14": Row(Role.PRIMARY, "those left out catch up by the others"),
    "P15": Row(Role.NEXT_PRIMARY, _REFUSED_VIEW, Nudge.VIEW_CHANGE),
    "P16": Row(Role.NEXT_PRIMARY, _REFUSED_VIEW, Nudge.VIEW_CHANGE),
    "P17": Row(Role.NEXT_PRIMARY, "who did not hear of the view goes on to the next", Nudge.VIEW_CHANGE),
    "P19": Row(Role.PRIMARY, "no harm; while a replica recovers and clients are silent, a view change"),
    "B1": Row(Role.BACKUP, "no harm: the others are a quorum"),
    "B2": Row(Role.BACKUP, _NOTHING),
    "B3": Row(Role.BACKUP, _NOTHING),
    "B5": Row(Role.BACKUP, "no harm: one replica moves nobody"),
    "B7": Row(Role.BACKUP, "its VIEW-CHANGEs are refused, the others' suffice", Nudge.VIEW_CHANGE),
    "B8": Row(Role.BACKUP, "what it claims alone is not chosen", Nudge.VIEW_CHANGE),
    "B9": Row(Role.PRIMARY, "slow until it is left when it leads (TIMER-7), no harm otherwise"),
    "B11": Row(Role.BACKUP, "its digests make no checkpoint stable"),
    "B12": Row(Role.BACKUP, "the window may fill while one more is away, and moves on when it is back", Nudge.LAG),
    "B13": Row(Role.BACKUP, "no client believes it"),
    "B14": Row(Role.BACKUP, "no harm: the other replies are enough"),
    "B15": Row(Role.BACKUP, "who has to catch up, or makes a backup, does so by the others", Nudge.LAG),
    "B18": Row(Role.BACKUP, _NOTHING),
    "B19": Row(Role.PRIMARY, "no two batches at one number; as slow as P8, or a view change"),
    "B20": Row(Role.BACKUP, "no harm: what it sends is bounded, and costs itself"),
    "B21": Row(Role.BACKUP, "no harm: what it asks for is answered within an allowance"),
    "B22": Row(Role.PRIMARY, "what is mutated is refused; perhaps a view change"),
    "C1": Row(Role.PRIMARY, "no view change for the others; with signatures, refused at the door"),
    "C3": Row(Role.PRIMARY, "each request is executed once"),
    "C4": Row(Role.PRIMARY, "it harms itself alone"),
    "C5": Row(Role.PRIMARY, "one of its operations is ordered"),
    "C6": Row(Role.PRIMARY, "what would change something is not answered past the order, whatever it says of itself"),
    "C7": Row(Role.PRIMARY, "slower: it takes its share of the work, and no more"),
    "C8": Row(Role.PRIMARY, "backups learn of the request from each other; perhaps a view change"),
    "C9": Row(Role.PRIMARY, "refused, and counted"),
    "C10": Row(Role.PRIMARY, "executed, as an error: what a client may write is its own affair"),
    "C11": Row(Role.PRIMARY, "no harm: a replica's key is no client's, a client's is no replica's"),
}
"""The rows of the attack catalogue (protocol facts, section 7)."""
_LASTS: Final = "nothing is executed while it lasts; then as before, without anybody's help"
_PERTURBATIONS: Final = (
    ("pause", "N1", Role.PRIMARY, "SIGSTOP to the primary, SIGCONT at the end", _VIEW),
    ("kill", "P1", Role.PRIMARY, "SIGKILL to the primary; it stays dead", _VIEW),
    ("clock-jump", "P12", Role.PRIMARY, "the primary's wall clock jumps an hour ahead, and back at the end", _VIEW),
    ("cut", "N4", Role.PRIMARY, "no replica hears the primary, and it hears none", _VIEW + "; it catches up"),
    ("cut-backup", "N4", Role.BACKUP, "no replica hears one backup, and it hears none", "no harm; it catches up"),
    ("one-way-deaf", "N1", Role.PRIMARY, "all replicas hear the primary, and it hears none", _VIEW),
    ("one-way-unheard", "N1", Role.PRIMARY, "no replica hears the primary, and it hears all", _VIEW),
    ("star", "N3", Role.PRIMARY, "all replicas and the primary hear each other, and no others do", _LASTS),
    ("halves", "N2", Role.PRIMARY, "two halves hear nothing of each other: neither is a quorum", _LASTS),
)
_HEAD: Final = re.compile(r"(?P<row>[A-Z]\d+)[^:]*: (?P<text>.*)\.")


def _of_strategy(name: str, kind: Kind, strategy: Any) -> Attack:
    """An attack by a strategy, which the first line of its module describes."""
    line = (sys.modules[strategy.__module__].__doc__ or "").partition("\n")[0]
    head = _HEAD.match(line)
    row = getattr(strategy, "row", head["row"] if head else "")
    known = ROWS.get(row, Row(Role.BACKUP if row.startswith("B") else Role.PRIMARY, "no harm that lasts"))
    return Attack(name, kind, row, head["text"] if head else "", known.role, known.nudge, known.expect)


def _all() -> dict[str, Attack]:
    found = [_of_strategy(name, Kind.REPLICA, strategy) for name, strategy in {**STRATEGIES, **PROCESSES}.items()]
    found += [_of_strategy(name, Kind.CLIENT, strategy) for name, strategy in CLIENT_STRATEGIES.items()]
    attacks = {attack.name: attack for attack in sorted(found, key=lambda attack: (attack.kind.value, attack.name))}
    for name, row, role, text, expect in _PERTURBATIONS:
        attacks[name] = Attack(name, Kind.PERTURBATION, row, text, role, Nudge.NONE, expect)
    for name in SHAPES:
        own_name, text = name + NAMESPACES_SUFFIX, f"{attacks[name].text}; by routes between network namespaces"
        attacks[own_name] = attacks[name]._replace(name=own_name, text=text, in_namespaces=True)
    return attacks


ATTACKS: Final[dict[str, Attack]] = _all()
"""Every attack, in the order in which they are listed and run."""


def find_attack(name: str) -> Attack:
    """The attack of this name; several of a replica's strategies may be joined by `+`."""
    parts = [ATTACKS.get(part) for part in name.split("+")]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        raise ConfigurationError(f"there is no attack {name!r}{_close_to(name)}; `quorate attack --list` lists them")
    if len(known) == 1:
        return known[0]
    if any(part.kind is not Kind.REPLICA for part in known):
        raise ConfigurationError(f"{name}: only what a replica does can be joined by +")
    rows, texts = ("+".join(part.row for part in known), "; ".join(part.text for part in known))
    return known[0]._replace(name=name, row=rows, text=texts, expect="; ".join(part.expect for part in known))


def _close_to(name: str) -> str:
    close = get_close_matches(name, ATTACKS, n=3)
    return f" (is {' or '.join(close)} meant?)" if close else ""


def choose_traitor(attack: Attack, view: int, replica_count: int, faulty: Collection[int] = ()) -> int:
    """The replica that the attack is given to when nobody says which: one that is faulty anyway, if it suits."""
    ahead = range(attack.role.value, replica_count if attack.role is Role.BACKUP else attack.role.value + 1)
    suitable = [primary_of(view + step, replica_count) for step in ahead]
    return next((replica for replica in suitable if replica in faulty), suitable[0])


def choose_paused(attack: Attack, view: int, replica_count: int, traitors: Sequence[int]) -> int | None:
    """The correct replica that the attack needs to be paused, if any."""
    match attack.nudge:
        case Nudge.NONE:
            return None
        case Nudge.VIEW_CHANGE:
            candidates = [primary_of(view, replica_count)]
        case Nudge.LAG:
            candidates = [primary_of(view + ahead, replica_count) for ahead in range(1, replica_count)]
    return next((replica for replica in candidates if replica not in traitors), None)
