"""Scripts that a person can read: commands to a small world, and all that is seen of it.

Every message takes a millisecond, so the phases of the protocol come in columns. A digest is called by a letter in the
order of its first appearance. STATUS goes on all the time and is left out, but for `show-status`.

    cluster replicas=4 interval=4     a new world: K, the view-change timeout in ms, mac or signature
    traitor 0 equivocate double-vote  before the first `run`: replica 0 lies
    ask a write x 1; read x           client a makes a request
    run 20                            twenty milliseconds go by
    crash 2 / restart 2 / pause 2 50  a process ends, starts again, stands still
    cut 0 1 | 2 3 / mend              a partition; every link works again
    lose PREPARE 1 3                  the next PREPARE from 1 to 3 is lost
    show                              what every replica thinks
    registers x                       the value of a register at every replica
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from quorate.config import Settings
from quorate.core.effects import Trace
from quorate.errors import ConfigurationError, MalformedMessage
from quorate.messages.codec import decode, decode_envelope
from quorate.messages.digests import NULL_DIGEST
from quorate.messages.protocol import Message, Status
from quorate.sim.network import two_way_cut
from quorate.sim.plan import ClientPlan, NetworkPlan, Plan, TraitorPlan
from quorate.sim.register import RegisterService
from quorate.sim.trace import PAPER_NAMES, describe, describe_details
from quorate.sim.world import World

MILLISECOND: Final = 1000
SETTINGS: Final = Settings(
    request_authentication="mac",
    view_change_timeout_ms=50,
    view_change_timeout_max_ms=400,
    status_interval_ms=20,
)
SHOWN: Final = ("view-change", "entered-view", "stable", "state-transfer", "state-fetched", "executed")
"""Of what replicas trace, what a reader wants to see."""


class StagedWorld(World):
    """A world in which single messages can be lost on purpose."""

    def __init__(self, plan: Plan, stage: Stage) -> None:
        self.losses: list[tuple[str, int, int]] = []
        """A message type of the paper, its sender and its receiver: the next such message does not arrive."""
        self._stage = stage
        super().__init__(plan, stage)

    def transmit(self, sender: int, receiver: int, frame: bytes) -> None:
        """Hand a frame to the network, unless it is to be lost."""
        loss = (PAPER_NAMES.get(type(message_of(frame)), ""), sender, receiver)
        if loss in self.losses:
            self.losses.remove(loss)
            self._stage.note(self.now, sender, f"{loss[0]} to {self._stage.name(receiver)} is lost")
        else:
            super().transmit(sender, receiver, frame)


class Line:
    """Something that was seen: when, where, and what. A message that arrives at several at once is one line."""

    def __init__(self, time: int, where: str, text: str, key: object = None) -> None:
        self.time = time
        self.where = where
        self.text = text
        self.key = key

    def render(self) -> str:
        """The line as the script shows it, times in milliseconds."""
        return f"{self.time / MILLISECOND:8.1f}  {self.where:<12} {self.text}".rstrip()


class Stage:
    """One script on its way: the world, and what was seen since the last command."""

    def __init__(self) -> None:
        self._seen: list[Line] = []
        self._names: dict[bytes, str] = {NULL_DIGEST: "null"}
        self._plan = Plan(0, "script", 4, SETTINGS, NetworkPlan(MILLISECOND, 1), (ClientPlan(0),) * 3)
        self._world: StagedWorld | None = None
        self._shows_status = False
        self._cut: tuple[tuple[int, int], ...] = ()
        self._commands: dict[str, Callable[[list[str]], None]] = {
            "cluster": self._do_cluster,
            "traitor": self._do_traitor,
            "ask": self._do_ask,
            "run": self._do_run,
            "crash": self._do_crash,
            "restart": self._do_restart,
            "pause": self._do_pause,
            "cut": self._do_cut,
            "mend": self._do_mend,
            "lose": self._do_lose,
            "show": self._do_show,
            "show-status": self._do_show_status,
            "registers": self._do_registers,
        }

    def do(self, command: str) -> list[str]:
        """Carry out one command; the lines that show what was seen of it, and any rule that was broken."""
        name, *words = command.split()
        if name not in self._commands:
            raise ConfigurationError(f"{name}: there is no such command; there are {', '.join(self._commands)}")
        self._seen = []
        self._commands[name](words)
        broken = (
            [f"BROKEN {verdict.rule}: {verdict.text}" for verdict in self._world.judge.verdicts] if self._world else []
        )
        return [*(line.render() for line in self._seen), *broken]

    @property
    def world(self) -> StagedWorld:
        """The world; it starts when it is needed first."""
        if self._world is None:
            self._world = StagedWorld(self._plan, self)
            self._world.start()
        return self._world

    # What is seen

    def name(self, node: int | None) -> str:
        """Replicas by number, clients by letter."""
        if node is None:
            return "*"
        return str(node) if node < self._plan.replicas else chr(ord("a") + node - self._plan.replicas)

    def deliver(self, time: int, sender: int, receiver: int, frame: bytes) -> None:
        """A frame arrives."""
        message = message_of(frame)
        if message is None or (isinstance(message, Status) and not self._shows_status):
            return
        key = (time, sender, frame)
        if self._seen and self._seen[-1].key == key:
            self._seen[-1].where += f" {self.name(receiver)}"
            return
        where = f"{self.name(sender)} -> {self.name(receiver)}"
        self._seen.append(Line(time, where, describe(message, self._digest), key))

    def note(self, time: int, node: int | None, text: str) -> None:
        """Something happens at a node, or to the whole world."""
        self._seen.append(Line(time, self.name(node), text))

    def trace(self, time: int, node: int, effect: Trace) -> None:
        """A replica traced something."""
        if effect.event in SHOWN:
            details = {key: value for key, value in effect.details.items() if isinstance(value, int | str)}
            self.note(time, node, f"* {effect.event}: {describe_details(details)}")

    def _digest(self, digest: bytes) -> str:
        return self._names.setdefault(digest, f"d{len(self._names)}")

    # Commands

    def _do_cluster(self, words: list[str]) -> None:
        options = dict(word.split("=") for word in words)
        self._plan = replace(
            self._plan,
            replicas=int(options.get("replicas", 4)),
            settings=replace(
                SETTINGS,
                checkpoint_interval=int(options.get("interval", 8)),
                view_change_timeout_ms=int(options.get("timeout", 50)),
                replica_authentication=options.get("authentication", "mac"),
            ),
        )

    def _do_traitor(self, words: list[str]) -> None:
        traitor = TraitorPlan(int(words[0]), tuple(words[1:]))
        self._plan = replace(self._plan, traitors=(*self._plan.traitors, traitor))

    def _do_ask(self, words: list[str]) -> None:
        client = self.world.clients[ord(words[0]) - ord("a")]
        client.ask(tuple(operation.strip().encode() for operation in " ".join(words[1:]).split(";")))

    def _do_run(self, words: list[str]) -> None:
        self.world.advance(self.world.now + int(words[0]) * MILLISECOND)

    def _do_crash(self, words: list[str]) -> None:
        self.world.replicas[int(words[0])].crash()

    def _do_restart(self, words: list[str]) -> None:
        self.world.replicas[int(words[0])].start()

    def _do_pause(self, words: list[str]) -> None:
        self.world.replicas[int(words[0])].pause(self.world.now + int(words[1]) * MILLISECOND)

    def _do_cut(self, words: list[str]) -> None:
        here, there = ([int(word) for word in part.split()] for part in " ".join(words).split("|"))
        self._cut += two_way_cut(here, there)
        self.world.network.cut(two_way_cut(here, there))

    def _do_mend(self, words: list[str]) -> None:
        self.world.network.mend(self._cut)
        self._cut = ()

    def _do_lose(self, words: list[str]) -> None:
        self.world.losses.append((words[0], int(words[1]), int(words[2])))

    def _do_show(self, words: list[str]) -> None:
        for node in self.world.replicas:
            self.note(self.world.now, node.address, node.describe())

    def _do_show_status(self, words: list[str]) -> None:
        self._shows_status = True

    def _do_registers(self, words: list[str]) -> None:
        for node in self.world.replicas:
            service = node.service.service
            if node.is_correct and isinstance(service, RegisterService):
                self.note(self.world.now, node.address, f"{words[0]} = {service.value(words[0].encode()).decode()}")


def message_of(frame: bytes) -> Message | None:
    """The message in a frame, None when there is none."""
    try:
        return decode(decode_envelope(frame).payload)
    except MalformedMessage:
        return None


def run_script(text: str) -> str:
    """A script with its output written anew: blocks of commands, `----`, and what was seen. `#` begins a comment."""
    stage = Stage()
    blocks: list[str] = []
    for block in text.strip("\n").split("\n\n"):
        commands = block.split("\n----")[0].split("\n")
        seen = [line for command in commands if not command.startswith("#") for line in stage.do(command)]
        is_comment = all(command.startswith("#") for command in commands)
        blocks.append("\n".join(commands if is_comment else [*commands, "----", *seen]))
    return "\n\n".join(blocks) + "\n"
