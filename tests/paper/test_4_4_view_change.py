"""View changes (OSDI'99 4.4; OSDI'00 section 4; facts 1.6, 2.3 to 2.6)."""

from __future__ import annotations

import msgspec
import pytest

from core.group import Group, state_of, total_of
from quorate.config import Settings
from quorate.core import admission
from quorate.core.context import Status
from quorate.core.log import Phase
from quorate.core.new_view import Choice, compute_new_view
from quorate.core.quorum import quorums_of
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import (
    Batches,
    Checkpoint,
    CheckpointClaim,
    Chosen,
    Commit,
    Decided,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    StatePieces,
    ViewChange,
)

SETTINGS = Settings(checkpoint_interval=2)
SMALL = Settings(checkpoint_interval=4)
SIGNED = Settings(checkpoint_interval=4, replica_authentication="signature")
DIGEST = b"d" * 32
OTHER = b"e" * 32
MODES = pytest.mark.parametrize("settings", [SMALL, SIGNED], ids=["macs", "signatures"])


def genesis(group: Group) -> tuple[CheckpointClaim, ...]:
    """C of a replica that has executed nothing."""
    return (CheckpointClaim(0, group.core(0).checkpoints.held[0].digest),)


def empty(group: Group, view: int, sender: int, **changes: object) -> ViewChange:
    """A VIEW-CHANGE that says nothing, but for *changes*."""
    return msgspec.structs.replace(ViewChange(view, 0, genesis(group), (), (), sender, 0), **changes)


def silence(group: Group) -> None:
    group.reaches = lambda sender, receiver, message: False


def own_view_changes(group: Group, sender: int) -> list[ViewChange]:
    return [message for number, message in group.sent if number == sender and isinstance(message, ViewChange)]


@MODES
def test_vc_1_a_view_change_says_what_is_known(settings: Settings) -> None:
    """4.4: VIEW-CHANGE(v + 1, n, C, P, i) with "n the sequence number of the last stable checkpoint", C its proof, P
    "a set
    P_m for each request m that prepared at i with a sequence number higher than n"; OSDI'00: Q for what
    pre-prepared."""
    group = Group(4, settings)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1), 0)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit | Decided)
    group.submit(group.request((b"add 1",), session, 2))
    group.reaches = lambda sender, receiver, message: not isinstance(message, Prepare | Commit | Decided)
    group.submit(group.request((), 0, 2, client=1))
    group.stopped.add(0)
    group.advance(1100)
    sent = own_view_changes(group, 2)[0]
    log = group.core(2).log
    assert (sent.view, sent.low_watermark, sent.checkpoints) == (1, 0, genesis(group))
    assert [claim.sequence_number for claim in sent.prepared] == [1, 2, 3]
    assert [claim.sequence_number for claim in sent.pre_prepared] == [1, 2, 3, 4]
    assert {claim.view for claim in sent.prepared} == {claim.view for claim in sent.pre_prepared} == {0}
    sizes = {len(claim.certificate) for claim in sent.prepared}
    assert sizes == ({3} if settings is SIGNED else {0})
    assert log.prepared_claims


