"""The judge of a service that it knows nothing about: the rules of the protocol, and what needs no model of a service.

The agreed order is the witness. Every correct replica executes it with equal results; a fresh instance of the service
that runs it alone gives the same results; what a client accepted stands in it, once; and a request that was asked after
another was answered stands behind it. Together that is linearizability.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from quorate.core.ports import Context, Service
from quorate.sim.checkers import Attempt, Details, Execution, Judge


class Answered(NamedTuple):
    """A request that has its results."""

    attempt: Attempt
    returned: int
    results: tuple[bytes | None, ...]


class ServiceJudge(Judge):
    """Judges a user's service."""

    def __init__(
        self,
        name: str,
        make: Callable[[], Service],
        correct_replicas: set[int],
        correct_clients: set[bytes],
        faults: int,
    ) -> None:
        super().__init__(correct_replicas, correct_clients, faults)
        self._name = name
        self._make = make
        self._asked_times: Counter[tuple[bytes, bytes]] = Counter()
        self._executed_times: Counter[tuple[bytes, bytes]] = Counter()
        self._answered: list[Answered] = []

    def is_said_once(self, client: bytes, operation: bytes) -> bool:
        """A client may say the same again; `_check_new` counts."""
        return False

    def see_asked(self, attempt: Attempt) -> None:
        """A correct client makes a request."""
        super().see_asked(attempt)
        self._asked_times.update((attempt.public_key, operation) for operation in attempt.operations)

    def see_completed(self, attempt: Attempt, results: tuple[bytes | None, ...], now: int) -> None:
        """A correct client accepted a reply."""
        self.see_promised(attempt)
        self._answered.append(Answered(attempt, now, results))

    def see_lost(self, attempt: Attempt) -> None:
        """It may have been executed or not."""

    def check_histories(self) -> None:
        """Look at the agreed order as a whole."""
        for promise in self.promised():
            self.accuse("reply without execution", promise)
        self._check_alone()
        for answered in self._answered:
            self._check_answer(answered)
        self._check_real_time()

    def _check_new(self, replica: int, number: int, execution: Execution) -> None:
        super()._check_new(replica, number, execution)
        if execution.client in self._clients:
            said = (execution.client, execution.operation)
            self._executed_times[said] += 1
            if self._executed_times[said] > self._asked_times[said] > 0:
                self.accuse("exactly once", f"{execution.operation!r} is executed at {number} once more than asked for")

    def _is_executed(self, attempt: Attempt) -> bool:
        """By its session and timestamp: its operations may have been asked for before."""
        return (attempt.public_key, *attempt.request) in self._executed_requests

    def _differs(self, replica: int, place: str, execution: Execution, known: Execution) -> None:
        if execution._replace(result=known.result) != known:
            super()._differs(replica, place, execution, known)
            return
        self.accuse(
            "determinism",
            f"service {self._name}: at {place} replica {replica} answers {execution.operation!r} with "
            f"{execution.result!r}, another replica with {known.result!r}",
        )

    def _hear_checkpoint(self, replica: int, details: Details) -> None:
        number = details["sequence_number"]
        if self._checkpoints.setdefault(number, details["digest"]) != details["digest"]:
            self.accuse(
                "equal checkpoints", f"service {self._name}: replica {replica} has another state at checkpoint {number}"
            )

    def see_raised(self, replica: int, operation: bytes, error: Exception) -> None:
        """The service of a correct replica raised."""
        self.accuse(
            "service raises",
            f"service {self._name}: at replica {replica} {operation!r} raised {type(error).__name__}: {error}; "
            "bad input gets a result that says so",
        )

    # The agreed order

    def _check_alone(self) -> None:
        """A fresh instance that runs the agreed order by itself answers alike."""
        service = self._make()
        for number, executions in sorted(self._executions.items()):
            for index, execution in enumerate(executions):
                context = Context(execution.client, execution.time, execution.seed, number)
                if execution.is_tick:
                    service.tick(context)
                    continue
                result = service.execute(execution.operation, context)
                if result != execution.result:
                    self.accuse(
                        "determinism",
                        f"service {self._name}: at {number}.{index} the replicas answered {execution.operation!r} with "
                        f"{execution.result!r}; an instance that runs the same operations alone says {result!r}",
                    )
                    return

    def _check_answer(self, answered: Answered) -> None:
        """What a client accepted is what was executed, together and in its order."""
        attempt = answered.attempt
        number = self._number_of(attempt)
        executions = [execution for execution in self._executions[number] if execution.client == attempt.public_key]
        count = len(attempt.operations)
        if not any(_matches(answered, executions[at : at + count]) for at in range(len(executions) - count + 1)):
            self.accuse(
                "reply of the agreed order",
                f"service {self._name}: client {attempt.client} got {answered.results} for {attempt.operations}, "
                f"which is not what the replicas executed at {number}",
            )

    def _check_real_time(self) -> None:
        """A request that was asked after another was answered is executed behind it."""
        by_return = sorted(self._answered, key=lambda answered: answered.returned)
        latest, returned = 0, 0
        for answered in sorted(self._answered, key=lambda answered: answered.attempt.invoked):
            attempt = answered.attempt
            while returned < len(by_return) and by_return[returned].returned < attempt.invoked:
                latest = max(latest, self._number_of(by_return[returned].attempt))
                returned += 1
            number = self._number_of(attempt)
            if number <= latest:
                self.accuse(
                    "linearizability",
                    f"client {attempt.client} asked {attempt.operations} at {attempt.invoked / 1e6:.6f}, when what "
                    f"stands at {latest} was answered; it was executed at {number}",
                )
                return

    def _number_of(self, attempt: Attempt) -> int:
        """Where the request was executed; 0 when no correct replica says that it did."""
        return self._executed_requests.get((attempt.public_key, *attempt.request), 0)


def _matches(answered: Answered, executions: list[Execution]) -> bool:
    """None stands for a result that was too large for one reply."""
    return all(
        operation == execution.operation and result in (None, execution.result)
        for operation, result, execution in zip(answered.attempt.operations, answered.results, executions, strict=True)
    )
