"""`python -m benchmarks.attacker FOLDER ATTACK SECONDS`: f replicas of a laboratory attack for a while, and so does a
client, while another client floods the cluster. Prints a line once it has begun.

A process of its own: what the attackers' side of the lies takes is not the load's.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import uvloop

from quorate.auth.keys import KeyPair
from quorate.core.quorum import quorums_of
from quorate.lab.catalogue import Attack, Kind, choose_paused, choose_traitor, find_attack
from quorate.lab.course import NUDGE_AFTER_SECONDS, NUDGE_TIMEOUTS
from quorate.lab.dialects import dialect_of
from quorate.lab.hands import Hands, LabCutter
from quorate.lab.liar import LyingClient
from quorate.lab.members import Laboratory, load_laboratory

FLOOD: Final = "flood"
_SEED: Final = 1


async def attack_for(laboratory: Laboratory, attack: Attack, seconds: float) -> None:
    """Begin, go on for so long, and end."""
    configuration = laboratory.configuration
    count = configuration.replica_count
    traitors: list[int] = []
    for _ in range(quorums_of(count).faults if attack.kind is not Kind.CLIENT else 0):
        ahead = len(traitors)  # the next ones suit the roles of the views that follow
        traitors.append((choose_traitor(attack, 0, count) + ahead) % count)
    folder = laboratory.cluster.replica
    hands = Hands(folder, count, LabCutter(folder, count))
    liars: list[tuple[KeyPair, tuple[str, ...]]] = [(laboratory.callers[1], (FLOOD,))]
    if attack.kind is Kind.CLIENT and attack.name != FLOOD:
        liars.append((laboratory.liar, attack.strategies))
    async with AsyncExitStack() as stack:
        dialect = dialect_of(configuration.service)
        for number, (key, strategies) in enumerate(liars):
            liar = LyingClient(key, configuration, strategies, dialect, f"liar-{number}", _SEED)
            stack.push_async_callback(liar.stop)
        await hands.begin(attack, traitors, _SEED)
        print("begun", flush=True)
        paused = choose_paused(attack, 0, count, traitors)
        await asyncio.sleep(NUDGE_AFTER_SECONDS)
        if paused is not None:
            await hands.pause_for(paused, NUDGE_TIMEOUTS * configuration.settings.view_change_timeout_ms / 1000)
        await asyncio.sleep(seconds)
        await hands.end(attack, traitors)


def main() -> None:
    """Attack, and end."""
    _, folder, name, seconds = sys.argv
    uvloop.run(attack_for(load_laboratory(Path(folder)), find_attack(name), float(seconds)))


if __name__ == "__main__":
    main()
