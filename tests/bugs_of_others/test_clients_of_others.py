"""What clients of others saw: stale reads, requests executed twice, answers that never came (scenarios 13,
14 and 18; facts 7.3, C2 and C11)."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from bugs_of_others.staging import CAUGHT, SECOND, SMALL, Stage, plan_of, play, play_judged, weaken
from quorate.auth.authenticator import ClientAuthenticator
from quorate.client.session import Completed, SendRequest, Session
from quorate.client.votes import Votes
from quorate.config import Settings
from quorate.core import normal_case, replies, retransmission
from quorate.core.context import Status
from quorate.core.replica import DISPATCH
from quorate.core.tables import ReplicatedTables
from quorate.messages.codec import Envelope, decode_envelope, encode_envelope
from quorate.messages.protocol import Commit, Decided, Outcome, Prepare, PrePrepare, Request
from quorate.messages.protocol import Status as StatusMessage
from quorate.sim.plan import ClientPlan, Pause, Plan

MACS = Settings(checkpoint_interval=4, request_authentication="mac")


def paused_readers() -> Plan:
    """The primary stands still for a while, twice, longer than the others' patience, between readers and writers."""
    return plan_of(
        SMALL,
        clients=(ClientPlan(requests=150, keys=1, think=40_000),) * 4,
        faults=(Pause(SECOND // 2, 5 * SECOND // 2, 0), Pause(3 * SECOND, 5 * SECOND, 1)),
        safety=6 * SECOND,
    )


def test_scenario_13_no_stale_read_after_a_pause() -> None:
    """etcd #20418: a leader that was paused answered a read from the past when it went on. Reads are ordered here
    (there is no read-only path yet), and one replica convinces nobody: everything that the clients saw of one register,
    while two primaries slept through their own replacement, has one order."""
    _, outcome = play(paused_readers())
    assert outcome.views >= 2
    assert outcome.completed >= 600


def test_scenario_13_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads answered at once from whatever state is here, and believed of one replica."""
    honest = normal_case.on_request

    def hasty(core, opened):  # type: ignore[no-untyped-def]
        request = opened.message
        if request.session and all(operation.startswith(b"read ") for operation in request.operations):
            results = tuple(core.service.query(operation, None) for operation in request.operations)
            replies.send_reply(core, request, Outcome.EXECUTED, results)
        honest(core, opened)

    for table in DISPATCH.values():
        if Request in table:
            monkeypatch.setitem(table, Request, hasty)
    monkeypatch.setattr(Votes, "replies_needed", lambda self: 1)
    _, outcome = play_judged(paused_readers())
    assert {verdict.rule for verdict in outcome.verdicts} & {"linearizability", "reply without execution"}


@dataclass
class Process:
    """A client process: a session around a key that others may use too."""

    stage: Stage
    authenticator: ClientAuthenticator
    session: Session
    wanted: int
    results: list[int] = field(default_factory=list)
    read: int = 0

    def step(self) -> None:
        """Begin what is to begin, send what is to be sent, take in what came."""
        if self.session.is_idle and len(self.results) < self.wanted:
            self.session.begin((b"add 1",), self.stage.now)
        for _, reply in self.stage.replies[self.read :]:
            if reply.client == self.authenticator.client_id:
                self.session.receive(reply, self.stage.now)
        self.read = len(self.stage.replies)
        for effect in self.session.settle(self.stage.now):
            if isinstance(effect, SendRequest):
                self.stage.submit(effect.frame, *effect.receivers)
            else:
                assert isinstance(effect, Completed), effect
                self.results += [int(result) for result in effect.results if result is not None]


def share_a_key(requests: int, primaries_die: bool = True) -> tuple[Stage, list[Process]]:
    """Two processes have one key, and start a microsecond apart. Meanwhile primaries fall silent in the middle of
    things, after ordering and before anybody answers, so that everything is asked for again in the next view."""
    stage = Stage()
    processes = [
        Process(
            stage,
            stage.clients[0],
            Session(stage.clients[0], stage.configuration, 1000 + number, 1 + 500 * number),
            requests,
        )
        for number in range(2)
    ]
    for turn in range(4000):
        if all(len(process.results) >= requests for process in processes):
            break
        if primaries_die and turn % 40 == 10:
            stage.stopped = {max(stage.views()) % 4}
        elif turn % 40 == 12:
            stage.cut(Commit, only_to=(turn // 40 % 4,))
        elif turn % 40 == 36:
            stage.mend()
            stage.stopped = set()
        for process in processes:
            process.step()
        stage.advance(50)
    stage.asked = 2 * requests
    return stage, processes


def test_scenario_14_two_processes_with_one_key_retry_across_views() -> None:
    """RedisRaft and BFT-SMaRt: two clients with one id, or a retry after a change of leader, had an operation executed
    twice, or got the answer to another's. Here each process has a session of its own, and an operation has one place:
    every addition counts once, and each process got the results of its own."""
    stage, (one, other) = share_a_key(40)
    stage.assert_recovers()
    assert max(stage.views()) >= 2
    assert sorted(one.results + other.results) == list(range(1, 81))
    assert one.results == sorted(one.results)
    assert other.results == sorted(other.results)


def test_scenario_14_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client table that forgets the last request: a retry is new."""
    weaken(
        monkeypatch,
        ReplicatedTables.judge,
        "if request.timestamp > row.timestamp:",
        "if request.timestamp >= row.timestamp:",
    )
    with pytest.raises((*CAUGHT, AssertionError)):
        retry_across_a_view()


def retry_across_a_view() -> None:
    """A request commits at one replica, the primary dies, and the client asks everybody again in the new view."""
    stage = Stage()
    stage.open()
    stage.cut(Commit, Decided, StatusMessage, only_to=(0, 1, 2))
    stage.add()
    stage.stopped.add(0)
    while not all(stage.core(number).view and stage.core(number).status is Status.NORMAL for number in (1, 2, 3)):
        stage.advance(50)
    stage.mend()
    stage.advance(1000)
    assert stage.core(1).is_primary
    for _ in range(5):
        stage.retry(1, 2, 3)
        stage.submit(stage.request((b"add 1",), stage._session, 1), 1, 2, 3)
        stage.advance(100)
    frame = stage.request((b"add 1",), stage._session, 1)
    core = stage.core(1)
    waiting = normal_case.Waiting(stage.authenticators[1].open(frame).message, b"d" * 32, frame)  # type: ignore[arg-type]
    normal_case.propose_batch(
        core, [waiting._replace(digest=normal_case.request_digest(decode_envelope(frame).payload))]
    )
    stage.settle(1)
    stage.run()
    stage.assert_recovers()


def test_scenario_14_a_retry_that_is_ordered_again_is_answered_not_executed() -> None:
    """As above, with the retry ordered once more by the new primary, which does not know that the request committed."""
    retry_across_a_view()


def leave_one_out() -> set[int]:
    """The primary and one correct backup make a quorum with replica 1 and 2; the primary, a liar, leaves 3 out of
    everything and answers no client. Returns who answered."""
    stage = Stage(liars=(0,))
    stage.open()
    stage.reaches = lambda sender, receiver, message: (
        not (receiver == 3 and (sender == 0 or isinstance(message, PrePrepare | Prepare | Commit)))
    )
    stage.add(2, 0)
    assert stage.totals() == [2, 2, 0]
    stage.advance(3000)
    assert stage.views() == [0, 0, 0]
    return {replica for replica, reply in stage.replies if reply.session and reply.timestamp == 2 and replica}


def test_scenario_18_f_liars_keep_no_client_from_its_answers() -> None:
    """BFT-SMaRt, SRDS'21: with the read-only optimisation every request needs 2f + 1 answers; a malicious leader works
    with f + 1 correct replicas alone, the liars do not answer, and the client waits for ever, while too few replicas
    are behind to force a view change. There is no read-only path here yet, and f + 1 answers do; but already what was
    decided is passed on by any replica to any that lags, without a view change: all correct ones answer, which makes a
    quorum."""
    assert leave_one_out() == {1, 2, 3}


def test_scenario_18_would_be_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retransmission by the primary alone, as in the authors' library."""
    weaken(monkeypatch, retransmission.help_with_decisions, "if entries:", "if entries and core.is_primary:")
    with pytest.raises(AssertionError):
        test_scenario_18_f_liars_keep_no_client_from_its_answers()


def spoilt_for(stage: Stage, receiver: int, frame: bytes) -> bytes:
    """A request whose MAC does not hold at one replica; a signature is spoilt for all."""
    envelope = decode_envelope(frame)
    authentication = bytearray(envelope.authentication)
    authentication[receiver * 16 % len(authentication)] ^= 1
    return encode_envelope(Envelope(envelope.payload, bytes(authentication), envelope.attachments))


def test_c2_a_request_that_is_valid_for_the_backups_alone_with_macs() -> None:
    """C2, found beside the Big MAC attack: the copies that backups relay fail at a correct primary, and their timers
    end its view. With MACs that is one view for each such request, no more, and the next primary orders it; others'
    requests are all executed."""
    stage = Stage(4, MACS)
    stage.add()
    bad = spoilt_for(stage, 0, stage.request((), 0, 1, client=1))
    for receiver in (1, 2, 3):
        stage.receive(receiver, bad)
    stage.run()
    stage.add(3)
    stage.advance(5000)
    assert stage.views() == [1] * 4
    opening = stage.core(0).tables.last_opening(stage.clients[1].client_id)
    assert opening is not None
    assert opening.timestamp == 1
    stage.add(3)
    stage.assert_recovers()
    assert stage.views() == [1] * 4


def test_c2_with_signatures_there_is_no_such_request() -> None:
    """By default requests are signed: what one correct replica takes for authentic all do, and nobody takes this
    one."""
    stage = Stage()
    stage.add()
    bad = spoilt_for(stage, 0, stage.request((), 0, 1, client=1))
    for receiver in range(4):
        with pytest.raises(Exception, match="not authentic"):
            stage.authenticators[receiver].open(bad)


def test_c11_a_replicas_key_is_no_clients() -> None:
    """C11: a replica that asks as if it were a client (to spoof a recovery, say) is no client of the configuration: its
    request is refused at the door, and at execution, alike everywhere."""
    stage = Stage(liars=(3,))
    stage.add()
    key = bytes.fromhex(stage.configuration.replicas[3].public_key)
    for number in stage.correct:
        core = stage.core(number)
        assert not core.tables.may_use(key)
        assert core.tables.judge(Request(key, 1, 1, (b"add 1",))).outcome == Outcome.DENIED
    stage.assert_recovers()
