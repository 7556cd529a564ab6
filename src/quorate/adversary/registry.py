"""All strategies by name. The names are those that plans, commands and reports use."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Final, TypeVar

from quorate.adversary.clients.big_mac import BigMac
from quorate.adversary.clients.garbage import Garbage
from quorate.adversary.clients.replay_requests import ReplayRequests
from quorate.adversary.clients.two_faced import TwoFaced
from quorate.adversary.liar import Liar, LiarStrategy, LiarTools
from quorate.adversary.replicas.double_vote import DoubleVote
from quorate.adversary.replicas.equivocate import Equivocate
from quorate.adversary.replicas.lying_checkpoint import LyingCheckpoint
from quorate.adversary.replicas.mute import Mute
from quorate.adversary.replicas.omit_f_backups import OmitBackups
from quorate.adversary.replicas.silent_primary import SilentPrimary
from quorate.adversary.replicas.withhold_checkpoints import WithholdCheckpoints
from quorate.adversary.replicas.wrong_replies import WrongReplies
from quorate.adversary.replicas.wrong_time import WrongTime
from quorate.adversary.traitor import Conspiracy, MakeProcess, Process, Strategy, Tools, Traitor
from quorate.auth.authenticator import ClientAuthenticator
from quorate.core.quorum import Quorums
from quorate.errors import ConfigurationError

Kind = TypeVar("Kind")

REPLICA_STRATEGIES: Final[dict[str, type[Strategy]]] = {
    "double-vote": DoubleVote,
    "equivocate": Equivocate,
    "lying-checkpoint": LyingCheckpoint,
    "mute": Mute,
    "omit-f-backups": OmitBackups,
    "silent-primary": SilentPrimary,
    "withhold-checkpoints": WithholdCheckpoints,
    "wrong-replies": WrongReplies,
    "wrong-time": WrongTime,
}
CLIENT_STRATEGIES: Final[dict[str, type[LiarStrategy]]] = {
    "big-mac": BigMac,
    "garbage": Garbage,
    "replay-requests": ReplayRequests,
    "two-faced": TwoFaced,
}


def make_traitor(names: Sequence[str], tools: Tools, make: MakeProcess) -> Process:
    """A replica that lies in these ways; the first strategy is the innermost."""
    return Traitor(make(), [_find(REPLICA_STRATEGIES, name)(tools) for name in names])


def make_liar(
    names: Sequence[str],
    authenticator: ClientAuthenticator,
    quorums: Quorums,
    random: Random,
    conspiracy: Conspiracy,
) -> Liar:
    """A client that lies in these ways."""
    tools = LiarTools(authenticator, quorums, random, conspiracy)
    return Liar([_find(CLIENT_STRATEGIES, name)(tools) for name in names])


def _find(strategies: dict[str, Kind], name: str) -> Kind:
    try:
        return strategies[name]
    except KeyError:
        raise ConfigurationError(f"there is no strategy {name!r}; there are {', '.join(sorted(strategies))}") from None
