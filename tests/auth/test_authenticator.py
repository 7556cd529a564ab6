"""Sealing and opening: what a signature or a MAC covers, and what each type of message uses (decisions)."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.group import configuration_of, key_pair
from quorate.auth.authenticator import (
    KNOWN_CLIENTS_MAX,
    MAC_BYTES,
    ClientAuthenticator,
    ReplicaAuthenticator,
    Scheme,
    policy_of,
)
from quorate.auth.keys import Half, KeyPair, PublicKey, session_key
from quorate.config import ClusterConfiguration, Settings
from quorate.errors import AuthenticationFailed, ConfigurationError, MalformedMessage, QuorateError
from quorate.messages.codec import Envelope, decode, decode_envelope, encode, encode_envelope
from quorate.messages.protocol import (
    BackupPieces,
    Batches,
    Checkpoint,
    CheckpointClaim,
    Commit,
    Decided,
    FetchBackup,
    FetchBatches,
    FetchState,
    Inspect,
    Inspection,
    Message,
    NewKey,
    NewView,
    Prepare,
    PrePrepare,
    Reply,
    Request,
    StatePieces,
    Status,
    ViewChange,
)
from quorate.messages.reads import Read, ReadReply

D = b"d" * 32
MACS = Settings(request_authentication="mac")
PAPER = Settings()
SIGNED = Settings(replica_authentication="signature")
MODES = pytest.mark.parametrize("mode", [MACS, PAPER, SIGNED], ids=["macs", "paper", "signatures"])


def replica(number: int, configuration: ClusterConfiguration) -> ReplicaAuthenticator:
    return ReplicaAuthenticator(number, key_pair(number + 1), configuration)


def client(configuration: ClusterConfiguration, number: int = 0) -> ClientAuthenticator:
    return ClientAuthenticator(key_pair(200 + number), configuration)


def of_replica(sender: int) -> list[Message]:
    """One message of each type that a replica says to a replica."""
    return [
        PrePrepare(1, 2, D, sender),
        Prepare(1, 2, D, sender),
        Commit(1, 2, D, sender),
        Checkpoint(128, D, sender, 0),
        ViewChange(1, 0, (CheckpointClaim(0, D),), (), (), sender, 0),
        NewView(1, (), CheckpointClaim(0, D), (), sender, 0),
        Status(1, False, 0, 0, b"", 0, (), sender),
        Decided((), sender),
        FetchBatches((), sender),
        Batches(sender),
        FetchState(0, (), sender),
        StatePieces(0, (), sender),
        NewKey(1, D, sender),
    ]


def refuses(authenticator: ReplicaAuthenticator | ClientAuthenticator, frame: bytes) -> bool:
    try:
        authenticator.open(frame)
    except (AuthenticationFailed, MalformedMessage):
        return True
    return False


def test_every_type_has_a_scheme() -> None:
    """The split of the paper: authenticators in the normal case, signatures where third parties have to be shown."""
    policy = policy_of(configuration_of(4))
    assert set(policy) == set(get_args(Message))
    signed = {kind for kind, scheme in policy.items() if scheme is Scheme.SIGNATURE}
    assert signed == {Request, Checkpoint, ViewChange, NewView, NewKey}
    everything = policy_of(configuration_of(4, SIGNED))
    assert {kind for kind, scheme in everything.items() if scheme is not Scheme.SIGNATURE} == {
        Inspect,
        Inspection,
        FetchBackup,
        BackupPieces,
        Read,
        ReadReply,
    }
    assert policy_of(configuration_of(4, MACS))[Request] is Scheme.VECTOR


@MODES
def test_what_is_sealed_opens_at_its_receiver(mode: Settings) -> None:
    """Each type, from each sender to each receiver."""
    configuration = configuration_of(4, mode)
    for message in of_replica(2):
        frame = replica(2, configuration).seal(message, (b"beside",), 1)
        opened = replica(1, configuration).open(frame)
        assert (opened.message, opened.frame, opened.envelope.attachments) == (message, frame, (b"beside",))


@MODES
def test_a_vector_or_a_signature_opens_everywhere_a_single_mac_at_one(mode: Settings) -> None:
    """A broadcast carries the whole vector and can be passed on (decisions, forwarding)."""
    configuration = configuration_of(4, mode)
    policy = policy_of(configuration)
    for message in of_replica(2):
        frame = replica(2, configuration).seal(message, (), 1)
        opens = [not refuses(replica(number, configuration), frame) for number in (0, 1, 3)]
        assert opens == ([False, True, False] if policy[type(message)] is Scheme.SINGLE else [True] * 3), message


@MODES
def test_each_tampering_is_refused(mode: Settings) -> None:
    """A changed byte of the message or of its authentication, for every type."""
    configuration = configuration_of(4, mode)
    receiver = replica(1, configuration)
    for message in of_replica(2):
        envelope = decode_envelope(replica(2, configuration).seal(message, (), 1))
        for at in range(len(envelope.payload)):
            changed = bytearray(envelope.payload)
            changed[at] ^= 1
            assert refuses(receiver, encode_envelope(Envelope(bytes(changed), envelope.authentication))), (message, at)
        own = range(MAC_BYTES, 2 * MAC_BYTES) if policy_of(configuration)[type(message)] is Scheme.VECTOR else None
        for at in own or range(len(envelope.authentication)):
            spoilt = bytearray(envelope.authentication)
            spoilt[at] ^= 1
            assert refuses(receiver, encode_envelope(Envelope(envelope.payload, bytes(spoilt)))), (message, at)
        for cut in (b"", envelope.authentication[: own[0] + 3 if own else -1]):
            assert refuses(receiver, encode_envelope(Envelope(envelope.payload, cut)))


@MODES
def test_a_message_in_anothers_name_is_refused(mode: Settings) -> None:
    """It covers the sender: what replica 2 seals as replica 3's opens nowhere; nor as a client's."""
    configuration = configuration_of(4, mode)
    for message in of_replica(3):
        assert refuses(replica(1, configuration), replica(2, configuration).seal(message, (), 1)), message
    for outsider in (4, 63):
        for message in of_replica(outsider):
            assert refuses(replica(1, configuration), replica(2, configuration).seal(message, (), 1)), message
    request = Request(key_pair(200).public_key, 0, 1, ())
    assert refuses(replica(1, configuration), client(configuration, 1).seal(request))
    assert refuses(replica(1, configuration), replica(2, configuration).seal(request))


@MODES
def test_the_type_is_covered(mode: Settings) -> None:
    """A PREPARE is no COMMIT, though their fields are the same: the bytes name the type."""
    configuration = configuration_of(4, mode)
    envelope = decode_envelope(replica(2, configuration).seal(Prepare(1, 2, D, 2)))
    commit = encode(Commit(1, 2, D, 2))
    assert len(commit) == len(envelope.payload)
    assert refuses(replica(1, configuration), encode_envelope(Envelope(commit, envelope.authentication)))


@MODES
@pytest.mark.parametrize("what", ["cluster_id", "incarnation"])
def test_nothing_replays_across_clusters_or_histories(mode: Settings, what: str) -> None:
    """Architecture: it covers the cluster's id and its incarnation, new at every fresh start."""
    here = configuration_of(4, mode)
    there = msgspec.structs.replace(here, **{what: "33" * 16})
    for message in of_replica(2):
        assert refuses(replica(1, there), replica(2, here).seal(message, (), 1)), message
    request = Request(key_pair(200).public_key, 0, 1, ())
    assert refuses(replica(1, there), client(here).seal(request))
    reply = Reply(0, key_pair(200).public_key, 0, 1, 0, (), 2)
    assert refuses(client(there), replica(2, here).seal(reply))
    assert client(here).open(replica(2, here).seal(reply)) == reply