def test_vc_1_p_and_q_survive_any_number_of_view_changes() -> None:
    """Facts 2.6 points 13, 14: "dropping prepared state at view change is the commonest fatal bug"."""
    group = Group(4, SMALL)
    session = group.open_session()
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit | Decided)
    group.submit(group.request((b"add 1",), session, 1))
    digest = group.core(3).log.slots[2].digest
    group.reaches = lambda sender, receiver, message: not isinstance(message, NewView | Commit | Decided)
    group.stopped.add(0)
    group.advance(20_000)
    last = own_view_changes(group, 3)[-1]
    assert last.view > 2
    assert [(claim.sequence_number, claim.digest, claim.view) for claim in last.prepared][1:] == [(2, digest, 0)]
    group.stopped.clear()
    group.reaches = lambda sender, receiver, message: True
    group.advance(30_000)
    assert {group.core(number).log.decided_digest(2) for number in range(4)} == {digest}
    assert [total_of(service) for service in group.services] == [1] * 4


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"checkpoints": ()}, "C lacks"),
        ({"checkpoints": (CheckpointClaim(0, DIGEST), CheckpointClaim(0, OTHER))}, "names a checkpoint twice"),
        ({"checkpoints": (CheckpointClaim(4, DIGEST),)}, "C lacks"),
        ({"checkpoints": (CheckpointClaim(0, DIGEST), CheckpointClaim(3, DIGEST))}, "outside its window"),
        ({"checkpoints": (CheckpointClaim(0, DIGEST), CheckpointClaim(12, DIGEST))}, "outside its window"),
        ({"low_watermark": 4, "checkpoints": (CheckpointClaim(0, DIGEST), CheckpointClaim(4, DIGEST))}, "outside"),
        ({"epoch": 1}, "epoch"),
        ({"prepared": (PreparedClaim(0, DIGEST, 0),)}, "outside its window"),
        ({"prepared": (PreparedClaim(9, DIGEST, 0),)}, "outside its window"),
        ({"prepared": (PreparedClaim(1, DIGEST, 1),)}, "or its views"),
        ({"prepared": (PreparedClaim(1, DIGEST, 0), PreparedClaim(1, OTHER, 0))}, "P names"),
        ({"pre_prepared": (PrePreparedClaim(0, DIGEST, 0),)}, "outside its window"),
        ({"pre_prepared": (PrePreparedClaim(9, DIGEST, 0),)}, "outside its window"),
        ({"pre_prepared": (PrePreparedClaim(1, DIGEST, 1),)}, "or its views"),
        ({"pre_prepared": (PrePreparedClaim(1, DIGEST, 0), PrePreparedClaim(1, DIGEST, 0))}, "Q names"),
        (
            {"pre_prepared": tuple(PrePreparedClaim(1, bytes([n]) * 32, 0) for n in range(33))},
            "Q is larger than a correct replica's",
        ),
    ],
)
def test_vc_3_contents_that_no_correct_replica_sends(changes: dict[str, object], why: str) -> None:
    """Facts 2.3, one condition at a time; the VIEW-CHANGE is refused, the state as it was, others' are still used
    (B7)."""
    group = Group(4, SMALL)
    assert why in group.refusal(1, 2, empty(group, 1, 2, **changes))


def test_vc_2_only_newer_ones_for_this_view_or_later() -> None:
    """B5: the newest of each sender is kept; older ones, and ones for views that are past, are not."""
    group = Group(4, SMALL)
    silence(group)
    assert "left" in group.refusal(1, 2, empty(group, 0, 2))
    group.say(2, empty(group, 5, 2), 1)
    assert "not newer" in group.refusal(1, 2, empty(group, 5, 2))
    assert "not newer" in group.refusal(1, 2, empty(group, 4, 2))
    group.say(2, empty(group, 6, 2), 1)
    assert group.core(1).views.view_changes[2][0].view == 6


class TestCertificates:
    """VC-4: with everything signed, P carries proofs (B7; 1.6: the checks that O99 leaves implicit)."""

    def certificate(self, group: Group, number: int = 1, digest: bytes = DIGEST, view: int = 0) -> list[bytes]:
        primary = view % 4
        backups = [backup for backup in range(4) if backup != primary]
        frames = [group.authenticators[primary].seal(PrePrepare(view, number, digest, primary))]
        return frames + [group.authenticators[b].seal(Prepare(view, number, digest, b)) for b in backups[:2]]

    def holds(self, group: Group, frames: list[bytes], view: int = 0) -> bool:
        return admission.has_certificate(group.core(0), PreparedClaim(1, DIGEST, view, tuple(frames)))

    def test_vc_4_a_whole_one_holds(self) -> None:
        """PRE-PREPARE of the view's primary and 2f PREPAREs of distinct backups with equal (v, n, d)."""
        group = Group(4, SIGNED)
        assert self.holds(group, self.certificate(group))
        claim = PreparedClaim(1, DIGEST, 0, tuple(self.certificate(group)))
        silence(group)
        group.say(2, empty(group, 1, 2, prepared=(claim,)), 1)
        assert 2 in group.core(1).views.view_changes

    @pytest.mark.parametrize("missing", [0, 1, 2])
    def test_vc_4_nothing_may_be_missing(self, missing: int) -> None:
        """Neither the proposal nor a vote."""
        group = Group(4, SIGNED)
        frames = self.certificate(group)
        del frames[missing]
        assert not self.holds(group, frames)

    def test_vc_4_distinct_backups(self) -> None:
        """A vote twice is one vote."""
        group = Group(4, SIGNED)
        frames = self.certificate(group)
        assert not self.holds(group, [frames[0], frames[1], frames[1]])

    @pytest.mark.parametrize("what", ["number", "digest", "view"])
    def test_vc_4_equal_number_digest_and_view(self, what: str) -> None:
        """Votes of another slot, another value, another view prove nothing here."""
        group = Group(4, SIGNED)
        other = {
            "number": self.certificate(group, number=2),
            "digest": self.certificate(group, digest=OTHER),
            "view": self.certificate(group, view=4),
        }[what]
        for index in range(3):
            frames = self.certificate(group)
            frames[index] = other[index]
            assert not self.holds(group, frames)

    def test_vc_4_the_views_primary_proposes_and_does_not_vote(self) -> None:
        """A PRE-PREPARE of somebody else, or a PREPARE of the primary, is no part of a certificate."""
        group = Group(4, SIGNED)
        frames = self.certificate(group)
        impostor = group.authenticators[3].seal(PrePrepare(0, 1, DIGEST, 3))
        assert not self.holds(group, [impostor, *frames[1:]])
        vote = group.authenticators[0].seal(Prepare(0, 1, DIGEST, 0))
        assert not self.holds(group, [frames[0], frames[1], vote])

    def test_vc_4_only_authentic_votes(self) -> None:
        """A changed byte, junk, and a message of another type."""
        group = Group(4, SIGNED)
        frames = self.certificate(group)
        forged = frames[1][:-1] + bytes([frames[1][-1] ^ 1])
        commit = group.authenticators[1].seal(Commit(0, 1, DIGEST, 1))
        for bad in (forged, b"junk", b"", commit):
            assert not self.holds(group, [frames[0], frames[2], bad])
        message = empty(group, 1, 2, prepared=(PreparedClaim(1, DIGEST, 0, (frames[0], frames[2], forged)),))
        assert "certificate" in group.refusal(1, 2, message)


