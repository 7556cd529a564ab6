"""The mutants: which rule is weakened, how, and in which kind of world that has to show."""

from __future__ import annotations

from typing import Any

from mutants.mutation import Edit, Mutant

LOG = "core.log:MessageLog."
NORMAL = "core.normal_case:"
ADMIT = "core.admission:"
VIEW = "core.view_change:"
NEW = "core.new_view:"
CHECK = "core.checkpoints:"
EXECUTE = "core.execution:"
TABLES = "core.tables:ReplicatedTables."
TIMER = "core.timers:"
RESEND = "core.retransmission:"
STATE = "core.state_transfer:"


def mutant(name: str, function: str, old: str, new: str, profile: str, *strategies: str, **more: Any) -> Mutant:
    """A mutant with one edit."""
    return Mutant(name, (Edit(function, old, new),), profile, strategies, **more)


PERSIST_P = "core.persist(PreparedRecord(claim.sequence_number, claim.digest, claim.view, claim.certificate))"

MUTANTS = [
    # Quorums (OSDI'99 4.2, 4.3)
    mutant(
        "prepared with a vote too few",
        LOG + "is_prepared",
        "matching >= self.quorums.quorum - 1",
        "matching >= self.quorums.quorum - 2",
        "traitors",
    ),
    mutant(
        "committed with f + 1 COMMITs",
        LOG + "is_committed_local",
        "matching >= self.quorums.quorum",
        "matching >= self.quorums.weak",
        "churn",
        "forge-prepared",
        "double-vote",
        budget=200,
    ),
    mutant(
        "votes counted per message, not per sender",
        NORMAL + "on_vote",
        "present = votes.get(message.replica)\n    if present is None:\n        votes[message.replica] = vote",
        "present = None\n    if present is None:\n        votes[1000 + len(votes)] = vote",
        "churn",
        "replay",
        "equivocate",
        "double-vote",
    ),
    mutant(
        "votes counted whatever their digest",
        LOG + "is_prepared",
        "if vote.digest == digest",
        "if True",
        "traitors",
    ),
    mutant(
        "COMMITs counted whatever their digest",
        LOG + "is_committed_local",
        "if vote.digest == digest",
        "if True",
        "churn",
        "phantom-vote",
        "forge-prepared",
        unnoticed="one digest prepares in a view: correct COMMITs agree, and a liar may as well send the right one",
    ),
    mutant(
        "the primary's PREPARE counts",
        ADMIT + "accept_vote",
        "if type(message) is Prepare and message.replica == primary_of(message.view, core.replica_count):",
        "if False:",
        "traitors",
        "equivocate",
        "double-vote",
        budget=200,
    ),
    mutant(
        "checkpoint stable with f + 1",
        CHECK + "stabilise_if_vouched",
        "len(frames) >= core.quorums.quorum",
        "len(frames) >= core.quorums.weak",
        "churn",
        "lying-checkpoint",
        "omit-f-backups",
    ),
    # Admission
    mutant(
        "PRE-PREPARE of any number",
        ADMIT + "accept_pre_prepare",
        "if not core.log.in_window(message.sequence_number):",
        "if False:",
        "traitors",
    ),
    mutant(
        "PRE-PREPARE of any view",
        ADMIT + "accept_pre_prepare",
        "if message.view != core.view or core.status is not Status.NORMAL:",
        "if False:",
        "churn",
        "wrong-numbers",
    ),
    mutant(
        "requests of a batch are not authenticated",
        ADMIT + "first_unauthentic_request",
        "for request, digest, frame in",
        "for request, digest, frame in [] and",
        "traitors",
        "forge-requests",
        budget=100,
    ),
    mutant(
        "votes outside the window",
        ADMIT + "accept_vote",
        "if not core.log.in_window(message.sequence_number):",
        "if False:",
        "traitors",
    ),
    mutant(
        "votes of any view",
        ADMIT + "accept_vote",
        "if message.view != core.view or core.status is not Status.NORMAL:",
        "if False:",
        "everything",
        budget=200,
    ),
    # Execution
    Mutant(
        "execution out of order",
        (
            Edit(
                EXECUTE + "execute_ready",
                "sequence_number = core.last_executed + 1",
                "sequence_number = max((n for n, s in core.log.slots.items() if n > core.last_executed and "
                "s.decided is not None), default=core.last_executed + 1)",
            ),
            Edit(
                EXECUTE + "execute_batch",
                'require(sequence_number == core.last_executed + 1, "execution is in sequence order")',
                "",
            ),
        ),
        "lossy",
    ),
    mutant(
        "a request with the last timestamp is executed again",
        TABLES + "judge",
        "if request.timestamp > row.timestamp:",
        "if request.timestamp >= row.timestamp:",
        "traitors",
        "duplicate-requests",
        budget=100,
    ),
    mutant(
        "an old request is executed again",
        TABLES + "judge",
        "return Verdict(False, Outcome.STALE, ())",
        "return Verdict(True, Outcome.EXECUTED, ())",
        "traitors",
        "duplicate-requests",
        budget=100,
    ),
    mutant(
        "an old opening opens a session again",
        TABLES + "open_session",
        "if request.timestamp < opening:",
        "if False:",
        "everything",
        "duplicate-requests",
        budget=200,
    ),
    mutant(
        "agreed time goes back",
        TABLES + "advance",
        "max(proposed_time, self.time + 1)",
        "proposed_time",
        "clocks",
    ),
    # View change (OSDI'00 4, facts 2.4)
    mutant(
        "a new view forgets what prepared",
        NEW + "compute_new_view",
        "highest = max(known.prepared, default=0)",
        "highest = 0",
        "everything",
        budget=200,
    ),
    mutant(
        "null without looking at P",
        NEW + "choose_digest",
        "claims = known.prepared.get(sequence_number, {})",
        "claims = {}",
        "everything",
        budget=200,
    ),
    mutant(
        "A1 dropped: later views do not matter",
        NEW + "choose_digest",
        "is_unopposed = remembering - contradicting >= quorums.quorum",
        "is_unopposed = True",
        "churn",
        "equivocate",
        "forge-prepared",
        budget=300,
    ),
    mutant(
        "A2 dropped: one claim is enough",
        NEW + "choose_digest",
        "_witnesses(sequence_number, digest, view, known) >= quorums.weak",
        "True",
        "churn",
        "forge-prepared",
        budget=200,
    ),
    mutant(
        "the lowest view wins",
        NEW + "choose_digest",
        "reverse=True",
        "reverse=False",
        "everything",
        budget=200,
        unnoticed="rule A1 lets at most one digest pass, in whatever order they are looked at",
    ),
    mutant(
        "a checkpoint with one voucher",
        NEW + "choose_checkpoint",
        "len(replicas) >= quorums.weak",
        "len(replicas) >= 1",
        "churn",
        "forge-prepared",
        budget=200,
    ),
    Mutant(
        "backups trust the new primary's choice",
        (
            Edit(VIEW + "examine", "(message.checkpoint, message.chosen) != choice", "False"),
            Edit(VIEW + "examine", "return choice\n", "return Choice(message.checkpoint, message.chosen)\n"),
        ),
        "churn",
        ("null-for-prepared", "omit-prepared"),
    ),
    mutant(
        "VIEW-CHANGEs of any view",
        VIEW + "open_view_changes",
        "inner.view != message.view or",
        "",
        "churn",
        "stale-new-view",
        budget=300,
    ),
    mutant(
        "P is dropped when a view is entered",
        VIEW + "enter",
        "core.status = Status.NORMAL\n",
        "core.status = Status.NORMAL\n    core.log.prepared_claims.clear()\n",
        "churn",
        budget=200,
    ),
    mutant(
        "Q is dropped when a view is entered",
        VIEW + "enter",
        "core.status = Status.NORMAL\n",
        "core.status = Status.NORMAL\n    core.log.pre_prepared_claims.clear()\n",
        "churn",
        "mute",
        unnoticed="entering a view puts all that it chose into Q again; what is lost can only delay a later choice",
    ),
    mutant(
        "P names the wrong view",
        NORMAL + "become_prepared",
        "PreparedClaim(slot.sequence_number, slot.digest, core.view,",
        "PreparedClaim(slot.sequence_number, slot.digest, 0,",
        "churn",
        budget=200,
    ),
    mutant(
        "null though some forgot the number (no guard h < n)",
        NEW + "choose_digest",
        "remembering = sum(1 for low_watermark in known.low_watermarks if low_watermark < sequence_number)",
        "remembering = len(known.low_watermarks)",
        "churn",
        "forge-prepared",
        replicas=7,
        unnoticed="no seed drew the seven replicas of facts 2.6 yet; test_counterexamples.py plays them by hand",
    ),
    mutant(
        "VIEW-CHANGEs with any contents",
        ADMIT + "possible_view_change",
        "low, window = message.low_watermark, core.log.window",
        "return None",
        "churn",
        "impossible-view-change",
        unnoticed="compute_new_view counts distinct senders only, and asks for witnesses of every claim",
    ),
    mutant(
        "a view is entered without its checkpoint",
        VIEW + "holds_checkpoint",
        "return claim.sequence_number < core.log.low_watermark or",
        "return True or",
        "everything",
        "lying-checkpoint",
    ),
    mutant(
        "the new-view timer starts with the own VIEW-CHANGE",
        VIEW + "conclude",
        "elif wanted >= core.quorums.quorum and",
        "elif",
        "partitions",
        budget=100,
    ),
    mutant(
        "f liars can make a replica join",
        VIEW + "join",
        "len(wanted) >= core.quorums.weak",
        "len(wanted) >= 1",
        "traitors",
        "view-change-flood",
        budget=200,
    ),
    mutant(
        "a replica joins the largest view",
        VIEW + "join",
        "min(wanted)",
        "max(wanted)",
        "churn",
        "view-change-flood",
        budget=200,
    ),
    # Timers and retransmission (facts 1.7, 3.9)
    mutant(
        "timers are never doubled",
        TIMER + "on_view_left",
        "min(2 * timers.timeout, timers.limit)",
        "timers.timeout",
        "impatient",
    ),
    mutant(
        "any progress restarts the timer",
        TIMER + "what_waits",
        "return oldest.digest",
        "return (oldest.digest, core.last_executed)",
        "traitors",
        "starve-client",
        budget=300,
    ),
    mutant(
        "VIEW-CHANGEs and NEW-VIEWs are sent once",
        RESEND + "help_with_views",
        "if not is_behind:",
        "if True:",
        "partitions",
    ),
    mutant(
        "votes are sent once",
        RESEND + "help_with_votes",
        "helped = 0",
        "return",
        "lossy",
        budget=100,
    ),
    mutant(
        "one DECIDED claim is enough",
        RESEND + "on_decided",
        "claims >= core.quorums.weak",
        "claims >= 1",
        "churn",
        "lying-decided",
        budget=100,
    ),
    mutant(
        "decisions are not told to laggards",
        RESEND + "help_with_decisions",
        "if entries:",
        "if False:",
        "partitions",
        budget=100,
    ),
    # State transfer (facts 4.4)
    mutant(
        "one CHECKPOINT is believed",
        STATE + "believed_checkpoint",
        "len(replicas) >= core.quorums.quorum",
        "len(replicas) >= 1",
        "churn",
        "lying-checkpoint",
        budget=200,
    ),
    mutant(
        "pieces of state are not checked",
        STATE + "on_state_pieces",
        "kind = kind_of_node(path, data, asked[0])",
        "kind = kind_of_node(path, data, asked[0]) or NodeKind.LEAF",
        "everything",
        "wrong-bodies",
        budget=300,
    ),
    # Durable votes (decisions)
    mutant(
        "Q is not on disk",
        NORMAL + "record_pre_prepare",
        "core.persist(PrePreparedRecord(slot.sequence_number, batch.digest, core.view, slot.proposal))",
        "pass",
        "crashes",
        budget=200,
    ),
    mutant(
        "P is not on disk",
        NORMAL + "become_prepared",
        "core.persist(PreparedRecord(claim.sequence_number, claim.digest, claim.view, claim.certificate))",
        "pass",
        "churn",
        "forge-prepared",
        budget=300,
    ),
    mutant(
        "the view is not on disk",
        VIEW + "start",
        "core.persist(ViewRecord(view, True, frame))",
        "pass",
        "churn",
        budget=200,
    ),
    Mutant(
        "COMMIT leaves before P is on disk",
        (
            Edit(NORMAL + "become_prepared", PERSIST_P, "pass"),
            Edit(NORMAL + "become_prepared", "core.broadcast(commit)", f"core.broadcast(commit); {PERSIST_P}"),
        ),
        "churn",
        ("forge-prepared",),
        budget=200,
    ),
    mutant(
        "bodies are not on disk",
        "core.context:Core.keep_batch",
        "self.persist(BatchRecord(sequence_number, batch.digest, batch.data))",
        "pass",
        "churn",
    ),
    mutant(
        "a restarted primary forgets what it proposed",
        "core.restart:restore_log",
        "core.next_sequence_number = max(log.low_watermark, log.covered, log.highest_proposed) + 1",
        "pass",
        "churn",
    ),
    # The client
    mutant(
        "a client believes one reply",
        "client.session:Session.replies_needed",
        "self._quorums.weak",
        "1",
        "traitors",
    ),
]
