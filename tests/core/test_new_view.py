"""compute_new_view: the choice that follows from a set of VIEW-CHANGEs (OSDI'00 section 4; facts 2.4 to 2.6).

First its rules one by one (NV-1, NV-A, NV-B), then histories: correct replicas live through views of an abstract
protocol with up to f liars among them, and whatever committed survives every choice.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quorate.core.new_view import Choice, Undecided, choose_checkpoint, compute_new_view
from quorate.core.quorum import Quorums, quorums_of
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import CheckpointClaim, Chosen, PreparedClaim, PrePreparedClaim, ViewChange

X, Y, Z = (bytes([letter]) * 32 for letter in b"xyz")
ZERO = CheckpointClaim(0, b"0" * 32)
TEN = CheckpointClaim(10, b"1" * 32)
TWENTY = CheckpointClaim(20, b"2" * 32)
WINDOW = 20

Claim = tuple[int, bytes, int]


def said(
    replica: int,
    prepared: Sequence[Claim] = (),
    pre_prepared: Sequence[Claim] | None = None,
    checkpoints: Sequence[CheckpointClaim] = (ZERO,),
    view: int = 9,
) -> ViewChange:
    """A VIEW-CHANGE; Q is P unless stated."""
    named = prepared if pre_prepared is None else pre_prepared
    return ViewChange(
        view,
        min(claim.sequence_number for claim in checkpoints),
        tuple(checkpoints),
        tuple(PreparedClaim(*claim) for claim in prepared),
        tuple(PrePreparedClaim(*claim) for claim in named),
        replica,
        0,
    )


def choose(messages: Sequence[ViewChange], replica_count: int = 4) -> Choice | Undecided:
    """The choice; it does not depend on the order of S."""
    quorums = quorums_of(replica_count)
    results = {compute_new_view(list(order), quorums, WINDOW) for order in list(permutations(messages))[:24]}
    (result,) = {(type(found), found[0] if isinstance(found, Choice) else "", found) for found in results}
    return result[2]


def digests(result: Choice | Undecided) -> list[bytes]:
    assert isinstance(result, Choice), result
    return [entry.digest for entry in result.chosen]


class TestCheckpointRule:
    """NV-1."""

    def test_nv_1_the_largest_that_f_plus_1_vouch_for(self) -> None:
        """A quorum of S has h <= n, f + 1 have (n, d) in C."""
        messages = [said(0), said(1, checkpoints=(ZERO, TEN)), said(2, checkpoints=(ZERO, TEN, TWENTY))]
        assert choose_checkpoint(messages, quorums_of(4)) == TEN

    def test_nv_1_f_vouchers_are_not_enough(self) -> None:
        """One liar's checkpoint is nobody's."""
        messages = [said(0), said(1), said(2, checkpoints=(ZERO, TWENTY))]
        assert choose_checkpoint(messages, quorums_of(4)) == ZERO

    def test_nv_1_the_low_watermarks_are_counted_over_the_whole_of_s(self) -> None:
        """Facts 2.6 point 5: over S, not over the subset that holds the checkpoint; Fabric deadlocked on this."""
        messages = [said(0), said(1), said(2, checkpoints=(TEN,)), said(3, checkpoints=(TEN,))]
        assert choose_checkpoint(messages, quorums_of(4)) == TEN

    def test_nv_1_no_checkpoint_below_what_a_quorum_left(self) -> None:
        """0 is vouched for by f + 1, and fewer than a quorum remember what follows it."""
        messages = [said(0), said(1), said(2, checkpoints=(TEN,))]
        assert choose_checkpoint(messages, quorums_of(4)) is None
        assert isinstance(choose(messages), Undecided)

    def test_nv_1_duplicate_entries_of_one_sender_count_once(self) -> None:
        """Facts 2.6 point 3."""
        messages = [said(0), said(1), said(2, checkpoints=(ZERO, TEN, TEN))]
        assert choose_checkpoint(messages, quorums_of(4)) == ZERO

    def test_nv_1_equal_number_with_another_digest_is_another_checkpoint(self) -> None:
        """(n, d), not n."""
        other = CheckpointClaim(10, b"9" * 32)
        messages = [said(0, checkpoints=(ZERO, TEN)), said(1, checkpoints=(ZERO, other)), said(2)]
        assert choose_checkpoint(messages, quorums_of(4)) == ZERO


class TestRuleA:
    """NV-A."""

    def test_nv_a_what_prepared_is_chosen(self) -> None:
        """A1 and A2 hold."""
        assert digests(choose([said(0, [(1, X, 3)]), said(1, (), [(1, X, 3)]), said(2)])) == [X]

    def test_nv_a_the_higher_view_wins(self) -> None:
        """4.4: "d from the entry with the highest view"."""
        messages = [said(0, [(1, X, 3)]), said(1, [(1, Y, 5)]), said(2, (), [(1, Y, 5), (1, X, 3)])]
        assert digests(choose(messages)) == [Y]

    def test_nv_a1_a_lower_view_waits_while_a_higher_one_may_have_committed(self) -> None:
        """Y is claimed in view 5 without witnesses; X in 3 is contradicted: with three of four S does not say."""
        messages = [said(0, [(1, X, 3)]), said(1, [(1, Y, 5)]), said(2, (), [(1, X, 3)])]
        assert isinstance(choose(messages), Undecided)
        assert digests(choose([*messages, said(3, (), [(1, X, 3)])])) == [X]

    def test_nv_a1_two_digests_in_one_view_contradict_each_other(self) -> None:
        """ "v' < v or (v' = v and d' = d)": one of the two lies."""
        messages = [said(0, [(1, X, 3)]), said(1, [(1, Y, 3)]), said(2, (), [(1, X, 3)])]
        assert isinstance(choose(messages), Undecided)

    def test_nv_a2_a_forged_p_entry_without_witnesses_is_not_chosen(self) -> None:
        """A2: f + 1 pre-prepared it in that view or a later one; "without A2 one forged P entry with a high view
        would win
        A1 trivially" (B8). The fourth VIEW-CHANGE makes it null."""
        messages = [said(0, [(1, X, 8)]), said(1), said(2)]
        assert isinstance(choose(messages), Undecided)
        assert digests(choose([*messages, said(3)])) == []

    def test_nv_a2_witnesses_of_an_earlier_view_do_not_count(self) -> None:
        """v' >= v."""
        messages = [said(0, [(1, X, 5)]), said(1, (), [(1, X, 4)]), said(2, (), [(1, X, 4)])]
        assert isinstance(choose(messages), Undecided)

    def test_nv_a2_duplicate_q_entries_of_one_sender_are_one_witness(self) -> None:
        """Facts 2.6 point 3: Fabric increments per entry; one liar fakes f + 1 when f = 1."""
        liar = said(0, [(1, X, 5)], [(1, X, 5), (1, X, 6)])
        assert isinstance(choose([liar, said(1), said(2)]), Undecided)

    def test_a_sender_counts_once(self) -> None:
        """The senders of S are distinct."""
        assert isinstance(choose([said(0), said(0), said(1)]), Undecided)


