"""The mutants of session keys, epochs and recovery (docs/RECOVERY.md): see catalogue.py."""

from __future__ import annotations

from mutants.mutation import Edit, Mutant, mutant

KEYS = "core.session_keys:"
EPOCHS = "core.epochs:"
RECOVERY = "core.recovery:"
TABLE = "core.recoveries:Recoveries."


OF_RECOVERY = [
    # Session keys (facts 3.8)
    mutant(
        "session keys never change",
        "auth.authenticator:_Keys._agree_anew",
        "if other == own:",
        "if True:",
        "takeovers",
        "collude",
        "steal-sessions",
        rule="KEY-1",
    ),
    mutant(
        "a NEW-KEY with any counter is taken",
        KEYS + "accept",
        "if known is not None and message.counter <= known[0].counter:",
        "if known is not None and message == known[0]:",
        "takeovers",
        "replay-signed",
        "collude",
        played="test_an_old_new_key_would_give_the_stolen_keys_back",
    ),
    mutant(
        "NEW-KEY is said once",
        KEYS + "repeat",
        "if core.keys.said is not None:",
        "if False:",
        "takeovers",
    ),
    # Recovery epochs (decisions, old signatures)
    Mutant(
        "signatures of any epoch count",
        (
            Edit(TABLE + "doubt_epoch", "present = self.epoch_of(replica)", "return None"),
            Edit(EPOCHS + "are_present", "epoch_of = core.tables.recoveries.epoch_of", "return True"),
        ),
        "takeovers",
        ("past-view-changes", "omit-f-backups"),
        rule="EPOCH-1",
        played="test_what_was_signed_before_a_recovery_would_undo_what_committed_after_it",
    ),
    mutant(
        "what is kept of older epochs stays",
        EPOCHS + "rise",
        "if replica == core.replica_id:",
        "if True:",
        "takeovers",
        rule="EPOCH-2",
        played="test_what_a_replica_said_before_it_recovered_would_count_afterwards",
    ),
    mutant(
        "a view that keeps a recovered replica out is not left",
        EPOCHS + "who_is_kept_out",
        "if core.status is not Status.NORMAL:",
        "if True:",
        "takeovers",
        played="test_who_has_recovered_would_stay_out_of_the_view",
    ),
    # Recovery (facts 5.2)
    mutant(
        "a replica that lost its votes takes part at once",
        "core.restart:restore",
        "if lost_votes or RecoveryRecord(False) in kept.get(RecoveryRecord, ()):",
        "if False:",
        "takeovers",
        rule="REC-2",
    ),
    mutant(
        "the recovery point has no window above the request",
        "core.recoveries:recovery_point",
        "* interval + settings.window",
        "* interval",
        "takeovers",
        rule="REC-3",
        played="test_what_a_replica_forgot_would_lie_above_its_recovery_point",
    ),
    mutant(
        "a recovering replica says CHECKPOINT",
        "core.checkpoints:say",
        "if core.status is Status.RECOVERING:",
        "if False:",
        "crashes",
        rule="REC-2",
    ),
    mutant(
        "a crash in the middle ends a recovery",
        RECOVERY + "begin",
        "core.persist(RecoveryRecord(False))",
        "core.persist(RecoveryRecord(True))",
        "takeovers",
        rule="REC-3",
    ),
    mutant(
        "nobody orders null requests for a recovery",
        TABLE + "awaited",
        "return max(",
        "return 0 and max(",
        "takeovers",
    ),
    mutant(
        "a recovery request is executed again and again",
        TABLE + "is_new",
        "request.timestamp > row.counter",
        "True",
        "takeovers",
        "replay-signed",
        rule="REC-1",
    ),
    mutant(
        "a replica may recover as often as it likes",
        TABLE + "execute",
        "time < last.time + self._pause",
        "False",
        "takeovers",
        "recover-often",
        rule="REC-1",
        played="test_a_liar_would_recover_without_end",
    ),
]