def test_a_mac_for_one_receiver_is_none_for_another() -> None:
    """It covers the receiver, and the direction: keys are agreed for (sender, receiver)."""
    configuration = configuration_of(4)
    vector = decode_envelope(replica(2, configuration).seal(Prepare(1, 2, D, 2)))
    at = MAC_BYTES
    for other in (0, 3):
        swapped = bytearray(vector.authentication)
        swapped[at : 2 * at], swapped[other * at : (other + 1) * at] = (
            swapped[other * at : (other + 1) * at],
            swapped[at : 2 * at],
        )
        assert refuses(replica(1, configuration), encode_envelope(Envelope(vector.payload, bytes(swapped))))
    # A message of 1 to 2 in the name of 2 to 1: the same pair, the other direction.
    reflected = decode_envelope(replica(1, configuration).seal(Decided((), 2), (), 2))
    assert refuses(replica(1, configuration), encode_envelope(reflected))


def test_with_macs_nobody_speaks_to_a_replica_in_its_own_name() -> None:
    """There is no key for that; an unkeyed or empty MAC is none either."""
    configuration = configuration_of(4)
    own = replica(1, configuration).seal(Prepare(1, 2, D, 1))
    assert refuses(replica(1, configuration), own)
    payload = encode(Decided((), 1))
    from hashlib import blake2b

    for mac in (b"", bytes(MAC_BYTES), blake2b(payload, digest_size=MAC_BYTES).digest()):
        assert refuses(replica(1, configuration), encode_envelope(Envelope(payload, mac)))