class TestRuleB:
    """NV-B."""

    def test_nv_b_a_gap_is_null(self) -> None:
        """4.4: "otherwise, null"."""
        messages = [said(0, [(3, X, 1)]), said(1, (), [(3, X, 1)]), said(2)]
        assert digests(choose(messages)) == [NULL_DIGEST, NULL_DIGEST, X]

    def test_nv_b_the_n_7_counterexample_needs_the_guard_h_below_n(self) -> None:
        """Facts 2.6 point 2. n = 7, f = 2: x committed at 1; A is already stable at 1 (its P forgot it), B has x in P
        and Q,
        C1 and C2 saw nothing, the liars D1 and D2 claim nothing, E is not yet heard. Without the guard, six
        VIEW-CHANGEs of
        which five have no entry for 1 choose null, and a committed request is lost."""
        one = CheckpointClaim(1, b"1" * 32)
        a = said(0, checkpoints=(one,))
        b = said(1, [(1, X, 0)], checkpoints=(ZERO, one))
        c1, c2, d1, d2 = said(2), said(3), said(4), said(5)
        result = choose([a, b, c1, c2, d1, d2], 7)
        assert isinstance(result, Undecided)
        # What is stable at A is held by f + 1 correct replicas, E among them: from there, nothing is lost.
        e = said(6, [(1, X, 0)], checkpoints=(ZERO, one))
        assert choose([a, b, c1, c2, d1, d2, e], 7) == Choice(one, ())

    def test_nv_b_trailing_nulls_are_left_out(self) -> None:
        """Facts 2.4: "prune trailing nulls"."""
        messages = [said(0, [(1, X, 1)]), said(1, [(1, X, 1), (5, Y, 8)], [(1, X, 1)]), said(2), said(3)]
        assert digests(choose(messages)) == [X]

    def test_nv_b_a_null_that_prepared_is_not_left_out(self) -> None:
        """A null request is a real slot: it may have committed, and whoever executed it has gone past it."""
        claims = [(1, X, 1), (2, NULL_DIGEST, 1)]
        messages = [said(0, claims), said(1, (), claims), said(2)]
        assert digests(choose(messages)) == [X, NULL_DIGEST]

    def test_nothing_above_the_window_of_the_checkpoint(self) -> None:
        """n in (ckpt, ckpt + L]."""
        far = said(0, [(WINDOW + 1, X, 1)], checkpoints=(ZERO,))
        result = choose([far, said(1), said(2), said(3)])
        assert isinstance(result, Choice)
        assert result == Choice(ZERO, ())

    def test_what_it_covers(self) -> None:
        """The last number chosen, or the checkpoint's."""
        assert Choice(TEN, ()).covered == 10
        assert Choice(TEN, (Chosen(11, X), Chosen(12, Y))).covered == 12


