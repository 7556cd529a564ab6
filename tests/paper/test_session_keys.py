"""Session keys and their refresh (OSDI'00; facts 3.7, 3.8; docs/RECOVERY.md)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from core.group import Group, key_pair, total_of
from quorate.auth.authenticator import ReplicaAuthenticator
from quorate.config import Settings
from quorate.core.log import Phase
from quorate.errors import AuthenticationFailed
from quorate.messages.protocol import Commit, NewKey, Prepare, PrePrepare
from quorate.messages.records import KeyRecord

PERIODIC = Settings(checkpoint_interval=4, key_refresh_ms=2000)
SOMETIMES = Settings(checkpoint_interval=4, key_refresh_ms=60_000)
SIGNED = Settings(checkpoint_interval=4, key_refresh_ms=60_000, replica_authentication="signature")
D = b"d" * 32


def started(settings: Settings) -> Group:
    """A group whose replicas know each other's first keys."""
    group = Group(4, settings, has_entropy=True)
    for number in range(4):
        group.settle(number)
    group.run()
    group.now += 1_000_000
    group.wall += 1_000_000
    return group


def refresh(group: Group, *numbers: int) -> None:
    """These replicas refresh their keys now."""
    for number in numbers:
        group.core(number).keys.due = group.now
        group.settle(number)
    group.run()


def said_by(group: Group, number: int) -> list[NewKey]:
    """The NEW-KEYs of a replica, each once."""
    messages = [message for sender, message in group.sent if sender == number and isinstance(message, NewKey)]
    return list(dict.fromkeys(message for message in messages if message.replica == number))


def opens(group: Group, number: int, frame: bytes) -> bool:
    """Whether a replica believes a frame."""
    try:
        group.authenticators[number].open(frame)
    except AuthenticationFailed:
        return False
    return True


def test_key_2_keys_are_refreshed_on_a_schedule_while_requests_are_executed() -> None:
    """Each replica says NEW-KEY once a period, with growing counters; all go on in view 0."""
    group = started(PERIODIC)
    session = group.open_session()
    for timestamp in range(1, 41):
        group.submit(group.request((b"add 1",), session, timestamp))
        group.advance(200)
    for number in range(4):
        said = said_by(group, number)
        assert len(said) == 5
        assert [message.counter for message in said] == sorted({message.counter for message in said})
        assert len({message.half for message in said}) == 5
        kept = [record.counter for record in group.records[number] if isinstance(record, KeyRecord)]
        assert kept == [message.counter for message in said]
    assert [total_of(service) for service in group.services] == [40] * 4
    assert [group.core(number).view for number in range(4)] == [0] * 4


def test_key_2_without_a_period_nothing_is_said() -> None:
    group = Group(4, Settings(checkpoint_interval=4), has_entropy=True)
    group.open_session()
    group.advance(5000)
    assert not any(said_by(group, number) for number in range(4))


def test_key_2_what_was_stolen_is_of_no_use_after_a_refresh() -> None:
    """Who has all that a replica had in memory speaks as it, and to it as anybody, until it refreshes."""
    group = started(SOMETIMES)
    thief = ReplicaAuthenticator(2, key_pair(3), group.configuration)
    for number, (message, _) in group.core(2).keys.known.items():
        thief.learn(number, message.half)
    secrets: list[bytes] = []
    group.core(2).auth.refresh = spied(group.authenticators[2].refresh, secrets)  # type: ignore[method-assign]
    refresh(group, 2)
    thief.refresh(secrets[0])
    assert opens(group, 1, thief.seal(Commit(0, 1, D, 2)))
    to_two = group.authenticators[1].seal(Commit(0, 1, D, 1))
    assert opens(group, 2, to_two)
    assert thief.open(to_two).message == Commit(0, 1, D, 1)
    refresh(group, 2)
    assert not opens(group, 1, thief.seal(Commit(0, 1, D, 2)))
    assert not opens(group, 2, to_two)
    with pytest.raises(AuthenticationFailed):
        thief.open(group.authenticators[1].seal(Commit(0, 1, D, 1)))


def spied(make: Callable[[bytes], bytes], secrets: list[bytes]) -> Callable[[bytes], bytes]:
    """Lets a thief look on while keys are made."""

    def refresh(secret: bytes) -> bytes:
        secrets.append(secret)
        return make(secret)

    return refresh


def test_key_2_a_replica_that_starts_again_says_it_at_once() -> None:
    """Its keys were in memory. The counter goes on from what is kept, though the clock was set back."""
    group = started(SOMETIMES)
    refresh(group, 0, 1, 2, 3)
    before = said_by(group, 2)[-1]
    group.wall -= 10_000_000
    group.restart(2)
    group.settle(2)
    group.run()
    assert said_by(group, 2)[-1].counter == before.counter + 1
    group.submit(group.request((), 0, 1))
    assert group.core(2).last_executed == 1