class TestJoin:
    """VC-5."""

    @pytest.mark.parametrize("replica_count", [4, 5, 6, 7, 10])
    def test_vc_5_f_plus_1_others_make_one_join(self, replica_count: int) -> None:
        """4.5.2: "if a replica receives a set of f + 1 valid VIEW-CHANGEs from other replicas for views greater than
        its
        current view, it sends a VIEW-CHANGE for the smallest view in the set, even if its timer has not expired"."""
        group = Group(replica_count, SMALL)
        silence(group)
        weak = quorums_of(replica_count).weak
        for sender in range(2, 2 + weak):
            assert group.core(1).view == 0
            group.say(sender, empty(group, 10 - sender, sender), 1)
        assert group.core(1).view == 10 - (1 + weak)
        assert own_view_changes(group, 1)[-1].view == group.core(1).view

    def test_vc_5_liars_drag_nobody_far(self) -> None:
        """B6: f VIEW-CHANGEs for a huge view and one correct one: the smallest of them."""
        group = Group(7, SMALL)
        silence(group)
        for liar in (5, 6):
            group.say(liar, empty(group, 2**62, liar), 1)
        group.say(2, empty(group, 1, 2), 1)
        assert group.core(1).view == 1

    def test_vc_5_f_liars_move_nobody(self) -> None:
        """B5, 4.5.2: "the f faulty replicas cannot force a view change"."""
        group = Group(7, SMALL)
        for view in range(1, 50):
            for liar in (5, 6):
                group.say(liar, empty(group, view, liar))
        group.advance(5000)
        assert [group.core(number).view for number in range(5)] == [0] * 5

    def test_vc_5_the_own_view_change_is_not_one_of_the_others(self) -> None:
        """A reflected own message moves nobody."""
        group = Group(4, SMALL)
        silence(group)
        group.receive(1, group.authenticators[1].seal(empty(group, 3, 1)))
        group.say(2, empty(group, 3, 2), 1)
        assert group.core(1).view == 0


