"""One run of a service in one process, with all that a single process can find out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from quorate.core.ports import Service
from quorate.messages.tree import Path
from quorate.services.conformance.plan import Finding, Plan, Transcript, new_service
from quorate.services.conformance.walk import BadNode, leaves_of

_QUERIED = 64
"""At each checkpoint so many of the last operations are asked as queries."""


@dataclass(frozen=True)
class _Held:
    """A checkpoint that the trial goes back to."""

    index: int
    """Of the operation before it."""
    number: int
    digest: bytes
    leaves: dict[Path, bytes]


class _Failed(Exception):
    """The trial cannot go on."""


class Trial:
    """Runs a plan on a service, and on others that start from its checkpoints."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._contexts = plan.contexts()
        self.transcript = Transcript([], {}, [], [])
        self._held: list[_Held] = []

    def run(self) -> Transcript:
        """What the service did. A service that fails at something is not asked for the rest."""
        try:
            service = new_service(self._plan.service)
            self._run_all(service)
            self._look_back(service)
            self._start_from_checkpoints()
            self._release(service)
        except _Failed:
            pass
        return self.transcript

    def _find(self, index: int, problem: str) -> None:
        self.transcript.findings.append(Finding(index, problem))

    def _fail(self, index: int, problem: str) -> _Failed:
        self._find(index, problem)
        return _Failed()

    def _ask(self, index: int, ask: Callable[..., Any], *arguments: object) -> Any:
        """Call a method of the service, which must not raise."""
        try:
            return ask(*arguments)
        except Exception as error:
            raise self._fail(index, f"{ask.__name__} raised {error!r}") from error

    def _execute(self, service: Service, index: int) -> bytes:
        """The result of an operation, which comes after a tick if one is due, as in a replica."""
        deadline = self._ask(index, service.next_deadline)
        if deadline is not None and deadline <= self._contexts[index].time:
            self._ask(index, service.tick, self._contexts[index])
        result = self._ask(index, service.execute, self._plan.steps[index].operation, self._contexts[index])
        if not isinstance(result, bytes):
            raise self._fail(index, f"execute returned a {type(result).__name__}, not bytes")
        return result

    def _run_all(self, service: Service) -> None:
        for index, step in enumerate(self._plan.steps):
            answer = self._ask(index, service.query, step.operation, self._contexts[index])
            result = self._execute(service, index)
            if answer is not None and answer != result:
                self._find(index, f"query answers {answer!r}, execute {result!r}")
            self.transcript.results.append(result)
            self.transcript.deadlines.append(self._ask(index, service.next_deadline))
            if self._is_checkpoint(index):
                self._take_checkpoint(service, index)

    def _is_checkpoint(self, index: int) -> bool:
        return (index + 1) % self._plan.checkpoint_interval == 0 or index + 1 == len(self._plan.steps)

    def _take_checkpoint(self, service: Service, index: int) -> None:
        # Three numbers: for the checkpoint, to see that queries change nothing, and that it can be reverted to.
        number = 3 * (index + 1)
        digest = self._ask(index, _checkpoint, service, number)
        if len(digest) != 32:
            raise self._fail(index, f"a checkpoint digest has 32 bytes, not {len(digest)}")
        self.transcript.digests[index] = digest
        self._held.append(_Held(index, number, digest, self._leaves(service, index, number, digest)))
        for step in self._plan.steps[max(index + 1 - _QUERIED, 0) : index + 1]:
            self._ask(index, service.query, step.operation, self._contexts[index])
        if self._ask(index, _checkpoint, service, number + 1) != digest:
            self._find(index, "a checkpoint after queries alone has another digest")

    def _leaves(self, service: Service, index: int, number: int, digest: bytes) -> dict[Path, bytes]:
        """All leaves of a held checkpoint, each node checked against its digest."""
        try:
            return leaves_of(service, number, digest)
        except BadNode as error:
            raise self._fail(index, f"in the checkpoint after it {error}") from error
        except Exception as error:
            raise self._fail(index, f"fetch raised {error!r}") from error

    def _look_back(self, service: Service) -> None:
        """Held checkpoints are as they were, whatever has happened since."""
        for held in self._held:
            if self._leaves(service, held.index, held.number, held.digest) != held.leaves:
                self._find(held.index, "the checkpoint after it has changed since")

    def _start_from_checkpoints(self) -> None:
        """Fresh instances that install a checkpoint go on just as the service did."""
        chosen = {self._held[place].index: self._held[place] for place in (0, len(self._held) // 2, -1)}
        for held in chosen.values():
            other = self._installed(new_service(self._plan.service), held, held.leaves)
            self._waver(other, held)
            self._follow(other, held)
        earlier, later = self._held[0], self._held[-1]
        laggard = self._installed(new_service(self._plan.service), earlier, earlier.leaves)
        self._installed(laggard, later, _difference(earlier.leaves, later.leaves))

    def _installed(self, service: Service, held: _Held, leaves: dict[Path, bytes]) -> Service:
        self._ask(held.index, service.install, held.number, leaves)
        self._leaves(service, held.index, held.number, held.digest)
        if service.next_deadline() != self.transcript.deadlines[held.index]:
            self._find(held.index, "an instance that installs the checkpoint after it has another deadline")
        if _checkpoint(service, held.number + 1) != held.digest:
            self._find(held.index, "an instance that installs the checkpoint after it has another digest")
        return service

    def _waver(self, service: Service, held: _Held) -> None:
        """Execute some of what comes after *held*, and go back to it."""
        for index in range(held.index + 1, len(self._plan.steps)):
            self._execute(service, index)
            if self._is_checkpoint(index):
                break
        self._ask(held.index, service.revert)
        if service.next_deadline() != self.transcript.deadlines[held.index]:
            self._find(held.index, "revert to the checkpoint after it gives another deadline")
        if _checkpoint(service, held.number + 2) != held.digest:
            self._find(held.index, "revert to the checkpoint after it gives another digest")

    def _follow(self, service: Service, held: _Held) -> None:
        """Execute what comes after *held*. Digests are asked for between operations, which must not show in them."""
        started: int | None = None
        for index in range(held.index + 1, len(self._plan.steps)):
            result, expected = self._execute(service, index), self.transcript.results[index]
            if result != expected:
                raise self._fail(
                    index,
                    f"an instance that installed or reverted to the checkpoint after operation {held.index} answers "
                    f"{result!r}, the one that executed all before answers {expected!r}",
                )
            if started is not None:
                started = self._compare_digest(service, held, started, wait=self._is_checkpoint(index))
            if self._is_checkpoint(index):
                self._ask(index, service.checkpoint, 3 * (index + 1))
                started = index
        if started is not None:
            self._compare_digest(service, held, started, wait=True)

    def _compare_digest(self, service: Service, held: _Held, index: int, wait: bool) -> int | None:
        """Compare the digest of the checkpoint after operation *index*; *index* as long as it is not known."""
        digest = self._ask(index, service.digest, 3 * (index + 1))
        while digest is None and wait:
            digest = self._ask(index, service.digest, 3 * (index + 1))
        if digest is None:
            return index
        if digest != self.transcript.digests[index]:
            raise self._fail(
                index, f"another digest in an instance that installed the checkpoint after operation {held.index}"
            )
        return None

    def _release(self, service: Service) -> None:
        """Those to be kept are kept, the newest one is kept anyway, and the others are gone."""
        last = self._held[-1]
        kept = self._held[len(self._held) // 2 :: 2]
        self._ask(last.index, service.release, {held.number for held in kept})
        if any(
            self._ask(last.index, service.fetch, held.number, ()) is not None for held in self._held if held not in kept
        ):
            self._find(last.index, "release leaves a checkpoint held that was not to be kept")
        for held in kept:
            if self._leaves(service, held.index, held.number, held.digest) != held.leaves:
                self._find(held.index, "release changes a checkpoint that was to be kept")
        self._leaves(service, last.index, last.number + 1, last.digest)


def _checkpoint(service: Service, number: int) -> bytes:
    """Take a checkpoint and wait for its digest."""
    digest = service.checkpoint(number)
    while digest is None:
        digest = service.digest(number)
    return digest


def _difference(earlier: dict[Path, bytes], later: dict[Path, bytes]) -> dict[Path, bytes]:
    """What a replica with the earlier leaves has to install; a leaf that is gone is one without contents."""
    gone = {path: b"" for path in earlier if path not in later}
    return {path: data for path, data in later.items() if earlier.get(path) != data} | gone