@MODES
def test_a_reply_is_for_its_client_alone(mode: Settings) -> None:
    """Another client's reply, a request, a replica's vote: none of them is a reply to this client."""
    configuration = configuration_of(4, mode)
    mine, other = client(configuration), client(configuration, 1)
    reply = Reply(3, mine.client_id, 5, 6, 0, (b"r", None), 2)
    frame = replica(2, configuration).seal(reply)
    assert mine.open(frame) == reply
    assert refuses(other, frame)
    assert refuses(mine, replica(2, configuration).seal(msgspec.structs.replace(reply, replica=3)))
    assert refuses(mine, replica(2, configuration).seal(Prepare(1, 2, D, 2)))
    assert refuses(mine, mine.seal(Request(mine.client_id, 0, 1, ())))
    assert refuses(mine, encode_envelope(Envelope(encode(msgspec.structs.replace(reply, replica=63)), b"x" * 16)))


@MODES
def test_inspect_and_inspection_have_single_macs(mode: Settings) -> None:
    """A client asks one replica; only that one can answer."""
    configuration = configuration_of(4, mode)
    mine = client(configuration)
    question = mine.seal_question(Inspect(mine.client_id, 7), 2)
    assert replica(2, configuration).open(question).message == Inspect(mine.client_id, 7)
    assert refuses(replica(1, configuration), question)
    answer = Inspection(7, b"{}", 2)
    frame = replica(2, configuration).seal_inspection(answer, mine.client_id)
    assert mine.open(frame) == answer
    assert refuses(client(configuration, 1), frame)
    assert refuses(mine, replica(1, configuration).seal_inspection(answer, mine.client_id))


def test_a_client_may_lie_about_a_mac() -> None:
    """C1, facts 2.2: an authenticator that holds at some replicas only. Each judges its own entry; signatures end
    it."""
    configuration = configuration_of(4, MACS)
    envelope = decode_envelope(client(configuration).seal(Request(key_pair(200).public_key, 0, 1, ())))
    spoilt = bytearray(envelope.authentication)
    spoilt[2 * MAC_BYTES] ^= 1
    frame = encode_envelope(Envelope(envelope.payload, bytes(spoilt)))
    assert [refuses(replica(number, configuration), frame) for number in range(4)] == [False, False, True, False]