class TestNewView:
    """NV-2 to NV-7."""

    def prepared_group(self, settings: Settings = SMALL, replica_count: int = 4) -> Group:
        """One request committed, one prepared, one pre-prepared at some; the primary silent; VIEW-CHANGEs for 1 are
        out and
        reach nobody, but replica 1, which is not let lead."""
        group = Group(replica_count, settings)
        session = group.open_session()
        group.reaches = lambda sender, receiver, message: not isinstance(message, Commit | Decided)
        group.submit(group.request((b"add 1",), session, 1))
        group.stopped |= {0, 1}
        group.reaches = lambda sender, receiver, message: isinstance(message, ViewChange)
        group.advance(1100)
        group.settle(1)
        assert [group.core(number).view for number in range(2, replica_count)] == [1] * (replica_count - 2)
        return group

    def frames(self, group: Group) -> list[bytes]:
        """A quorum of VIEW-CHANGEs for view 1: of 2, 3 and the new primary 1."""
        senders = [number for number in range(2, len(group.replicas)) if number in group.core(2).views.view_changes]
        own = msgspec.structs.replace(group.core(2).views.view_changes[2][0], replica=1)
        if group.core(1).signs_everything:
            own = empty(group, 1, 1)
        return [group.authenticators[1].seal(own)] + [group.core(2).views.view_changes[s][1] for s in senders]

    def new_view(self, group: Group, frames: list[bytes]) -> NewView:
        """The right NEW-VIEW for these VIEW-CHANGEs."""
        opened = [group.authenticators[2].open(frame).message for frame in frames]
        choice = compute_new_view(opened, group.core(2).quorums, SMALL.window)  # type: ignore[arg-type]
        assert isinstance(choice, Choice)
        return NewView(1, tuple(frames), choice.checkpoint, choice.chosen, 1, 0)

    def proposals(self, group: Group, message: NewView) -> tuple[bytes, ...]:
        if not group.core(1).signs_everything:
            return ()
        return tuple(
            group.authenticators[1].seal(PrePrepare(1, entry.sequence_number, entry.digest, 1))
            for entry in message.chosen
        )

    @MODES
    def test_nv_4_a_right_one_is_entered(self, settings: Settings) -> None:
        """4.4: "a backup accepts a NEW-VIEW if it is signed properly, if the VIEW-CHANGEs it contains are valid for
        view
        v + 1, and if the set O is correct; it verifies the correctness of O by performing a computation similar to
        the one
        used by the primary"; then it "multicasts a PREPARE for each message in O"."""
        group = self.prepared_group(settings)
        message = self.new_view(group, self.frames(group))
        group.say(1, message, 2, attachments=self.proposals(group, message))
        core = group.core(2)
        assert (core.view, core.status) == (1, Status.NORMAL)
        assert [entry.sequence_number for entry in message.chosen] == [1, 2]
        for entry in message.chosen:
            assert core.log.slots[entry.sequence_number].digest == entry.digest
            assert Prepare(1, entry.sequence_number, entry.digest, 2) in [m for s, m in group.sent if s == 2]

    def wrong(self, group: Group, message: NewView, *, frames: list[bytes] | None = None) -> Group:
        """A wrong NEW-VIEW convicts its primary: on to the next view."""
        if frames is not None:
            message = msgspec.structs.replace(message, view_changes=tuple(frames))
        group.say(1, message, 2, attachments=self.proposals(group, message))
        core = group.core(2)
        assert (core.view, core.status) == (2, Status.VIEW_CHANGE)
        assert core.views.pending_new_view is None
        assert own_view_changes(group, 2)[-1].view == 2
        return group

    @MODES
    @pytest.mark.parametrize(
        "lie",
        [
            "omits",
            "adds",
            "swaps",
            "null for a prepared",
            "other checkpoint",
            "later checkpoint",
            "order",
            "trailing null",
        ],
    )
    def test_nv_4_a_wrong_choice_is_refused(self, settings: Settings, lie: str) -> None:
        """P15: wrong O, a prepared request omitted, one added, null for a prepared slot, wrong min-s."""
        group = self.prepared_group(settings)
        right = self.new_view(group, self.frames(group))
        first, second = right.chosen
        changes: dict[str, dict[str, object]] = {
            "omits": {"chosen": (first,)},
            "adds": {"chosen": (first, second, Chosen(3, DIGEST))},
            "swaps": {"chosen": (Chosen(1, second.digest), Chosen(2, first.digest))},
            "null for a prepared": {"chosen": (Chosen(1, NULL_DIGEST), second)},
            "other checkpoint": {"checkpoint": CheckpointClaim(0, DIGEST)},
            "later checkpoint": {"checkpoint": CheckpointClaim(4, DIGEST), "chosen": ()},
            "order": {"chosen": (second, first)},
            "trailing null": {"chosen": (first, second, Chosen(3, NULL_DIGEST))},
        }
        self.wrong(group, msgspec.structs.replace(right, **changes[lie]))

    @MODES
    @pytest.mark.parametrize("lie", ["twice", "other view", "forged", "junk", "not one", "impossible"])
    def test_nv_4_wrong_view_changes_are_refused(self, settings: Settings, lie: str) -> None:
        """P16: duplicate senders, VIEW-CHANGEs of another view, forged ones, ones that no correct replica sends."""
        group = self.prepared_group(settings)
        frames = self.frames(group)
        right = self.new_view(group, frames)
        bad = {
            "twice": frames[1],
            "other view": group.authenticators[1].seal(empty(group, 2, 1)),
            "forged": frames[0][:-1] + bytes([frames[0][-1] ^ 1]),
            "junk": b"junk",
            "not one": group.authenticators[1].seal(Checkpoint(4, DIGEST, 1, 0)),
            "impossible": group.authenticators[1].seal(empty(group, 1, 1, checkpoints=())),
        }[lie]
        self.wrong(group, right, frames=[bad, *frames[1:]])

    def test_nv_2_without_a_quorum_it_is_not_examined(self) -> None:
        """P16: fewer than 2f + 1, or more than there are replicas."""
        group = self.prepared_group()
        frames = self.frames(group)
        right = self.new_view(group, frames)
        short = msgspec.structs.replace(right, view_changes=tuple(frames[:2]))
        long = msgspec.structs.replace(right, view_changes=tuple(frames * 2))
        assert group.refusal(2, 1, short) == "without a quorum of VIEW-CHANGEs"
        assert group.refusal(2, 1, long) == "without a quorum of VIEW-CHANGEs"

    def test_nv_2_only_from_the_primary_of_its_view_and_not_for_a_past_one(self) -> None:
        """NV-2, one condition at a time; the state stays as it was."""
        group = self.prepared_group()
        right = self.new_view(group, self.frames(group))
        assert "primary" in group.refusal(2, 3, msgspec.structs.replace(right, replica=3))
        assert "epoch" in group.refusal(2, 1, msgspec.structs.replace(right, epoch=1))
        group.say(1, right, 2)
        assert "left" in group.refusal(2, 1, right)

    def test_nv_4_for_a_later_view_it_takes_along_who_has_not_left(self) -> None:
        """P17, facts 1.7: a replica in an earlier view enters by a valid NEW-VIEW, whose quorum proves the view."""
        group = self.prepared_group()
        right = self.new_view(group, self.frames(group))
        group.stopped.discard(0)
        group.core(0).timers.timeout = 10**9
        assert group.core(0).view == 0
        group.say(1, right, 0, run=False)
        assert (group.core(0).view, group.core(0).status) == (1, Status.NORMAL)

    def test_nv_4_a_wrong_one_for_a_later_view_moves_nobody(self) -> None:
        """Its sender is a liar; that is no reason to leave a view."""
        group = self.prepared_group()
        right = self.new_view(group, self.frames(group))
        group.stopped.discard(0)
        group.core(0).timers.timeout = 10**9
        wrong = msgspec.structs.replace(right, chosen=())
        assert "does not follow" in group.refusal(0, 1, wrong)

    def test_nv_3_the_new_primary_leads_with_a_quorum(self) -> None:
        """4.4: "when the primary p of view v + 1 receives 2f valid VIEW-CHANGEs for view v + 1 from other replicas, it
        multicasts a NEW-VIEW": with its own a quorum, with fewer nothing."""
        group = Group(4, SMALL)
        silence(group)
        group.submit(group.request((), 0, 1), 1)
        group.advance(1100)
        assert group.core(1).view == 1
        group.say(2, empty(group, 1, 2), 1)
        assert group.core(1).status is Status.VIEW_CHANGE
        group.say(3, empty(group, 1, 3), 1)
        assert group.core(1).status is Status.NORMAL
        (sent,) = {m for s, m in group.sent if s == 1 and isinstance(m, NewView)}
        assert len(sent.view_changes) == 3
        # What waits is ordered by the new primary above what the NEW-VIEW speaks of.
        assert {m.sequence_number for s, m in group.sent if s == 1 and isinstance(m, PrePrepare)} == {1}

    def test_nv_3_the_new_primary_waits_for_the_bodies(self) -> None:
        """A3, facts 2.6 point 6: a primary that re-proposes a digest without its body would block the view."""
        group = Group(4, SMALL)
        session = group.open_session()
        group.reaches = lambda sender, receiver, message: (
            not isinstance(message, Commit | Decided) and not (receiver == 1 and isinstance(message, PrePrepare))
        )
        group.submit(group.request((b"add 1",), session, 1), 0)
        digest = group.core(2).log.slots[2].digest
        assert digest is not None
        assert (
            group.core(2).log.slots[2].phase is Phase.PREPARED or group.core(2).log.slots[2].phase is Phase.PRE_PREPARED
        )
        for backup in (1, 2, 3):
            others = [number for number in (0, 2, 3) if number != backup]
            group.say(backup, Prepare(0, 2, digest, backup), *others, run=False)
        assert group.core(2).log.slots[2].phase is Phase.PREPARED
        group.stopped.add(0)
        group.reaches = lambda sender, receiver, message: (
            not isinstance(message, Batches | PrePrepare | Decided | Commit)
        )
        group.submit(group.request((), 0, 2), 1, 2, 3)
        group.advance(1200)
        assert (group.core(1).view, group.core(1).status) == (1, Status.VIEW_CHANGE)
        assert digest in group.core(1).missing
        group.reaches = lambda sender, receiver, message: True
        group.advance(900)
        assert (group.core(1).view, group.core(1).status) == (1, Status.NORMAL)
        assert group.core(3).log.decided_digest(2) == digest

    def test_nv_5_what_is_chosen_runs_all_phases_and_is_not_executed_again(self) -> None:
        """Facts 1.6: all of min-s + 1 .. max-s "is re-run through 3 phases; already executed requests are not
        re-executed"."""
        group = Group(4, SMALL)
        session = group.open_session()
        group.submit(group.request((b"add 1",), session, 1))
        group.stopped.add(0)
        group.submit(group.request((b"add 1",), session, 2))
        group.advance(1500)
        assert [total_of(group.services[number]) for number in (1, 2, 3)] == [2] * 3
        for number in (1, 2, 3):
            assert group.core(number).log.slots[1].phase is Phase.COMMITTED
            executed = [t.details["sequence_number"] for t in group.traces[number] if t.event == "executed"]
            assert executed == [1, 2, 3]

    def test_nv_5_gaps_become_null_requests(self) -> None:
        """P4, 4.4: a number for which nothing prepared, below one for which something did, gets a null request."""
        group = Group(4, SMALL)
        session = group.open_session()
        frame = group.request((b"add 1",), session, 1)
        core = group.core(0)
        core.next_sequence_number = 4
        group.reaches = lambda sender, receiver, message: not isinstance(message, Commit | Decided)
        group.submit(frame, 0)
        group.reaches = lambda sender, receiver, message: True
        group.stopped.add(0)
        group.advance(2500)
        assert [group.core(number).last_executed for number in (1, 2, 3)] == [4] * 3
        assert [group.core(1).log.decided_digest(number) for number in (2, 3)] == [NULL_DIGEST] * 2
        assert [total_of(group.services[number]) for number in (1, 2, 3)] == [1] * 3

    def test_nv_5_what_is_chosen_skips_client_authentication(self) -> None:
        """Architecture: "what a valid NEW-VIEW chose skips client authentication and clock checks"; A2 vouches for
        it."""
        settings = Settings(checkpoint_interval=4, request_authentication="mac")
        group = Group(4, settings)
        session = group.open_session()
        frame = group.request((b"add 1",), session, 1)
        mac = bytearray(frame)
        mac[-1] ^= 1  # the last byte of the authenticator's last MAC but for the empty list of attachments
        mac[-2] ^= 1
        group.reaches = lambda sender, receiver, message: receiver != 3 and not isinstance(message, Commit | Decided)
        group.submit(bytes(frame[:-2]) + bytes(mac[-2:-1]) + frame[-1:], 0)
        assert group.core(2).log.slots[2].phase is Phase.PREPARED
        group.stopped.add(0)
        group.reaches = lambda sender, receiver, message: not isinstance(message, Decided)
        group.submit(group.request((), 0, 2), 1, 2, 3)
        group.advance(2500)
        assert [total_of(group.services[number]) for number in (1, 2, 3)] == [1] * 3
        assert group.core(3).log.slots[2].phase is Phase.COMMITTED

    def test_nv_6_who_lacks_the_checkpoint_enters_when_it_has_it(self) -> None:
        """Decisions, water marks: "a replica that lacks a NEW-VIEW's checkpoint does not enter until it has
        fetched it.
        Fetching survives view changes and suspends the timer" (N6)."""
        group = Group(4, SMALL)
        session = group.open_session()
        group.reaches = lambda sender, receiver, message: receiver != 3
        for timestamp in range(1, 8):
            group.submit(group.request((b"add 1",), session, timestamp), 0)
        assert group.core(1).log.low_watermark == 8
        group.stopped.add(0)
        group.reaches = lambda sender, receiver, message: not isinstance(message, StatePieces | Decided)
        group.submit(group.request((b"add 1",), session, 8), 1, 2, 3)
        core = group.core(3)
        for _ in range(40):
            group.advance(50)
            if core.views.pending_new_view is not None:
                break
        assert core.status is Status.VIEW_CHANGE
        assert core.views.pending_new_view is not None
        assert core.timers.view_change_deadline is None
        group.reaches = lambda sender, receiver, message: True
        group.advance(4000)
        assert core.status is Status.NORMAL
        assert [total_of(group.services[number]) for number in (1, 2, 3)] == [8] * 3

    def test_nv_7_no_proposal_for_what_the_new_view_speaks_of(self) -> None:
        """In the new view its primary proposes above the choice; a number below, chosen or not, is not up for grabs."""
        group = self.prepared_group()
        right = self.new_view(group, self.frames(group))
        group.say(1, right, 2)
        null = b"\x92\x00\x90"
        assert "another digest" in group.refusal(2, 1, PrePrepare(1, 2, NULL_DIGEST, 1), (null,))
        group.core(2).log.slots[2].digest = None  # as a replica that has not got its slot yet
        assert "speaks of this number" in group.refusal(2, 1, PrePrepare(1, 2, NULL_DIGEST, 1), (null,))
        before = group.core(2).log.covered
        assert before == 2
        group.say(1, PrePrepare(1, 3, NULL_DIGEST, 1), 2, attachments=(null,))
        assert group.core(2).log.slots[3].digest == NULL_DIGEST

    def test_nv_7_what_was_chosen_above_the_own_window_waits_for_it(self) -> None:
        """A replica enters by a checkpoint that it holds and that is not stable here: numbers chosen above its own high
        watermark get their digests when the watermark moves, and go to nothing else until then."""
        group = Group(4, SMALL)
        core = group.core(2)
        core.log.choose(10, {9: (DIGEST, b""), 10: (NULL_DIGEST, b"")})
        assert core.log.admit_chosen() == []
        group.reaches = lambda sender, receiver, message: not isinstance(message, Checkpoint)
        core.log.covered = 0
        for timestamp in range(1, 5):
            group.submit(group.request((), 0, timestamp), 0)
        core.log.covered = 10
        digest = core.checkpoints.held[4].digest
        for voter in (0, 1):
            group.say(voter, Checkpoint(4, digest, voter, 0), 2, run=False)
        assert core.log.low_watermark == 4
        assert core.log.slots[9].digest == DIGEST
        assert core.log.slots[10].digest == NULL_DIGEST


