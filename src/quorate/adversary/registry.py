"""All strategies by name. The names are those that plans, commands and reports use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final, TypeVar

from quorate.adversary.clients.backups_only import BackupsOnly
from quorate.adversary.clients.big_mac import BigMac
from quorate.adversary.clients.false_reads import FalseReads
from quorate.adversary.clients.far_timestamp import FarTimestamp
from quorate.adversary.clients.flood import Flood
from quorate.adversary.clients.garbage import Garbage
from quorate.adversary.clients.pose_as_replica import PoseAsReplica
from quorate.adversary.clients.replay_requests import ReplayRequests
from quorate.adversary.clients.senseless_operations import SenselessOperations
from quorate.adversary.clients.two_faced import TwoFaced
from quorate.adversary.clients.wrong_session import WrongSession
from quorate.adversary.liar import Liar, LiarStrategy, LiarTools
from quorate.adversary.replicas.amnesia import Amnesia
from quorate.adversary.replicas.bad_batches import BadBatches
from quorate.adversary.replicas.collude import Collude
from quorate.adversary.replicas.double_vote import DoubleVote
from quorate.adversary.replicas.duplicate_requests import DuplicateRequests
from quorate.adversary.replicas.duplicate_senders import DuplicateSenders
from quorate.adversary.replicas.equivocate import Equivocate
from quorate.adversary.replicas.forge_certificates import ForgeCertificates
from quorate.adversary.replicas.forge_prepared import ForgePrepared
from quorate.adversary.replicas.forge_requests import ForgeRequests
from quorate.adversary.replicas.heavy_flood import HeavyFlood
from quorate.adversary.replicas.impossible_view_change import ImpossibleViewChange
from quorate.adversary.replicas.inflate_timeouts import InflateTimeouts
from quorate.adversary.replicas.lying_checkpoint import LyingCheckpoint
from quorate.adversary.replicas.lying_decided import LyingDecided
from quorate.adversary.replicas.lying_status import LyingStatus
from quorate.adversary.replicas.mutate import Mutate
from quorate.adversary.replicas.mute import Mute
from quorate.adversary.replicas.null_for_prepared import NullForPrepared
from quorate.adversary.replicas.omit_f_backups import OmitBackups
from quorate.adversary.replicas.omit_prepared import OmitPrepared
from quorate.adversary.replicas.own_requests import OwnRequests
from quorate.adversary.replicas.partial_macs import PartialMacs
from quorate.adversary.replicas.past_view_changes import PastViewChanges
from quorate.adversary.replicas.phantom_vote import PhantomVote
from quorate.adversary.replicas.recover_often import RecoverOften
from quorate.adversary.replicas.replay import Replay
from quorate.adversary.replicas.replay_signed import ReplaySigned
from quorate.adversary.replicas.silent_primary import SilentPrimary
from quorate.adversary.replicas.slow_primary import SlowPrimary
from quorate.adversary.replicas.stale_answers import StaleAnswers
from quorate.adversary.replicas.stale_new_view import StaleNewView
from quorate.adversary.replicas.starve_client import StarveClient
from quorate.adversary.replicas.steal_sessions import StealSessions
from quorate.adversary.replicas.too_few_senders import TooFewSenders
from quorate.adversary.replicas.twins import Twins
from quorate.adversary.replicas.two_faced_checkpoints import TwoFacedCheckpoints
from quorate.adversary.replicas.view_change_flood import ViewChangeFlood
from quorate.adversary.replicas.withhold_checkpoints import WithholdCheckpoints
from quorate.adversary.replicas.withhold_new_view import WithholdNewView
from quorate.adversary.replicas.withhold_nulls import WithholdNulls
from quorate.adversary.replicas.withhold_replies import WithholdReplies
from quorate.adversary.replicas.wrong_bodies import WrongBodies
from quorate.adversary.replicas.wrong_checkpoint import WrongCheckpoint
from quorate.adversary.replicas.wrong_numbers import WrongNumbers
from quorate.adversary.replicas.wrong_replies import WrongReplies
from quorate.adversary.replicas.wrong_time import WrongTime
from quorate.adversary.traitor import Conspiracy, MakeProcess, Process, Strategy, Tools, Traitor
from quorate.auth.authenticator import ClientAuthenticator
from quorate.config import ClusterConfiguration
from quorate.errors import ConfigurationError

Kind = TypeVar("Kind")

STRATEGIES: Final[dict[str, type[Strategy]]] = {
    "bad-batches": BadBatches,
    "collude": Collude,
    "double-vote": DoubleVote,
    "duplicate-requests": DuplicateRequests,
    "duplicate-senders": DuplicateSenders,
    "equivocate": Equivocate,
    "forge-certificates": ForgeCertificates,
    "forge-prepared": ForgePrepared,
    "forge-requests": ForgeRequests,
    "heavy-flood": HeavyFlood,
    "impossible-view-change": ImpossibleViewChange,
    "inflate-timeouts": InflateTimeouts,
    "lying-checkpoint": LyingCheckpoint,
    "lying-decided": LyingDecided,
    "lying-status": LyingStatus,
    "mutate": Mutate,
    "mute": Mute,
    "null-for-prepared": NullForPrepared,
    "omit-f-backups": OmitBackups,
    "omit-prepared": OmitPrepared,
    "own-requests": OwnRequests,
    "partial-macs": PartialMacs,
    "past-view-changes": PastViewChanges,
    "phantom-vote": PhantomVote,
    "recover-often": RecoverOften,
    "replay": Replay,
    "replay-signed": ReplaySigned,
    "silent-primary": SilentPrimary,
    "slow-primary": SlowPrimary,
    "stale-answers": StaleAnswers,
    "stale-new-view": StaleNewView,
    "starve-client": StarveClient,
    "steal-sessions": StealSessions,
    "too-few-senders": TooFewSenders,
    "view-change-flood": ViewChangeFlood,
    "two-faced-checkpoints": TwoFacedCheckpoints,
    "withhold-checkpoints": WithholdCheckpoints,
    "withhold-new-view": WithholdNewView,
    "withhold-nulls": WithholdNulls,
    "withhold-replies": WithholdReplies,
    "wrong-bodies": WrongBodies,
    "wrong-checkpoint": WrongCheckpoint,
    "wrong-numbers": WrongNumbers,
    "wrong-replies": WrongReplies,
    "wrong-time": WrongTime,
}
"""What is put around an honest replica."""
PROCESSES: Final[dict[str, Callable[[MakeProcess, Tools], Process]]] = {
    "amnesia": Amnesia,
    "twins": Twins,
}
"""What is made of honest replicas otherwise: at most one of these is inside a traitor."""
REPLICA_STRATEGIES: Final = tuple(sorted([*STRATEGIES, *PROCESSES]))
RECOVERY_STRATEGIES: Final = ("past-view-changes", "recover-often", "replay-signed", "steal-sessions", "withhold-nulls")
"""Those that are at home where replicas recover. They came later: profiles without takeovers do not draw them, so that
seeds keep their worlds."""
CLIENT_STRATEGIES: Final[dict[str, type[LiarStrategy]]] = {
    "backups-only": BackupsOnly,
    "big-mac": BigMac,
    "false-reads": FalseReads,
    "far-timestamp": FarTimestamp,
    "flood": Flood,
    "garbage": Garbage,
    "pose-as-replica": PoseAsReplica,
    "replay-requests": ReplayRequests,
    "senseless-operations": SenselessOperations,
    "two-faced": TwoFaced,
    "wrong-session": WrongSession,
}
READ_STRATEGIES: Final = ("stale-answers",)
READ_STRATEGIES_OF_CLIENTS: Final = ("false-reads",)
"""Those that are about reads. They came later too: `sim.reading` adds them to what profiles draw."""
DRAWN_STRATEGIES: Final = tuple(name for name in REPLICA_STRATEGIES if name not in READ_STRATEGIES)
DRAWN_STRATEGIES_OF_CLIENTS: Final = tuple(sorted({*CLIENT_STRATEGIES} - {*READ_STRATEGIES_OF_CLIENTS}))
"""What profiles draw from."""


def make_traitor(names: Sequence[str], tools: Tools, make: MakeProcess) -> Process:
    """A replica that lies in these ways; the first strategy is the innermost."""
    inner = next((PROCESSES[name](make, tools) for name in names if name in PROCESSES), None)
    strategies = [_find(STRATEGIES, name)(tools) for name in names if name not in PROCESSES]
    return Traitor(make() if inner is None else inner, strategies)


def make_liar(
    names: Sequence[str],
    authenticator: ClientAuthenticator,
    configuration: ClusterConfiguration,
    random: Random,
    conspiracy: Conspiracy,
) -> Liar:
    """A client that lies in these ways."""
    tools = LiarTools(authenticator, configuration, random, conspiracy)
    return Liar([_find(CLIENT_STRATEGIES, name)(tools) for name in names])


def _find(strategies: dict[str, Kind], name: str) -> Kind:
    try:
        return strategies[name]
    except KeyError:
        raise ConfigurationError(f"there is no strategy {name!r}; there are {', '.join(sorted(strategies))}") from None