@MODES
@pytest.mark.parametrize("replica_count", [4, 7])
def test_req_3_a_request_may_be_signed_where_macs_are_the_policy(mode: Settings, replica_count: int) -> None:
    """It holds at everyone, or, when a byte of it is another, at nobody; and it is known for what it is."""
    configuration = configuration_of(replica_count, mode)
    mine = client(configuration)
    request = Request(mine.client_id, 0, 1, ())
    plain, frame = mine.seal(request), mine.seal(request, True)
    envelope = decode_envelope(frame)
    for number in range(replica_count):
        member = replica(number, configuration)
        assert member.open(frame).message == request
        assert member.is_signed_request(frame)
        assert member.is_signed_request(plain) == (mode is not MACS)
    for at in range(len(envelope.authentication)):
        spoilt = bytearray(envelope.authentication)
        spoilt[at] ^= 1
        other = encode_envelope(Envelope(envelope.payload, bytes(spoilt)))
        assert all(refuses(replica(number, configuration), other) for number in range(replica_count))
    for longer in (envelope.authentication + b"\x01", envelope.authentication[:-1]):
        other = encode_envelope(Envelope(envelope.payload, longer))
        assert all(refuses(replica(number, configuration), other) for number in range(replica_count))
    assert refuses(replica(0, configuration), client(configuration, 1).seal(request, True))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.binary(max_size=80), st.sampled_from([MACS, PAPER, SIGNED]))
def test_any_bytes_open_or_are_refused(payload: bytes, authentication: bytes, mode: Settings) -> None:
    """MalformedMessage or AuthenticationFailed, nothing else, whatever the bytes."""
    configuration = configuration_of(4, mode)
    for frame in (payload, encode_envelope(Envelope(payload, authentication))):
        for member in (replica(1, configuration), client(configuration)):
            assert refuses(member, frame)


ODD_KEYS = [bytes(32), b"\x01" + bytes(31), b"\xff" * 32, b"\xec" + b"\xff" * 30 + b"\x7f", b"\x02" + bytes(31)]


@pytest.mark.parametrize("key", ODD_KEYS, ids=range(5))
@MODES
def test_odd_public_keys_raise_nothing_else(key: bytes, mode: Settings) -> None:
    """Points of small order, no points at all: a request in that name is not authentic."""
    configuration = configuration_of(4, mode)
    for message in (Request(key, 0, 1, ()), Inspect(key, 1)):
        for authentication in (b"", bytes(16), bytes(64), bytes(4 * MAC_BYTES), key + bytes(32)):
            assert refuses(replica(1, configuration), encode_envelope(Envelope(encode(message), authentication)))
    with pytest.raises(QuorateError):
        key_pair(1).agree(key)


def test_keys_of_clients_are_kept_in_a_bounded_table() -> None:
    """Any number of names may knock: what is kept ready for them is bounded."""
    configuration = configuration_of(4)
    authenticator = replica(1, configuration)
    for number in range(KNOWN_CLIENTS_MAX + 10):
        authenticator._keys.client_verifier(number.to_bytes(32, "big"))
    assert len(authenticator._keys._client_verifiers) == KNOWN_CLIENTS_MAX


def test_keys_are_agreed_by_both_sides_and_bound_to_everything() -> None:
    """X25519 of the Ed25519 pairs; a session key per domain and direction."""
    one, two = key_pair(1), key_pair(2)
    secret = one.agree(two.public_key)
    assert secret == two.agree(one.public_key)
    keys = {
        session_key(secret, domain, sender, receiver)
        for domain in (b"a" * 32, b"b" * 32)
        for sender, receiver in ((one.public_key, two.public_key), (two.public_key, one.public_key))
    }
    assert len(keys) == 4


def test_a_private_key_is_never_shown_and_has_its_length() -> None:
    """Errors and logs say which key, not what it is."""
    assert KeyPair(b"s" * 32).public_key.hex()[:8] in repr(KeyPair(b"s" * 32))
    assert b"s" * 32 not in repr(KeyPair(b"s" * 32)).encode()
    for seed in (b"", b"s" * 31, b"s" * 33):
        with pytest.raises(ConfigurationError, match="32 bytes"):
            KeyPair(seed)