def test_sequence_numbers_never_reset() -> None:
    """Facts 1.9: "sequence numbers restart each view" is wrong."""
    group = Group(4, SMALL)
    session = group.open_session()
    group.submit(group.request((b"add 1",), session, 1))
    group.stopped.add(0)
    group.submit(group.request((b"add 1",), session, 2))
    group.advance(1500)
    assert group.core(1).next_sequence_number == 4


def test_p1_p17_a_silent_or_partial_primary_costs_a_view_not_the_service() -> None:
    """P1, P18: at most f views in a row are wasted; every request is executed once."""
    group = Group(7, SMALL)
    session = group.open_session()
    group.stopped |= {0, 1}
    for timestamp in range(1, 4):
        group.submit(group.request((b"add 1",), session, timestamp), 2, 3, 4, 5, 6)
        group.advance(5000)
    assert [total_of(group.services[number]) for number in range(2, 7)] == [3] * 5
    assert {group.core(number).view for number in range(2, 7)} == {2}


def test_p2_an_equivocating_primary_gets_at_most_one_digest_prepared() -> None:
    """P2, P3, 4.2: never prepared(m, v, n, i) and prepared(m', v, n, j) at correct i, j; afterwards all agree."""
    from quorate.core.log import open_batch
    from quorate.messages.codec import encode_batch
    from quorate.messages.protocol import Batch

    for split in range(1, 8):
        group = Group(4, SMALL)
        group.stopped.add(0)
        one = encode_batch(Batch(group.wall, ()))
        two = encode_batch(Batch(group.wall + 1, ()))
        for number in (1, 2, 3):
            data = one if split >> (number - 1) & 1 else two
            group.say(0, PrePrepare(0, 1, open_batch(data).digest, 0), number, attachments=(data,))
        for number in (1, 2, 3):
            group.say(0, Commit(0, 1, open_batch(one).digest, 0), number)
        prepared = {
            slot.digest for number in (1, 2, 3) if (slot := group.core(number).log.slots[1]).phase >= Phase.PREPARED
        }
        assert len(prepared) <= 1
        group.submit(group.request((), 0, 1), 1, 2, 3)
        group.advance(6000)
        assert len({group.core(number).log.decided_digest(1) for number in (1, 2, 3)}) == 1
        assert len({group.core(number).last_executed for number in (1, 2, 3)}) == 1
        assert min(group.core(number).last_executed for number in (1, 2, 3)) >= 1


