"""Links over TLS, with real sockets: who is let in, who is refused, and what both sides are told."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from quorate.auth.certificates import AUTHORITY_FILE, CERTIFICATE_FILE, Authority, tls_password, write_certificate
from quorate.auth.keys import KeyPair
from quorate.config import ClusterConfiguration, Settings
from quorate.errors import ConfigurationError
from quorate.net import tls
from quorate.net.handshake import Refusal, Role
from quorate.net.links import LINKS_OPENED, Dialer, Identity, Listener, listen
from quorate.net.tls import Credentials

CLIENT = 4


class Party(NamedTuple):
    """A member of a cluster with TLS, and its folder."""

    folder: Path
    key_pair: KeyPair
    configuration: ClusterConfiguration

    @property
    def identity(self) -> Identity:
        return Identity(self.key_pair, self.configuration)

    def credentials(self) -> Credentials:
        return Credentials(self.folder, self.key_pair)

    def context(self, kind: int) -> ssl.SSLContext:
        """What an attacker makes of this member's stolen or ordinary certificate."""
        context = ssl.SSLContext(kind)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.load_cert_chain(self.folder / CERTIFICATE_FILE, password=tls_password(self.key_pair))
        return context


@pytest.fixture
def authority() -> Authority:
    return Authority(b"\x07" * 32)


@pytest.fixture
def parties(tmp_path: Path, make_members: Any, authority: Authority) -> list[Party]:
    """Four replicas and a client."""
    members = make_members(settings=Settings(transport="tls"))
    made = []
    for number, key_pair in enumerate(members.keys[:5]):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_certificate(folder, authority, f"member {number}", "127.0.0.1", key_pair)
        made.append(Party(folder, key_pair, members.configuration))
    return made


async def serve(party: Party, handler: Any, **options: Any) -> Listener:
    return await listen("127.0.0.1", 0, party.identity, handler, credentials=party.credentials(), **options)


def dial(party: Party, port: int, handler: Any, expected: Party, **options: Any) -> Dialer:
    key = expected.key_pair.public_key
    return Dialer(party.identity, "127.0.0.1", port, key, handler, credentials=party.credentials(), **options)


def without_tls(party: Party) -> Identity:
    """The same member, with a configuration that says nothing of TLS."""
    return Identity(party.key_pair, msgspec.structs.replace(party.configuration, settings=Settings()))


async def stop(*ends: Listener | Dialer) -> None:
    for end in ends:
        end.close()
    for end in ends:
        await end.wait_closed()


async def until_counted(counters: dict[str, int], reason: str) -> None:
    while not any(key == reason for key in counters):
        await asyncio.sleep(0.001)


