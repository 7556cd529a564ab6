"""OM(m), the oral message algorithm (L82 section 3), on the information-gathering tree.

The recursion unfolds into m+1 rounds. In round k+1 a message is named by its path, the commander
and then k distinct lieutenants who passed it on, and by its receiver. Two facts keep the tree small:

- The messages of round k+1, sorted by (path, receiver), are the permutations of k+1 lieutenants in
  lexicographic order, which is how `itertools.permutations` lists them. So a round is one string of
  bytes, a byte a message, and no path is stored.
- What the last general on a path was told stands at the same place in the round before: byte p of
  round k is what the p-th path of round k+1 has to pass on.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import permutations
from typing import NamedTuple

from quorate.generals.counting import require_affordable_oral
from quorate.generals.errors import GeneralsError
from quorate.generals.orders import RETREAT, Choice, Order, Utterance, obeyed
from quorate.generals.problem import Problem, Run, decisions_of, too_many_traitors
from quorate.generals.traitors import Occasion, OralStrategy, Path

UTTERANCES_MAX = 256


class OralMessage(NamedTuple):
    """One message. On a graph `receiver` may only be a station on the way to `target`."""

    round: int
    path: Path
    receiver: int
    target: int
    said: Utterance


class Codebook:
    """Gives every different utterance of a run a byte."""

    def __init__(self) -> None:
        self.utterances: list[Utterance] = []
        self._codes: dict[Utterance, int] = {}
        self.silence = self.code(None)
        self.retreat = self.code(RETREAT)

    def code(self, utterance: Utterance) -> int:
        code = self._codes.get(utterance)
        if code is None:
            if len(self.utterances) == UTTERANCES_MAX:
                raise GeneralsError(f"The traitors used more than {UTTERANCES_MAX} different orders: use fewer.")
            code = self._codes[utterance] = len(self.utterances)
            self.utterances.append(utterance)
        return code

    def as_obeyed(self, said: bytes) -> bytes:
        """What the receivers take these messages for: silence and lateness become RETREAT."""
        table = bytes(
            code if isinstance(utterance, str) else self.retreat for code, utterance in enumerate(self.utterances)
        )
        return said.translate(table + bytes(UTTERANCES_MAX - len(table)))


@dataclass(frozen=True)
class OralRun(Run):
    """A run of OM(m); its messages are kept as bytes and become objects when asked for."""

    levels: tuple[bytes, ...] = field(repr=False)
    """What was said, a string a round."""
    obtained: tuple[bytes, ...] = field(repr=False)
    """What each receiver made of each path in step (3), in the places of `levels`."""
    utterances: tuple[Utterance, ...] = field(repr=False)

    def owed(self) -> Iterator[OralMessage]:
        """Every message that the algorithm asks for, round by round, sorted by path and receiver."""
        commander = self.problem.commander
        for depth, level in enumerate(self.levels):
            named = permutations(self.problem.lieutenants, depth + 1)
            for (*relays, receiver), code in zip(named, level, strict=True):
                said = self.utterances[code]
                yield OralMessage(depth + 1, (commander, *relays), receiver, receiver, said)

    def messages(self) -> Iterator[OralMessage]:
        """Those of them that were sent, be it late."""
        return (message for message in self.owed() if message.said is not None)

    def said(self, round_: int) -> Counter[Utterance]:
        """How often each thing was said in a round."""
        level = self.levels[round_ - 1]
        return Counter({utterance: level.count(code) for code, utterance in enumerate(self.utterances)})

    def votes(self, lieutenant: int) -> Mapping[int, Order]:
        """v_1 ... v_(n-1) of step (3): what the lieutenant holds from each lieutenant, himself included."""
        lieutenants = self.problem.lieutenants
        own = lieutenants.index(lieutenant)
        votes = {lieutenant: obeyed(self.utterances[self.levels[0][own]])}
        if len(self.obtained) > 1:
            width = len(lieutenants) - 1
            for place, other in enumerate(lieutenants):
                if other != lieutenant:
                    code = self.obtained[1][place * width + own - (own > place)]
                    votes[other] = obeyed(self.utterances[code])
        return dict(sorted(votes.items()))


def oral_messages(problem: Problem, strategy: OralStrategy) -> OralRun:
    """Run OM(m) with the traitors following `strategy`."""
    require_affordable_oral(problem.n, problem.m)
    book = Codebook()
    levels = _send_rounds(problem, strategy, book)
    obtained = _resolve(problem, levels, book)
    last_word = obtained[0] if obtained else b""
    by_lieutenant = {
        lieutenant: obeyed(book.utterances[code])
        for lieutenant, code in zip(problem.lieutenants, last_word, strict=True)
    }
    return OralRun(
        problem=problem,
        algorithm=f"OM({problem.m})",
        rounds=problem.m + 1,
        sent_by_round=tuple(len(level) - level.count(book.silence) for level in levels),
        decisions=decisions_of(problem, by_lieutenant),
        outside_bound=oral_bound(problem),
        levels=tuple(levels),
        obtained=tuple(obtained),
        utterances=tuple(book.utterances),
    )


def oral_bound(problem: Problem) -> str:
    """Why Theorem 1 says nothing here: it asks for more than 3m generals and at most m traitors.

    Two generals are the footnote's exception: one lieutenant cannot disagree with himself (section 2).
    """
    if problem.n <= 3 * problem.m and problem.n > 2:
        return f"n = {problem.n} is not above 3m = {3 * problem.m}"
    return too_many_traitors(problem)


def _send_rounds(problem: Problem, strategy: OralStrategy, book: Codebook) -> list[bytes]:
    """Steps (1) and (2): round by round, everybody passes on what he was told, or lies."""
    levels: list[bytes] = []
    to_pass_on = bytes((book.code(problem.order),))
    for depth in range(min(problem.m, problem.n - 2) + 1):
        level = _send_round(problem, strategy, book, depth, to_pass_on)
        levels.append(level)
        to_pass_on = book.as_obeyed(level)
    return levels


def _send_round(problem: Problem, strategy: OralStrategy, book: Codebook, depth: int, to_pass_on: bytes) -> bytes:
    level = bytearray()
    receivers_each = problem.n - 1 - depth
    for relays, code in zip(permutations(problem.lieutenants, depth), to_pass_on, strict=True):
        sender = relays[-1] if relays else problem.commander
        if sender not in problem.traitors:
            level += bytes((code,)) * receivers_each
            continue
        path = (problem.commander, *relays)
        honest = obeyed(book.utterances[code])
        for receiver in problem.lieutenants:
            if receiver not in relays:
                level.append(book.code(strategy(problem, Occasion(path, receiver, receiver, honest))))
    return bytes(level)


def _resolve(problem: Problem, levels: list[bytes], book: Codebook) -> list[bytes]:
    """Step (3), from the leaves up: what every lieutenant makes of every path."""
    obtained = [book.as_obeyed(level) for level in levels]
    resolver = _Resolver(book, problem.choice)
    for depth in range(len(levels) - 2, -1, -1):
        receivers_each = problem.n - 1 - depth
        obtained[depth] = resolver.resolve_round(obtained[depth], obtained[depth + 1], receivers_each)
    return obtained


class _Resolver:
    """Applies the choice function to votes in bytes, each different vote once."""

    def __init__(self, book: Codebook, choice: Choice) -> None:
        self._book = book
        self._choice = choice
        self._known: dict[bytes, int] = {}

    def resolve_round(self, direct: bytes, below: bytes, width: int) -> bytes:
        """One round: `direct` what was heard on its paths, `below` what was made of the next round's.

        The block below a path is a table: row a is what the a-th receiver told the others, so
        receiver b is column b in the rows above a = b and column b-1 in those below it.
        """
        resolved = bytearray()
        block_size = width * (width - 1)
        for path in range(len(direct) // width):
            block = below[path * block_size : (path + 1) * block_size]
            for b in range(width):
                own = path * width + b
                earlier = block[b - 1 : b * (width - 1) : width - 1] if b else b""
                later = block[(b + 1) * (width - 1) + b :: width - 1] if width > 1 else b""
                resolved.append(self._choose(direct[own : own + 1] + earlier + later))
        return bytes(resolved)

    def _choose(self, votes: bytes) -> int:
        chosen = self._known.get(votes)
        if chosen is None:
            orders = [obeyed(self._book.utterances[code]) for code in votes]
            chosen = self._known[votes] = self._book.code(self._choice(orders))
        return chosen