def test_p18_n7_frequent_view_changes_lose_nothing() -> None:
    """N7: a view change every second request for a long time; exactly once, and the logs stay bounded."""
    group = Group(4, SMALL)
    session = group.open_session()
    for timestamp in range(1, 25):
        primary = group.core(0).view % 4 if group.core(0).status is Status.NORMAL else 3
        if timestamp % 2:
            group.stopped = {primary}
        group.submit(group.request((b"add 1",), session, timestamp))
        group.advance(2500)
        group.stopped = set()
        group.advance(300)
    group.advance(5000)
    assert [total_of(service) for service in group.services] == [24] * 4
    assert min(group.core(number).view for number in range(4)) >= 10
    assert max(len(group.core(number).log.slots) for number in range(4)) <= SMALL.window


def test_a_refused_message_in_a_view_change_changes_nothing() -> None:
    """4.4: what is not listened to is not remembered either."""
    group = Group(4, SMALL)
    silence(group)
    group.submit(group.request((), 0, 1), 1)
    group.advance(1100)
    core = group.core(1)
    before = state_of(core)
    frame = group.authenticators[0].seal(PrePrepare(0, 1, NULL_DIGEST, 0), (b"\x92\x00\x90",))
    group.replicas[1].receive(group.authenticators[1].open(frame), group.now, group.wall)
    assert state_of(core) == before