def test_key_1_only_a_higher_counter_counts() -> None:
    """A NEW-KEY that is replayed changes nothing, and its sender is told the newer one."""
    group = started(SOMETIMES)
    refresh(group, 2)
    first = said_by(group, 2)[-1]
    group.now += 1_000_000
    group.wall += 1_000_000
    refresh(group, 2)
    second = said_by(group, 2)[-1]
    assert second.counter > first.counter
    assert "already" in group.refusal(1, 2, second)
    del group.sent[:]
    group.say(2, first, 1, run=False)
    assert group.core(1).keys.known[2][0] == second
    assert (1, second) in group.sent
    assert opens(group, 1, group.authenticators[2].seal(Commit(0, 1, D, 2)))


def test_key_1_who_forgot_its_counter_is_told() -> None:
    """Nothing is kept and the clock was set back: the others listen to no lower counter, but say so."""
    group = started(SOMETIMES)
    refresh(group, 2)
    before = said_by(group, 2)[-1]
    group.wall -= 10_000_000
    group.restart(2, [])
    refresh(group, 2)
    after = said_by(group, 2)[-1]
    assert after.counter == before.counter + 1
    assert group.core(1).keys.known[2][0] == after
    assert opens(group, 1, group.authenticators[2].seal(Commit(0, 1, D, 2)))


def test_key_1_a_half_from_which_nothing_follows() -> None:
    group = started(SOMETIMES)
    assert "follows" in group.refusal(1, 2, NewKey(group.wall, bytes(32), 2))
    assert opens(group, 1, group.authenticators[2].seal(Commit(0, 1, D, 2)))


def test_key_3_votes_under_the_old_keys_are_forgotten_unless_a_certificate_is_complete() -> None:
    """Slot 1 prepares and gets a COMMIT, slot 2 gets one and does not prepare, slot 3 gets nothing but a PREPARE."""
    group = started(SOMETIMES)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit)
    group.submit(group.request((), 0, 1))
    group.reaches = lambda sender, receiver, message: not isinstance(message, Prepare | Commit)
    group.submit(group.request((), 0, 1, client=1))
    core = group.core(3)
    one, two = core.log.slots[1], core.log.slots[2]
    assert one.digest is not None
    assert two.digest is not None
    group.say(2, Commit(0, 1, one.digest, 2), 3, run=False)
    group.say(2, Commit(0, 2, two.digest, 2), 3, run=False)
    group.say(1, Prepare(0, 3, D, 1), 3, run=False)
    assert (one.phase, two.phase) == (Phase.PREPARED, Phase.PRE_PREPARED)
    core.keys.due = group.now
    group.settle(3)
    assert set(one.commits) == {3}
    assert {1, 2, 3} <= set(one.prepares)
    assert set(two.prepares) == {3}
    assert not two.commits
    assert not core.log.slots[3].prepares
    group.reaches = lambda sender, receiver, message: True
    group.run()
    group.advance(1000)
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4
    assert [group.core(number).view for number in range(4)] == [0] * 4


def test_key_3_signed_votes_stay() -> None:
    """They are as good as before: they do not depend on session keys."""
    group = started(SIGNED)
    group.reaches = lambda sender, receiver, message: not isinstance(message, Commit)
    group.submit(group.request((), 0, 1))
    slot = group.core(3).log.slots[1]
    assert slot.digest is not None
    group.say(2, Commit(0, 1, slot.digest, 2), 3, run=False)
    refresh(group, 3)
    assert set(slot.commits) == {2, 3}


def test_key_4_who_was_away_learns_the_keys() -> None:
    """A replica that heard no NEW-KEY believes nobody and is believed by nobody, until one comes beside a STATUS."""
    group = started(SOMETIMES)
    group.stopped.add(3)
    refresh(group, 0, 1, 2)
    group.submit(group.request((), 0, 1))
    group.stopped.clear()
    group.submit(group.request((), 0, 1, client=1))
    assert group.core(3).last_executed == 0
    assert group.unauthentic > 0
    group.advance(3000)
    assert [group.core(number).last_executed for number in range(4)] == [2] * 4
    assert [group.core(number).view for number in range(3)] == [0] * 3


def test_key_4_a_lost_proposal_is_repeated_under_the_present_keys() -> None:
    """The PRE-PREPARE reached nobody, and the primary refreshes its keys: what it repeats is authentic."""
    group = started(SOMETIMES)
    group.reaches = lambda sender, receiver, message: not isinstance(message, PrePrepare)
    group.submit(group.request((), 0, 1))
    group.reaches = lambda sender, receiver, message: True
    refresh(group, 0)
    group.advance(900)
    assert [group.core(number).last_executed for number in range(4)] == [1] * 4
    assert [group.core(number).view for number in range(4)] == [0] * 4