class Told:
    """Who was refused and why, as the log hears it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def __call__(self, peer: str, reason: str) -> None:
        self.lines.append((peer, reason))


def test_frames_travel_both_ways_in_order(parties: list[Party], make_recorder: Any, run: Any) -> None:
    frames = [b"", b"a", b"b" * 1000, b"c" * 1_000_000, b"d", *[b"%d" % number for number in range(1000)]]

    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await serve(parties[0], there)
        dialer = dial(parties[1], listener.port, here, parties[0])
        link = await there.opened()
        await here.opened()

        assert all(dialer.send(frame) for frame in frames)
        assert all(link.send(frame) for frame in reversed(frames))
        await there.until(lambda recorder: len(recorder.frames) == len(frames))
        await here.until(lambda recorder: len(recorder.frames) == len(frames))

        assert there.frames == frames
        assert here.frames == frames[::-1]
        assert (here.link.peer.replica_id, there.link.peer.replica_id) == (0, 1)
        await stop(dialer, listener)

    run(scenario())


def test_what_is_sent_cannot_be_read_on_the_way(parties: list[Party], make_recorder: Any, run: Any) -> None:
    seen = bytearray()

    async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            seen.extend(data)
            writer.write(data)
        writer.close()

    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await serve(parties[0], there)
        pipes: list[asyncio.Task[None]] = []

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            onward = await asyncio.open_connection("127.0.0.1", listener.port)
            pipes.append(asyncio.create_task(pipe(reader, onward[1])))
            pipes.append(asyncio.create_task(pipe(onward[0], writer)))

        server = await asyncio.start_server(relay, "127.0.0.1", 0)
        dialer = dial(parties[CLIENT], server.sockets[0].getsockname()[1], here, parties[0])
        await here.opened()
        dialer.send(b"a very secret value")
        await there.until(lambda recorder: len(recorder.frames) == 1)

        assert there.frames == [b"a very secret value"]
        assert len(seen) > 500
        assert b"secret" not in seen
        assert b"quorate" not in seen
        assert parties[CLIENT].key_pair.public_key not in seen
        await stop(dialer, listener)
        await asyncio.gather(*pipes)
        server.close()
        await server.wait_closed()

    run(scenario())


@pytest.mark.parametrize("shown", ["another member's", "stolen from the one", "stolen from the other", "a stranger's"])
def test_a_man_in_the_middle_is_refused_by_both(
    parties: list[Party], tmp_path: Path, make_recorder: Any, run: Any, shown: str
) -> None:
    """He ends TLS and begins it anew, and passes on what both say: with a certificate that everybody believes, that of
    another member or stolen from one end, the proofs do not match; with any other, TLS itself ends."""
    insider = shown != "a stranger's"
    middle = parties[3]
    if not insider:
        middle = middle._replace(folder=tmp_path / "middle")
        middle.folder.mkdir()
        write_certificate(middle.folder, Authority(b"\x08" * 32), "member 0", "127.0.0.1", middle.key_pair)
    as_listener = parties[0] if shown == "stolen from the one" else middle
    as_dialer = parties[1] if shown == "stolen from the other" else middle

    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        told_here, told_there = Told(), Told()
        listener = await serve(parties[0], there, tell=told_there)
        pipes: list[asyncio.Task[None]] = []

        async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                while data := await reader.read(65536):
                    writer.write(data)
            except OSError:
                pass  # an alert of TLS, or a reset
            writer.transport.abort()

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            context = as_dialer.context(ssl.PROTOCOL_TLS_CLIENT)
            onward = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
            pipes.append(asyncio.create_task(pipe(reader, onward[1])))
            pipes.append(asyncio.create_task(pipe(onward[0], writer)))

        context = as_listener.context(ssl.PROTOCOL_TLS_SERVER)
        server = await asyncio.start_server(relay, "127.0.0.1", 0, ssl=context)
        dialer = dial(
            parties[1], server.sockets[0].getsockname()[1], here, parties[0], tell=told_here, jitter=lambda: 1.0
        )
        reason = Refusal.PROOF.text if insider else Refusal.CERTIFICATE.text
        while not told_here.lines:
            await asyncio.sleep(0.001)
        while insider and not told_there.lines:
            await asyncio.sleep(0.001)

        assert reason in told_here.lines[0][1]
        assert not insider or reason in told_there.lines[0][1]
        assert (here.links, there.links) == ([], [])
        await stop(dialer)
        await asyncio.gather(*pipes)
        await stop(listener)
        server.close()
        await server.wait_closed()

    run(scenario())


def test_who_dials_without_tls_is_refused_and_both_are_told(parties: list[Party], make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        told_here, told_there = Told(), Told()
        listener = await serve(parties[0], there, tell=told_there)
        key = parties[0].key_pair.public_key
        dialer = Dialer(without_tls(parties[1]), "127.0.0.1", listener.port, key, here, tell=told_here)
        await until_counted(listener.counters, Refusal.WITHOUT_TLS.text)
        while not told_here.lines:
            await asyncio.sleep(0.001)

        assert told_there.lines[0][1] == Refusal.WITHOUT_TLS.text
        assert told_there.lines[0][0].startswith("127.0.0.1:")
        assert told_here.lines[0] == (dialer.address, f"refused by the other side ({Refusal.WITHOUT_TLS.text})")
        assert (here.links, there.links) == ([], [])
        await stop(dialer, listener)

    run(scenario())


def test_who_listens_without_tls_is_refused_and_both_are_told(
    parties: list[Party], make_recorder: Any, run: Any
) -> None:
    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        told_here, told_there = Told(), Told()
        listener = await listen("127.0.0.1", 0, without_tls(parties[0]), there, tell=told_there)
        dialer = dial(parties[1], listener.port, here, parties[0], tell=told_here)
        await until_counted(listener.counters, Refusal.WITH_TLS.text)
        while not told_here.lines:
            await asyncio.sleep(0.001)

        assert told_there.lines[0][1] == Refusal.WITH_TLS.text
        assert told_here.lines[0][1] == Refusal.WITHOUT_TLS.text
        assert (here.links, there.links) == ([], [])
        await stop(dialer, listener)

    run(scenario())


@pytest.mark.parametrize(
    ("kind", "reason", "words"),
    [
        ("expired", Refusal.CERTIFICATE, "the certificate has expired"),
        ("foreign", Refusal.CERTIFICATE, "signed by no authority of our authority.pem"),
        ("none", Refusal.CERTIFICATE, "it shows none"),
        ("old version", Refusal.TLS, "unsupported protocol"),
    ],
)
def test_a_certificate_that_is_not_accepted_is_named(
    parties: list[Party], authority: Authority, make_recorder: Any, run: Any, kind: str, reason: Refusal, words: str
) -> None:
    caller = parties[1]
    signer = Authority(b"\x08" * 32) if kind == "foreign" else authority
    days = -1 if kind == "expired" else 1
    (caller.folder / CERTIFICATE_FILE).write_text(signer.issue("member 1", None, caller.key_pair, days))
    context = caller.context(ssl.PROTOCOL_TLS_CLIENT)
    if kind == "none":
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if kind == "old version":
        context.maximum_version = ssl.TLSVersion.TLSv1_2

    async def scenario() -> None:
        there, told = make_recorder(), Told()
        writers: list[asyncio.StreamWriter] = []
        listener = await serve(parties[0], there, tell=told)
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
            writers.append(writer)
            await reader.read()
        except OSError:
            pass  # an alert of TLS, or a reset
        await until_counted(listener.counters, reason.text)
        for writer in writers:
            writer.transport.abort()

        assert words in told.lines[0][1]
        assert there.links == []
        await stop(listener)

    run(scenario())


def test_who_is_refused_for_its_certificate_is_told_so(
    parties: list[Party], authority: Authority, make_recorder: Any, run: Any
) -> None:
    """Each believes only its own authority."""
    other = Authority(b"\x08" * 32)
    write_certificate(parties[1].folder, other, "member 1", None, parties[1].key_pair)
    (parties[1].folder / AUTHORITY_FILE).write_text(other.pem + authority.pem)

    async def scenario() -> None:
        here, there, told = make_recorder(), make_recorder(), Told()
        listener = await serve(parties[0], there)
        dialer = dial(parties[1], listener.port, here, parties[0], tell=told)
        await until_counted(listener.counters, Refusal.CERTIFICATE.text)
        while not told.lines:
            await asyncio.sleep(0.001)

        assert told.lines[0][1].startswith(f"refused by the other side ({Refusal.CERTIFICATE.text}): unknown ca")
        assert (here.links, there.links) == ([], [])
        await stop(dialer, listener)

    run(scenario())


def test_members_may_have_certificates_of_several_authorities(
    parties: list[Party], authority: Authority, make_recorder: Any, run: Any
) -> None:
    other = Authority(b"\x08" * 32)
    write_certificate(parties[1].folder, other, "anything", None, parties[1].key_pair)
    for party in parties:
        (party.folder / AUTHORITY_FILE).write_text(authority.pem + other.pem)

    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await serve(parties[0], there)
        dialer = dial(parties[1], listener.port, here, parties[0])
        await here.opened()
        await there.opened()
        await stop(dialer, listener)

    run(scenario())


def test_replaced_certificates_are_taken_while_it_runs(parties: list[Party], make_recorder: Any, run: Any) -> None:
    """All members get certificates of a new authority; links that stood stay, and new ones are made with the new."""
    other = Authority(b"\x08" * 32)

    async def scenario() -> None:
        here, there, again = make_recorder(), make_recorder(), make_recorder()
        listener = await serve(parties[0], there)
        dialer = dial(parties[1], listener.port, here, parties[0])
        await there.opened()
        for party in parties:
            write_certificate(party.folder, other, "new", None, party.key_pair)
        late = dial(parties[2], listener.port, again, parties[0])
        await again.opened()
        await there.opened(2)

        assert dialer.link is not None
        assert listener.counters == {LINKS_OPENED: 2}
        await stop(dialer, late, listener)

    run(scenario())


def test_replaced_certificates_that_are_of_no_use_are_told_and_not_taken(
    parties: list[Party], make_recorder: Any, run: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario() -> None:
        here, there = make_recorder(), make_recorder()
        listener = await serve(parties[0], there)
        (parties[0].folder / CERTIFICATE_FILE).write_text("torn")
        dialers = [dial(party, listener.port, here, parties[0]) for party in parties[1:3]]
        await here.opened(2)
        await stop(*dialers, listener)

    run(scenario())
    records = [record for record in caplog.records if record.getMessage() == "certificate-not-taken"]
    assert len(records) == 1
    assert str(parties[0].folder / CERTIFICATE_FILE) in records[0].__dict__["fields"]["reason"]


def test_a_replaced_certificate_is_taken_once_what_kept_it_out_is_mended(
    parties: list[Party], authority: Authority, make_recorder: Any, run: Any
) -> None:
    """It is open to others at first; the remedy that the log names changes no content."""
    path = parties[0].folder / CERTIFICATE_FILE

    async def shown_at(port: int) -> bytes:
        context = parties[2].context(ssl.PROTOCOL_TLS_CLIENT)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        certificate: bytes = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return certificate

    async def scenario() -> None:
        old = path.read_text()
        listener = await serve(parties[0], make_recorder())
        write_certificate(parties[0].folder, authority, "new", None, parties[0].key_pair)
        path.chmod(0o644)
        assert await shown_at(listener.port) == certificate_in(old)
        path.chmod(0o600)
        assert await shown_at(listener.port) == certificate_in(path.read_text())
        await stop(listener)

    run(scenario())


def certificate_in(text: str) -> bytes:
    """The first certificate of a file, as it travels."""
    end = "-----END CERTIFICATE-----"
    return ssl.PEM_cert_to_DER_cert(text[: text.index(end)] + end)


def test_a_file_that_goes_away_while_it_is_looked_at_is_told(
    parties: list[Party], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Between two looks: whoever connects in that moment is served with what was read before."""
    credentials = parties[0].credentials()
    path = parties[0].folder / CERTIFICATE_FILE
    path.write_text("another")
    refuse = tls.refuse_open_file

    def remove_and_look(path: Path) -> None:
        path.unlink()
        refuse(path)

    monkeypatch.setattr(tls, "refuse_open_file", remove_and_look)
    credentials.secure(asyncio.Protocol(), Role.LISTENER)

    (record,) = caplog.records
    assert record.__dict__["fields"]["reason"].startswith(f"{path} cannot be read: No such file")