def ends_view(group: Group) -> None:
    """Let all timers of the present view expire."""
    group.advance(1500)


def test_gc_1_a_new_view_alone_does_not_move_the_low_watermark() -> None:
    """Facts 1.9: a quorum of CHECKPOINTs for garbage collection; f + 1 only to believe a digest.

    n = 4. Only replica 0 commits 1 and 2 and takes checkpoint 2; traitor 1 vouches for it in its VIEW-CHANGE, never in
    a CHECKPOINT, sends its NEW-VIEW to replica 0 alone, and is silent ever after. Had replica 0 cut its log then, no
    checkpoint would be vouched for by f + 1 and reached by a quorum: no view would ever begin again.
    """
    group = Group(4, SETTINGS)
    group.open_session()
    group.reaches = lambda sender, receiver, message: (
        not (isinstance(message, Commit) and receiver != 0) and not isinstance(message, Decided)
    )
    group.submit(group.request((), 0, 2))
    assert [group.core(number).last_executed for number in range(4)] == [2, 1, 1, 1]
    digest = group.core(0).checkpoints.held[2].digest
    # The old primary's view ends. The VIEW-CHANGE of traitor 1 says that it has the checkpoint.
    group.reaches = lambda sender, receiver, message: (
        1 not in (sender, receiver) and not isinstance(message, Commit | Decided)
    )
    group.stopped.add(1)
    group.submit(group.request((), 0, 3), 2, 3)
    ends_view(group)
    assert [group.core(number).view for number in (0, 2, 3)] == [1, 1, 1]
    view_changes = [frame for _, (vc, frame) in sorted(group.core(2).views.view_changes.items()) if vc.view == 1]
    assert len(view_changes) == 3
    honest = {vc.replica: vc for vc, _ in group.core(2).views.view_changes.values()}
    lie = ViewChange(1, 0, (*honest[2].checkpoints, CheckpointClaim(2, digest)), (), (), 1, 0)
    frames = (
        group.core(2).views.view_changes[0][1],
        group.authenticators[1].seal(lie),
        group.core(2).views.view_changes[2][1],
    )
    assert group.core(0).status is Status.VIEW_CHANGE
    choice = compute_new_view([honest[0], lie, honest[2]], quorums_of(4), SETTINGS.window)
    assert isinstance(choice, Choice)
    assert choice.checkpoint == CheckpointClaim(2, digest)
    group.say(1, NewView(1, frames, choice.checkpoint, choice.chosen, 1, 0), 0)
    assert (group.core(0).status, group.core(0).view) == (Status.NORMAL, 1)
    assert group.core(0).log.low_watermark == 0
    # Replicas 2 and 3 move on before they hear of that NEW-VIEW; from now on the three correct replicas talk.
    group.reaches = lambda sender, receiver, message: (
        1 not in (sender, receiver) and not (isinstance(message, NewView) and message.view == 1)
    )
    group.advance(60_000)
    assert {group.core(number).log.decided_digest(2) for number in (0, 2, 3)} != {None}
    assert [group.core(number).status for number in (0, 2, 3)] == [Status.NORMAL] * 3
    assert min(group.core(number).last_executed for number in (0, 2, 3)) >= 3
    assert Checkpoint in {type(message) for _, message in group.sent}