@pytest.mark.parametrize("replica_count", [4, 5, 6, 7, 10])
def test_it_always_ends_with_all_correct_view_changes(replica_count: int) -> None:
    """Facts 2.4: "with all correct replicas' VIEW-CHANGEs it always terminates": whatever f liars add."""
    quorums = quorums_of(replica_count)
    correct = quorums.replica_count - quorums.faults
    messages = [
        said(n, [(1, X, 4)] if n < quorums.quorum - quorums.faults else (), [(1, X, 4)]) for n in range(correct)
    ]
    assert digests(compute_new_view(messages, quorums, WINDOW)) == [X]
    liars = [said(n, [(1, Y, 8), (2, Z, 8)]) for n in range(correct, replica_count)]
    assert digests(compute_new_view(messages + liars, quorums, WINDOW))[0] == X


class History:
    """Correct replicas of an abstract PBFT: in each view some of them pre-prepare, prepare and commit, with the help
    of f
    liars who sign whatever helps to break it. The NEW-VIEW of each view is any valid one."""

    def __init__(self, random: Random, quorums: Quorums) -> None:
        self.random = random
        self.quorums = quorums
        self.correct = list(range(quorums.replica_count - quorums.faults))
        self.liars = list(range(len(self.correct), quorums.replica_count))
        self.low = dict.fromkeys(self.correct, 0)
        self.prepared: dict[int, dict[int, tuple[bytes, int]]] = {replica: {} for replica in self.correct}
        self.named: dict[int, dict[int, dict[bytes, int]]] = {replica: {} for replica in self.correct}
        self.committed: dict[int, bytes] = {}
        self.values = 0
        self.depth = 3

    def fresh(self) -> bytes:
        self.values += 1
        return self.values.to_bytes(32, "big")

    def checkpoint(self, number: int) -> CheckpointClaim:
        return CheckpointClaim(number, b"".join(self.committed.get(n, b"?")[-4:] for n in range(1, number + 1))[:32])

    def truth(self, replica: int, view: int) -> ViewChange:
        low = self.low[replica]
        held = sorted({low} | {number for number in self.low.values() if number >= low and self.has_all(number)})
        return ViewChange(
            view,
            low,
            tuple(self.checkpoint(number) for number in held if number == low or self.random.random() < 0.5),
            tuple(PreparedClaim(n, d, v) for n, (d, v) in self.prepared[replica].items() if n > low),
            tuple(
                PrePreparedClaim(n, d, v)
                for n, views in self.named[replica].items()
                if n > low
                for d, v in views.items()
            ),
            replica,
            0,
        )

    def has_all(self, number: int) -> bool:
        return all(n in self.committed for n in range(1, number + 1))

    def lie(self, replica: int, view: int) -> ViewChange:
        """Anything whose contents are possible: claims of real and of invented digests, in any earlier view."""
        random = self.random
        known = [d for views in self.named.values() for names in views.values() for d in names] or [self.fresh()]
        numbers = range(1, self.depth + 2)
        low = random.choice([0, 0, 0, *self.low.values()])
        checkpoints = {low: self.checkpoint(low)}
        for number in set(self.low.values()):
            if number >= low and random.random() < 0.5:
                checkpoints[number] = self.checkpoint(number)
        prepared = [
            PreparedClaim(n, random.choice([*known, NULL_DIGEST, self.fresh()]), random.randrange(view))
            for n in numbers
            if n > low and random.random() < 0.6
        ]
        named = [
            PrePreparedClaim(claim.sequence_number, claim.digest, random.randrange(view))
            for claim in prepared
            if random.random() < 0.8
        ] + [PrePreparedClaim(n, random.choice(known), random.randrange(view)) for n in numbers if n > low]
        return ViewChange(view, low, tuple(checkpoints.values()), tuple(prepared), tuple(named), replica, 0)

    def choose(self, view: int) -> Choice | None:
        """A NEW-VIEW that some set of VIEW-CHANGEs allows: the liars pick the set, and what they themselves say."""
        random, quorums = self.random, self.quorums
        for _ in range(12):
            heard = random.sample(self.correct, random.randint(quorums.quorum - len(self.liars), len(self.correct)))
            messages = [self.truth(replica, view) for replica in heard] + [self.lie(liar, view) for liar in self.liars]
            if len(messages) < quorums.quorum:
                continue
            result = compute_new_view(messages, quorums, WINDOW)
            if isinstance(result, Choice):
                return result
        return None

    def live(self, view: int) -> None:
        """One view: enter by a choice, propose, prepare, commit, cut logs, each at whom chance likes."""
        random, quorums = self.random, self.quorums
        choice = Choice(self.checkpoint(0), ()) if view == 0 else self.choose(view)
        if choice is None:
            return
        base = choice.checkpoint.sequence_number
        for number, digest in self.committed.items():
            chosen = {entry.sequence_number: entry.digest for entry in choice.chosen}
            assert number <= base or chosen.get(number) == digest, (view, number, choice)
        entered = random.sample(self.correct, random.randint(0, len(self.correct)))
        proposals: dict[int, list[bytes]] = {entry.sequence_number: [entry.digest] for entry in choice.chosen}
        for number in range(choice.covered + 1, self.depth + 1):
            proposals[number] = [self.fresh(), self.fresh()]  # the primary may equivocate
        for number, values in sorted(proposals.items()):
            accepted: dict[bytes, list[int]] = {}
            for replica in entered:
                if random.random() < 0.8 and number > self.low[replica]:
                    digest = random.choice(values)
                    accepted.setdefault(digest, []).append(replica)
                    self.named[replica].setdefault(number, {})[digest] = view
            for digest, voters in accepted.items():
                if len(voters) + len(self.liars) < quorums.quorum:
                    continue
                locked = [replica for replica in voters if random.random() < 0.8]
                for replica in locked:
                    self.prepared[replica][number] = (digest, view)
                if len(locked) + len(self.liars) >= quorums.quorum:
                    assert self.committed.get(number, digest) == digest, (view, number)
                    self.committed[number] = digest
        self.cut()

    def cut(self) -> None:
        """A checkpoint is stable: a quorum may hold it, so up to f correct ones lag; those that cut their log forget
        P."""
        quorums = self.quorums
        stable = max((n for n in range(1, self.depth + 1) if self.has_all(n)), default=0)
        if stable and self.random.random() < 0.5:
            for replica in self.random.sample(self.correct, self.random.randint(1, quorums.quorum - quorums.faults)):
                self.low[replica] = max(self.low[replica], stable)


