"""Callers who read, write, append, add, compare-and-set and transfer through their doors, and note what they saw."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from random import Random
from typing import Final, NamedTuple

from quorate.errors import RequestFailed
from quorate.lab.chaos.doors import Command, Door, Reply, Unreached
from quorate.lab.chaos.history import ACCOUNTS, ADDENDS, Deed, Transfer, addend
from quorate.lab.workload import now
from quorate.sim.register import ABSENT, DONE, REFUSED

REGISTERS: Final = 5
DEEDS_PER_AGE: Final = 250
"""After about so many operations callers turn to new keys: short histories are judged quickly, and what was left
behind has to be there at the end all the same."""
_THINK_SECONDS: Final = 0.1
_READERS: Final = 16
_SHARES: Final = (
    *(("read", 0.2), ("write", 0.35), ("swap", 0.5), ("append", 0.6), ("add", 0.7), ("transfer", 0.88)),
    ("audit", 1.0),
)
"""Which operations come how often, cumulated."""
_KINDS: Final = {"append": "log", "transfer": "ledger", "audit": "ledger"}
"""Which keys they are about, where these are not registers."""


class Answer(NamedTuple):
    """What a caller was answered, as the specification words it."""

    result: str
    balances: tuple[int, ...] | None = None


class Workload:
    """A caller a door, with one operation at a time."""

    def __init__(self, doors: dict[str, Door], seed: int) -> None:
        self._doors = doors
        self._random = Random(f"workload {seed}")
        self._deeds: list[Deed] = []
        self._begun = 0
        self._additions = 0
        self._values: dict[str, str] = {}
        self._served: dict[str, int] = {}
        """When the last answered operation of each caller was invoked."""
        self._is_over = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def deeds(self) -> Sequence[Deed]:
        """All that was done."""
        return self._deeds

    def start(self) -> None:
        """Let the callers begin."""
        self._tasks = [asyncio.create_task(self._call(caller)) for caller in self._doors]

    async def all_served_since(self, moment: int, seconds: float, callers: Collection[str]) -> bool:
        """Wait until each of these has got an answer to what it asked after *moment*; False when that takes longer."""
        deadline = now() + int(seconds * 1_000_000)
        while not all(self._served.get(caller, -1) >= moment for caller in callers):
            if now() > deadline or any(task.done() for task in self._tasks):
                return False
            await asyncio.sleep(0.05)
        return True

    async def stop(self, seconds: float) -> None:
        """Let the callers finish what they wait for; who does not in time will never know."""
        self._is_over = True
        if not self._tasks:
            return
        _, waiting = await asyncio.wait(self._tasks, timeout=seconds)
        for task in waiting:
            task.cancel()
        for result in await asyncio.gather(*self._tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
        self._tasks = []

    async def read_all(self) -> None:
        """Read every key that was ever used once more, through the first door. That is part of the history."""
        keys = sorted({deed.key for deed in self._deeds})
        caller = next(iter(self._doors))
        waiting = iter(keys)

        async def read() -> None:
            for key in waiting:
                verb = "audit" if key.startswith("ledger") else "read"
                while await self._perform(caller, f"{verb} {key}", "the end") is None:
                    await asyncio.sleep(_THINK_SECONDS)

        await asyncio.gather(*(read() for _ in range(_READERS)))

    async def touch(self) -> None:
        """One more write, after the end."""
        await self._perform(next(iter(self._doors)), f"write touched {len(self._deeds)}", "the end")

    # -------------------------------------------------------------------------------------------- a caller

    async def _call(self, caller: str) -> None:
        while not self._is_over:
            invoked = now()
            answer = await self._perform(caller, self._next_operation(), caller)
            if answer is not None:
                self._served[caller] = invoked
            await asyncio.sleep(self._random.random() * 2 * _THINK_SECONDS)

    async def _perform(self, caller: str, wanted: str, name: str) -> Answer | None:
        """Have one operation executed and note it. None when the outcome stays unknown."""
        operation = wanted.replace("transfer ", "append ").replace("audit ", "read ")
        deed = Deed(name, operation, now(), failure="the caller stopped waiting")
        try:
            answer = await _execute(self._doors[caller], wanted)
        except Unreached:
            return None
        except BaseException as error:
            failure = str(error) if isinstance(error, RequestFailed) else deed.failure
            self._deeds.append(Deed(name, operation, deed.invoked, failure=failure))
            if isinstance(error, RequestFailed):
                return None
            raise
        self._deeds.append(Deed(name, operation, deed.invoked, now(), answer.result, answer.balances))
        self._values[deed.key] = answer.result
        if operation.startswith(("write ", "swap ")):
            self._values[deed.key] = operation.split(" ")[-1] if answer.result == DONE.decode() else "?"
        return answer

    def _next_operation(self) -> str:
        self._begun += 1
        number, age, random = self._begun, self._begun // DEEDS_PER_AGE, self._random
        draw = random.random()
        verb = next(verb for verb, share in _SHARES if draw < share)
        key = f"{_KINDS.get(verb, 'register')}-{age}"
        match verb:
            case "append":
                return f"append {key} {number}."
            case "add":
                self._additions += 1
                counter, place = divmod(self._additions, ADDENDS)
                return f"add counter-{counter} {addend(place)}"
            case "transfer":
                source, target = random.sample(range(ACCOUNTS), 2)
                return f"transfer {key} {Transfer(str(number), source, target, random.randint(1, 99))}"
            case "audit":
                return f"audit {key}"
        key = f"{key}-{random.randrange(REGISTERS)}"
        if verb == "swap":
            return f"swap {key} {self._values.get(key, ABSENT.decode())} {number}"
        return f"read {key}" if verb == "read" else f"write {key} {number}"


# ------------------------------------------------------------------------------------- the words of Redis


async def _execute(door: Door, operation: str) -> Answer:
    """Have it executed. Raises RequestFailed."""
    verb, key, *words = operation.encode().split(b" ")
    match verb:
        case b"read":
            return Answer(_text(await door.run([b"GET", key])))
        case b"write":
            return Answer(_expect(await door.run([b"SET", key, *words]), b"OK", DONE))
        case b"add":
            return Answer(str(await door.run([b"INCRBY", key, *words])))
        case b"append":
            return Answer(_text((await door.together([[b"APPEND", key, *words], [b"GET", key]]))[-1]))
        case b"swap":
            old = None if words[0] == ABSENT else words[0]
            return Answer((DONE if await door.swap(key, old, words[1]) else REFUSED).decode())
        case b"transfer":
            replies = await door.together([*_postings(key, words[0]), [b"APPEND", key, words[0]], _audit(key)])
            return _audited(replies[-1])
        case b"audit":
            return _audited(await door.run(_audit(key)))
    raise AssertionError(operation)


def _accounts(ledger: bytes) -> list[bytes]:
    return [b"account-%d-of-%b" % (account, ledger) for account in range(ACCOUNTS)]


def _postings(ledger: bytes, entry: bytes) -> list[Command]:
    _, source, target, amount = entry.removesuffix(b".").split(b":")
    accounts = _accounts(ledger)
    return [[b"DECRBY", accounts[int(source)], amount], [b"INCRBY", accounts[int(target)], amount]]


def _audit(ledger: bytes) -> Command:
    return [b"MGET", ledger, *_accounts(ledger)]


def _audited(reply: Reply) -> Answer:
    if not isinstance(reply, list):
        raise RequestFailed(f"MGET was answered by {reply!r}")
    ledger, *balances = map(_text, reply)
    return Answer(ledger, tuple(0 if one == ABSENT.decode() else int(one) for one in balances))


def _text(reply: Reply) -> str:
    """A string; ABSENT for none."""
    if reply is None:
        return ABSENT.decode()
    if not isinstance(reply, bytes):
        raise RequestFailed(f"the service answered {reply!r}")
    return reply.decode()


def _expect(reply: Reply, wanted: bytes, result: bytes) -> str:
    if reply != wanted:
        raise RequestFailed(f"the service answered {reply!r}")
    return result.decode()
