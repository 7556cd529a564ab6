"""All that the keys of the traitors allow, within the bounds.

A traitor sends anything of its own to anybody, at any time, each receiver something else: its messages are under way
from the start, for all. Only a NEW-VIEW has to wait, since the VIEW-CHANGEs of correct replicas that it carries cannot
be forged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

from quorate.core.new_view import Choice, compute_new_view
from quorate.core.ports import Opened
from quorate.core.quorum import primary_of, quorums_of
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import (
    Batches,
    CheckpointClaim,
    Chosen,
    Commit,
    Decided,
    Message,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    Request,
    ViewChange,
)
from quorate.sim.small_worlds.alphabet import Alphabet, Label, each, label_of
from quorate.sim.small_worlds.bounds import REPLICAS, SETTINGS, Bounds
from quorate.sim.small_worlds.cluster import SymbolicAuthenticator, batches_of, opened_of, replica_of, request_of

GENESIS = replica_of(0).core.checkpoints.held[0].digest
"""The digest of the checkpoint that everybody starts from."""


class Repertoire:
    """What the traitors and the clients may send, and which NEW-VIEWs the traitors can make of what is under way."""

    def __init__(self, bounds: Bounds, alphabet: Alphabet) -> None:
        self._bounds = bounds
        self._alphabet = alphabet
        self._batches = batches_of(bounds)
        self._view_changes = 0
        self._new_views: dict[int, int] = {}
        self.bits = self._allowed(self._own())

    def under_way(self, sent: int) -> int:
        """What correct replicas sent, and all that the traitors can add to it."""
        bits = sent | self.bits
        if self._leads():
            known = bits & self._all_view_changes()
            made = self._new_views.get(known)
            if made is None:
                made = self._new_views[known] = self._make_new_views(known)
            bits |= made
        return bits

    def _allowed(self, bits: int) -> int:
        powers = self._bounds.powers
        if powers is None:
            return bits
        kinds = {at: self._alphabet.letters[at].label.kind.__name__ for at in each(bits)}
        return sum(1 << at for at, kind in kinds.items() if kind == Request.__name__ or kind in powers)

    def _own(self) -> int:
        bits = 0
        for number in range(self._bounds.requests):
            request = request_of(number)
            label = label_of(request)
            assert label is not None
            bits |= self._alphabet.bit(request, label)
        for traitor in self._bounds.traitors:
            for message in self._votes(traitor):
                bits |= self._alphabet.bits(sealed(traitor, message))
            for message in self._claims_of_view_changes(traitor):
                bits |= self._alphabet.bits(sealed(traitor, message))
            bits |= self._proposals(traitor) | self._bodies(traitor)
        return bits

    def _votes(self, traitor: int) -> Iterator[Message]:
        for digest, number in product(self._batches, range(1, self._bounds.requests + 1)):
            yield Decided((Chosen(number, digest),), traitor)
            for view in range(self._bounds.views):
                yield Prepare(view, number, digest, traitor)
                yield Commit(view, number, digest, traitor)

    def _proposals(self, traitor: int) -> int:
        bits = 0
        for view in range(self._bounds.views):
            if primary_of(view, REPLICAS) == traitor:
                for (digest, (_, data)), number in product(self._batches.items(), range(1, self._bounds.requests + 1)):
                    bits |= self._alphabet.bits(sealed(traitor, PrePrepare(view, number, digest, traitor), (data,)))
        return bits

    def _bodies(self, traitor: int) -> int:
        """Every body, whenever one is missing: a traitor may help, and does what correct replicas would."""
        bits = 0
        for digest, (name, data) in self._batches.items():
            if name != "null":
                opened = sealed(traitor, Batches(traitor), (data,))
                bits |= self._alphabet.bit(opened, Label(Batches, 0, 0, digest, traitor))
        return bits

    def _claims_of_view_changes(self, traitor: int) -> Iterator[ViewChange]:
        """VIEW-CHANGEs that say anything possible of P and Q; and one whose log begins above all numbers explored."""
        numbers = range(1, self._bounds.requests + 1)
        for view in range(1, self._bounds.views):
            for claims in product(*(list(self._claims(number, view)) for number in numbers)):
                prepared = tuple(claim for p, _ in claims for claim in p)
                pre_prepared = tuple(claim for _, q in claims for claim in q)
                genesis = (CheckpointClaim(0, GENESIS),)
                yield ViewChange(view, 0, genesis, prepared, pre_prepared, traitor, 0)
            interval = SETTINGS.checkpoint_interval
            invented = (CheckpointClaim(interval, checkpoint_digest(b"", b"")),)
            yield ViewChange(view, interval, invented, (), (), traitor, 0)

    def _claims(
        self, number: int, view: int
    ) -> Iterator[tuple[tuple[PreparedClaim, ...], tuple[PrePreparedClaim, ...]]]:
        """What P and Q may say of one number: nothing or any digest prepared, any digests pre-prepared, in any view
        before. Where there is more than one number, Q says nothing or everything."""
        digests = sorted(self._batches)
        p_choices: list[tuple[PreparedClaim, ...]] = [()]
        p_choices += [(PreparedClaim(number, d, v),) for d in digests for v in range(view)]
        options = [[None, *range(view)]] * len(digests)
        q_choices = [
            tuple(PrePreparedClaim(number, d, v) for d, v in zip(digests, views, strict=True) if v is not None)
            for views in product(*options)
        ]
        if self._bounds.requests > 1:
            q_choices = [(), max(q_choices, key=lambda q: (len(q), [claim.view for claim in q]))]
        yield from product(p_choices, q_choices)

    def _leads(self) -> bool:
        return any(primary_of(view, REPLICAS) in self._bounds.traitors for view in range(1, self._bounds.views))

    def _all_view_changes(self) -> int:
        """The bits of all VIEW-CHANGEs met so far."""
        letters = self._alphabet.letters
        start = self._view_changes.bit_length()
        for at in range(start, len(letters)):
            if letters[at].label.kind is ViewChange:
                self._view_changes |= 1 << at
        return self._view_changes

    def _make_new_views(self, view_changes: int) -> int:
        """Every NEW-VIEW that holds, one for each choice; and wrong ones with each other choice."""
        by_view: dict[int, list[Opened]] = {}
        for at in each(view_changes):
            letter = self._alphabet.letters[at]
            by_view.setdefault(letter.label.view, []).append(letter.opened)
        bits = 0
        for view, known in by_view.items():
            leader = primary_of(view, REPLICAS)
            if leader in self._bounds.traitors:
                for message, holds in new_views_of(leader, view, known, self._possible_choices()):
                    content = (message.checkpoint, message.chosen, holds)
                    bits |= self._alphabet.bit(sealed(leader, message), Label(NewView, view, 0, content, leader))
        return bits

    def _possible_choices(self) -> Iterator[tuple[Chosen, ...]]:
        numbers = range(1, self._bounds.requests + 1)
        for digests in product([None, *sorted(self._batches)], repeat=len(numbers)):
            yield tuple(Chosen(n, d) for n, d in zip(numbers, digests, strict=True) if d is not None)


def new_views_of(
    leader: int, view: int, known: Sequence[Opened], wished: Iterator[tuple[Chosen, ...]]
) -> Iterator[tuple[NewView, bool]]:
    """The NEW-VIEWs that can be made of VIEW-CHANGEs: one for each choice that follows from some of them, and one for
    each that is only wished for. With each, whether it holds."""
    by_sender: dict[int, list[Opened]] = {}
    for opened in known:
        assert isinstance(opened.message, ViewChange)
        by_sender.setdefault(opened.message.replica, []).append(opened)
    quorums = quorums_of(REPLICAS)
    made: dict[Choice, NewView] = {}
    any_quorum: tuple[bytes, ...] = ()
    for count in range(quorums.quorum, REPLICAS + 1):
        for senders in combinations(sorted(by_sender), count):
            for chosen in product(*(by_sender[sender] for sender in senders)):
                any_quorum = any_quorum or tuple(opened.frame for opened in chosen)
                choice = compute_new_view([_view_change(opened) for opened in chosen], quorums, SETTINGS.window)
                if isinstance(choice, Choice) and choice not in made:
                    frames = tuple(opened.frame for opened in chosen)
                    made[choice] = NewView(view, frames, choice.checkpoint, choice.chosen, leader, 0)
    for message in made.values():
        yield message, True
    if any_quorum:
        for wish in wished:
            message = NewView(view, any_quorum, CheckpointClaim(0, GENESIS), wish, leader, 0)
            if not any(message.chosen == choice.chosen for choice in made):
                yield message, False


def _view_change(opened: Opened) -> ViewChange:
    assert isinstance(opened.message, ViewChange)
    return opened.message


def sealed(author: int, message: Message, attachments: tuple[bytes, ...] = ()) -> Opened:
    """A traitor's own message, sealed."""
    return opened_of(SymbolicAuthenticator(author).seal(message, attachments))