@settings(max_examples=400, deadline=None)
@given(seed=st.integers(0, 2**32), replica_count=st.sampled_from([4, 5, 6, 7]))
def test_whatever_committed_survives(seed: int, replica_count: int) -> None:
    """4.5.1: a request that committed at a correct replica keeps its sequence number in every later view."""
    history = History(Random(seed), quorums_of(replica_count))
    for view in range(7):
        history.live(view)


def test_the_histories_are_worth_it() -> None:
    """The property above is not empty: things commit, logs are cut, views begin with something chosen."""
    commits = cuts = 0
    for seed in range(60):
        history = History(Random(seed), quorums_of(4))
        for view in range(7):
            history.live(view)
        commits += len(history.committed)
        cuts += max(history.low.values()) > 0
    assert commits > 60
    assert cuts > 10


@pytest.mark.parametrize("replica_count", [4, 7])
def test_a_weakened_rule_loses_what_committed(replica_count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checker that catches nothing is not a checker: without A2, or with a smaller quorum, histories break."""
    import quorate.core.new_view as rules

    def breaks() -> bool:
        for seed in range(400):
            history = History(Random(seed), quorums_of(replica_count))
            try:
                for view in range(7):
                    history.live(view)
            except AssertionError:
                return True
        return False

    assert not breaks()
    with monkeypatch.context() as patch:
        patch.setattr(rules, "_witnesses", lambda *_: 99)
        assert breaks()


@pytest.mark.parametrize("replica_count", range(1, 65))
def test_quorums_intersect(replica_count: int) -> None:
    """Facts 1.1: any two quorums share f + 1 replicas, a correct one among them; the correct ones make a quorum."""
    quorums = quorums_of(replica_count)
    assert quorums.faults == (replica_count - 1) // 3
    assert quorums.weak == quorums.faults + 1
    assert 2 * quorums.quorum - replica_count > quorums.faults
    assert 2 * (quorums.quorum - 1) - replica_count <= quorums.faults, "no smaller one would do"
    assert quorums.quorum <= replica_count - quorums.faults
    if replica_count == 3 * quorums.faults + 1:
        assert quorums.quorum == 2 * quorums.faults + 1
    if replica_count <= 7:
        for one, two in combinations(combinations(range(replica_count), quorums.quorum), 2):
            assert len(set(one) & set(two)) > quorums.faults