def issue_expired(party: Party, authority: Authority) -> None:
    (party.folder / CERTIFICATE_FILE).write_text(authority.issue("late", None, party.key_pair, days=-1))


def issue_foreign(party: Party, authority: Authority) -> None:
    (party.folder / CERTIFICATE_FILE).write_text(Authority(b"\x08" * 32).issue("other", None, party.key_pair))


def issue_for_another(party: Party, authority: Authority) -> None:
    (party.folder / CERTIFICATE_FILE).write_text(authority.issue("other", None, KeyPair(b"\x09" * 32)))


def remove_certificate(party: Party, authority: Authority) -> None:
    (party.folder / CERTIFICATE_FILE).unlink()


def open_certificate(party: Party, authority: Authority) -> None:
    (party.folder / CERTIFICATE_FILE).chmod(0o640)


def empty_certificate(party: Party, authority: Authority) -> None:
    (party.folder / CERTIFICATE_FILE).write_text("")


def show_authority(party: Party, authority: Authority) -> None:
    """Only the certificate, without its key."""
    (party.folder / CERTIFICATE_FILE).write_text(authority.pem)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (issue_expired, "tls.pem: the certificate has expired; `quorate init DIR --renew-certificates`"),
        (issue_foreign, r"tls.pem: the certificate is signed by none of .*authority.pem; `quorate init DIR --renew"),
        (issue_for_another, r"tls.pem does not hold a certificate and its private key, readable for this member"),
        (remove_certificate, "tls.pem does not exist, and the cluster's transport is tls; `quorate init DIR --renew"),
        (open_certificate, "tls.pem is open to others than its owner; run: chmod 600"),
        (empty_certificate, "tls.pem does not hold a certificate and its private key"),
        (show_authority, "tls.pem does not hold a certificate and its private key"),
    ],
)
def test_a_certificate_of_no_use_is_found_at_the_start(
    parties: list[Party], authority: Authority, spoil: Any, message: str
) -> None:
    spoil(parties[0], authority)

    with pytest.raises(ConfigurationError, match=message) as raised:
        parties[0].credentials()

    assert str(raised.value).startswith(str(parties[0].folder))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense", "holds no certificates"),
        ("", "holds no certificates"),
        (None, "does not exist, and the cluster's transport is tls"),
    ],
)
def test_an_authority_file_of_no_use_is_found_at_the_start(
    parties: list[Party], text: str | None, message: str
) -> None:
    path = parties[0].folder / AUTHORITY_FILE
    if text is None:
        path.unlink()
    else:
        path.write_text(text)

    with pytest.raises(ConfigurationError, match=f"{path} {message}; copy it from another member"):
        parties[0].credentials()


def test_where_tls_is_set_nobody_forgets_it(parties: list[Party], make_recorder: Any, run: Any) -> None:
    async def scenario() -> None:
        with pytest.raises(ConfigurationError, match="transport is tls"):
            await listen("127.0.0.1", 0, parties[0].identity, make_recorder())

    run(scenario())


def test_an_operators_own_key_needs_no_password(parties: list[Party], tmp_path: Path, authority: Authority) -> None:
    """Without encryption, as other tools make them, and of another kind."""
    from cryptography.hazmat.primitives import serialization

    path = parties[0].folder / CERTIFICATE_FILE
    text = path.read_bytes()
    key = serialization.load_pem_private_key(text[text.index(b"-----BEGIN ENC") :], tls_password(parties[0].key_pair))
    plain = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(text[: text.index(b"-----BEGIN ENC")] + plain)

    assert parties[0].credentials() is not None