def test_signatures_have_their_length_and_are_deterministic() -> None:
    """Ed25519: 64 bytes, the same for the same bytes."""
    pair = key_pair(1)
    signature = pair.sign(b"data")
    assert signature == pair.sign(b"data")
    public = PublicKey(pair.public_key)
    assert public.verify(b"data", signature)
    assert not public.verify(b"date", signature)
    assert not public.verify(b"data", signature + b"\x00")
    assert not public.verify(b"data", b"")
    assert not PublicKey(key_pair(2).public_key).verify(b"data", signature)


def test_what_is_authenticated_is_what_came() -> None:
    """Never a re-encoding: other bytes of an equal message are other bytes."""
    configuration = configuration_of(4)
    sealed = decode_envelope(replica(2, configuration).seal(Checkpoint(128, D, 2, 0)))
    longer = sealed.payload.replace(b"\xcc\x80", b"\xcd\x00\x80")
    assert decode(longer) == decode(sealed.payload)
    assert longer != sealed.payload
    assert refuses(replica(1, configuration), encode_envelope(Envelope(longer, sealed.authentication)))


def test_sealing_for_one_needs_a_receiver() -> None:
    """A message with one MAC is for somebody."""
    with pytest.raises(ValueError, match="name it"):
        replica(2, configuration_of(4)).seal(Decided((), 2))


@pytest.mark.parametrize("mode", [MACS, PAPER], ids=["macs", "paper"])
def test_a_refresh_changes_all_keys_that_a_replica_shares_with_replicas(mode: Settings) -> None:
    """Both ways, at once; its peers go by the new ones once they know its half, and nobody by the old ones."""
    configuration = configuration_of(4, mode)
    one, two, three = (replica(number, configuration) for number in (1, 2, 3))
    to_one, from_one = two.seal(Commit(0, 1, D, 2)), one.seal(Commit(0, 1, D, 1))
    half = one.refresh(bytes([7]) * 32)
    assert refuses(one, to_one)
    assert not refuses(two, from_one)
    assert refuses(two, one.seal(Commit(0, 1, D, 1)))
    two.learn(1, half)
    assert refuses(two, from_one)
    assert not refuses(two, one.seal(Commit(0, 1, D, 1)))
    assert not refuses(one, two.seal(Commit(0, 1, D, 2)))
    assert not refuses(three, two.seal(Commit(0, 1, D, 2)))
    one.learn(2, two.refresh(bytes([8]) * 32))
    assert not refuses(two, one.seal(Commit(0, 1, D, 1)))
    assert not refuses(one, two.seal(FetchBatches((), 2), (), 1))


def test_equal_secrets_give_equal_keys_and_others_others() -> None:
    """The keys follow from the half, so the simulator's bytes follow from its seed."""
    configuration = configuration_of(4)

    def sealed(secret: bytes) -> bytes:
        authenticator = replica(1, configuration)
        authenticator.refresh(secret)
        return authenticator.seal(Commit(0, 1, D, 1))

    assert sealed(bytes([7]) * 32) == sealed(bytes([7]) * 32) != sealed(bytes([8]) * 32)


def test_a_half_from_which_nothing_follows_leaves_the_keys_as_they_were() -> None:
    """X25519 with a point of low order agrees on nothing secret."""
    configuration = configuration_of(4)
    one, two = replica(1, configuration), replica(2, configuration)
    for before in (False, True):
        if before:
            two.learn(1, one.refresh(bytes([7]) * 32))
        with pytest.raises(AuthenticationFailed):
            two.learn(1, bytes(32))
        assert not refuses(two, one.seal(Commit(0, 1, D, 1)))


def test_a_half_shows_no_secret() -> None:
    assert (bytes([7]) * 32).hex() not in repr(Half(bytes([7]) * 32))
