"""What the message path costs: `python -m benchmarks.message_path`, from the root of the checkout.

Four replicas and one client in this process, without sockets: frames are opened, the cores draw their conclusions,
replies are verified, every check on. What counts is processor time, so the figures hold on a busy machine too, if old
and new are run in turns. A turn of a replica takes in all that has come, as in a real cluster that is busy.

With --between so much memory is read before every turn, and not counted: what the processor's caches held of a replica
is gone then, as it is where other processes had the processor meanwhile.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from collections.abc import Sequence
from typing import Final, Literal, NamedTuple, get_args

from benchmarks.load.operations import redis_set
from quorate.auth.authenticator import ClientAuthenticator, ReplicaAuthenticator
from quorate.auth.keys import KeyPair
from quorate.client.session import Completed, SendRequest, Session
from quorate.config import ClientEntry, ClusterConfiguration, Member, Settings
from quorate.core.effects import Broadcast, Send, SendReply
from quorate.core.replica import Replica
from quorate.services.loading import load_service
from quorate.services.redis.operation import Pipeline, encode_operation

RequestAuthentication = Literal["signature", "mac"]

KEYS: Final = 10_000
_WARM_UP: Final = 32
_CACHE_LINE: Final = 64
_START: Final = 1_700_000_000_000_000


class Cost(NamedTuple):
    """Processor time of all replicas together and of the client, in seconds."""

    batches: int
    operations: int
    replicas: float
    client: float
    turns: int


class Group:
    """The replicas and the client, and the frames between them."""

    def __init__(self, replica_count: int, request_authentication: RequestAuthentication, between: int) -> None:
        keys = [KeyPair(bytes([1 + at]) * 32) for at in range(replica_count)]
        client = KeyPair(bytes(32))
        configuration = ClusterConfiguration(
            cluster_id="51" * 16,
            incarnation="0a" * 16,
            service="redis",
            settings=Settings(request_authentication=request_authentication),
            replicas=tuple(Member("127.0.0.1", 1 + at, key.public_key.hex()) for at, key in enumerate(keys)),
            clients=(ClientEntry("client", client.public_key.hex()),),
        )
        self._authenticators = [ReplicaAuthenticator(at, key, configuration) for at, key in enumerate(keys)]
        self._replicas = [
            Replica(at, configuration, load_service("redis"), authenticator, tracing=False)
            for at, authenticator in enumerate(self._authenticators)
        ]
        self._inboxes: list[deque[bytes]] = [deque() for _ in keys]
        self._to_client: list[bytes] = []
        self._authenticator = ClientAuthenticator(client, configuration)
        self._session = Session(self._authenticator, configuration, 1)
        self._now = _START
        self.seconds_of_replicas = self.seconds_of_client = 0.0
        self.turns = 0
        self._between = bytearray(between)

    def execute(self, operations: tuple[bytes, ...]) -> None:
        """Have one request ordered and executed, and let everything come to rest."""
        began = time.process_time()
        self._session.begin(operations, self._now)
        is_done = self._send_of_session()
        self.seconds_of_client += time.process_time() - began
        while any(self._inboxes):
            self._now += 100
            for at, inbox in enumerate(self._inboxes):
                if inbox:
                    sum(self._between[::_CACHE_LINE])
                    began = time.process_time()
                    self._take_turn(at, inbox)
                    self.seconds_of_replicas += time.process_time() - began
            began = time.process_time()
            is_done = self._receive_replies() or is_done
            self.seconds_of_client += time.process_time() - began
        if not is_done:
            raise RuntimeError("a request was not answered")

    def _take_turn(self, at: int, inbox: deque[bytes]) -> None:
        replica, authenticator, now = self._replicas[at], self._authenticators[at], self._now
        self.turns += 1
        while inbox:
            replica.receive(authenticator.open(inbox.popleft()), now, now)
        for effect in replica.settle(now, now):
            match effect:
                case Broadcast(_, frame):
                    for to, other in enumerate(self._inboxes):
                        if to != at:
                            other.append(frame)
                case Send(receiver, _, frame):
                    self._inboxes[receiver].append(frame)
                case SendReply(_, frame):
                    self._to_client.append(frame)
        replica.next_deadline()

    def _receive_replies(self) -> bool:
        is_done = False
        frames, self._to_client = self._to_client, []
        for frame in frames:
            reply = self._authenticator.open(frame)
            self._session.receive(reply, self._now)  # type: ignore[arg-type]
            is_done = self._send_of_session() or is_done
        return is_done

    def _send_of_session(self) -> bool:
        is_done = False
        for effect in self._session.settle(self._now):
            if isinstance(effect, SendRequest):
                for receiver in effect.receivers:
                    self._inboxes[receiver].append(effect.frame)
            else:
                is_done = is_done or isinstance(effect, Completed)
        return is_done


def measure(batches: int, operations_per_batch: int, group: Group) -> Cost:
    """Execute so many requests, each of so many SETs and in a batch of its own."""
    value = b"x" * 32
    operations = [encode_operation(Pipeline(0, 2, redis_set(b"key:%06d" % number, value))) for number in range(KEYS)]
    at = 0
    for count in range(_WARM_UP + batches):
        if count == _WARM_UP:
            group.seconds_of_replicas = group.seconds_of_client = 0.0
            group.turns = 0
        chosen = [operations[(at + index) % KEYS] for index in range(operations_per_batch)]
        at += operations_per_batch
        group.execute(tuple(chosen))
    return Cost(
        batches, batches * operations_per_batch, group.seconds_of_replicas, group.seconds_of_client, group.turns
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print a line for each number of operations in a request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.message_path", description=__doc__)
    parser.add_argument("--batches", type=int, default=1280)
    parser.add_argument("--operations", type=int, nargs="+", default=[1, 64], help="operations in a request")
    parser.add_argument("--replicas", type=int, default=4)
    parser.add_argument("--requests", choices=get_args(RequestAuthentication), default="signature")
    parser.add_argument("--between", type=int, default=0, metavar="BYTES", help="memory that is read between turns")
    chosen = parser.parse_args(arguments)
    for operations in chosen.operations:
        group = Group(chosen.replicas, chosen.requests, chosen.between)
        cost = measure(chosen.batches, operations, group)
        replica = cost.replicas / chosen.replicas * 1_000_000
        print(
            f"{operations} operations a batch: a replica {replica / cost.batches:.1f} us a batch, "
            f"{replica / cost.operations:.2f} us an operation, "
            f"{cost.turns / cost.batches / chosen.replicas:.1f} turns a batch; "
            f"the session {cost.client / cost.operations * 1_000_000:.2f} us an operation"
        )


if __name__ == "__main__":
    main()
