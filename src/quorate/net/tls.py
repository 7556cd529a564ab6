"""TLS 1.3 beneath a link, both sides with a certificate that the other's authorities signed.

It adds that nobody on the way reads along. Who somebody is, the handshake of the link proves (`net.handshake`), over
the certificates that both sides see: `CHANNEL`.

`ssl` is driven by hand, between the connection's bytes and the link's, and not by the event loop: so a connection that
begins without TLS gets its reason in words that it understands, and a link writes and reads as it does without.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from quorate.auth.certificates import AUTHORITY_FILE, CERTIFICATE_FILE, tls_password
from quorate.auth.keyfile import refuse_open_file
from quorate.auth.keys import KeyPair
from quorate.config import ClusterConfiguration
from quorate.errors import ConfigurationError
from quorate.net.handshake import MAGIC, TLS_HANDSHAKE, HandshakeRefused, Refusal, Role, refusal_bytes

CHANNEL: Final = "quorate_channel"
"""The extra information of a transport that names the connection, equal at both ends."""
_ALERT: Final = b"\x15"
_RECORD_BYTES: Final = 16 << 10
"""What one TLS record holds at most, and one read gives."""
_RENEW: Final = (
    "`quorate init DIR --renew-certificates` makes new ones; docs/SECURITY.md says what one of your own has to be"
)
_COPY: Final = "copy it from another member: all have the same"
_Look = tuple[int, int, int]


class _Loaded(NamedTuple):
    """What was read from the two files."""

    contexts: dict[Role, ssl.SSLContext]
    digest: bytes
    """Of the own certificate."""


class Credentials:
    """What a member shows in TLS and whom it believes: the files `tls.pem` and `authority.pem` of its folder.

    Files that are replaced while it runs are used for the connections that come after.
    """

    def __init__(self, folder: Path, key_pair: KeyPair) -> None:
        self._certificate = folder / CERTIFICATE_FILE
        self._authority = folder / AUTHORITY_FILE
        self._password = tls_password(key_pair)
        self._seen = self._look()
        self._loaded = self._load()
        self._complaint = ""

    def __repr__(self) -> str:
        return f"Credentials({str(self._certificate)!r})"

    def secure(self, protocol: asyncio.Protocol, role: Role) -> asyncio.Protocol:
        """What stands between a connection and *protocol*."""
        self._look_again()
        return _SecureTransport(protocol, role, self._loaded.contexts[role], self._loaded.digest)

    def _look_again(self) -> None:
        """Read the files anew if they were replaced; what cannot be used is told once, and the old ones stay."""
        try:
            seen = self._look()
            if seen != self._seen:
                self._seen = seen
                self._loaded = self._load()
                self._complaint = ""
        except ConfigurationError as error:
            if str(error) != self._complaint:
                self._complaint = str(error)
                fields = {"reason": self._complaint}
                logging.getLogger("quorate").warning("certificate-not-taken", extra={"fields": fields})

    def _look(self) -> tuple[_Look, _Look]:
        return _look_at(self._certificate, _RENEW), _look_at(self._authority, _COPY)

    def _load(self) -> _Loaded:
        refuse_open_file(self._certificate)
        kinds = {Role.LISTENER: ssl.PROTOCOL_TLS_SERVER, Role.DIALER: ssl.PROTOCOL_TLS_CLIENT}
        contexts = {role: self._context(kind) for role, kind in kinds.items()}
        contexts[Role.LISTENER].num_tickets = 0  # every link makes a new handshake
        return _Loaded(contexts, self._try_out(contexts))

    def _context(self, kind: int) -> ssl.SSLContext:
        context = ssl.SSLContext(kind)
        context.check_hostname = False  # the link's handshake proves who it is
        context.verify_mode = ssl.CERT_REQUIRED
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(self._authority)
        except (ssl.SSLError, OSError):
            raise ConfigurationError(f"{self._authority} holds no certificates; {_COPY}") from None
        try:
            context.load_cert_chain(self._certificate, password=self._password)
        except (ssl.SSLError, OSError) as error:
            raise ConfigurationError(
                f"{self._certificate} does not hold a certificate and its private key, readable for this member "
                f"({_reason(error)}); {_RENEW}"
            ) from None
        return context

    def _try_out(self, contexts: dict[Role, ssl.SSLContext]) -> bytes:
        """Shake hands with itself: what others would refuse is found before anybody is called. The digest of its own
        certificate."""
        to_dialer, to_listener = ssl.MemoryBIO(), ssl.MemoryBIO()
        dialer = contexts[Role.DIALER].wrap_bio(to_dialer, to_listener)
        listener = contexts[Role.LISTENER].wrap_bio(to_listener, to_dialer, server_side=True)
        try:
            for side in (dialer, listener, dialer, listener):
                with suppress(ssl.SSLWantReadError):
                    side.do_handshake()
        except ssl.SSLCertVerificationError as error:
            raise ConfigurationError(
                f"{self._certificate}: {_fault_of(error, f'none of {self._authority}')}; {_RENEW}"
            ) from None
        except ssl.SSLError as error:
            raise ConfigurationError(f"{self._certificate} is of no use for TLS ({_reason(error)}); {_RENEW}") from None
        return _digest(dialer)


def credentials_of(folder: Path, key_pair: KeyPair, configuration: ClusterConfiguration) -> Credentials | None:
    """The credentials of the member whose folder it is; None where the cluster's transport is not TLS."""
    return Credentials(folder, key_pair) if configuration.settings.transport == "tls" else None


class _SecureTransport(asyncio.Transport, asyncio.Protocol):
    """The protocol of a connection, and the transport of whoever talks over it."""

    def __init__(self, protocol: asyncio.Protocol, role: Role, context: ssl.SSLContext, own_digest: bytes) -> None:
        super().__init__()
        self._protocol = protocol
        self._role = role
        self._own_digest = own_digest
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=role is Role.LISTENER)
        self._raw: asyncio.Transport
        self._unsent: list[bytes] = []
        """What was written before TLS stood."""
        self._channel = b""
        """Set once TLS stands."""
        self._has_begun = False
        """Whether anything was received."""
        self._error: Exception | None = None

    # ------------------------------------------------------------------------------- as the transport

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send *data*; before TLS stands, as soon as it does."""
        if self._error is not None:
            return
        if not self._channel:
            self._unsent.append(bytes(data))
            return
        self._tls.write(data)
        self._raw.write(self._outgoing.read())

    def close(self) -> None:
        """Say that this is the end, and close."""
        if self._channel and self._error is None and not self._raw.is_closing():
            with suppress(ssl.SSLError):
                self._tls.unwrap()  # the other side's end is not waited for
            self._flush()
        self._raw.close()

    def abort(self) -> None:
        """Close at once."""
        self._raw.abort()

    def is_closing(self) -> bool:
        """Whether it was closed."""
        return self._raw.is_closing()

    def pause_reading(self) -> None:
        """Read no more."""
        self._raw.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        self._raw.resume_reading()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """When `pause_writing` is called."""
        self._raw.set_write_buffer_limits(high, low)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Who is told of what comes from now on."""
        self._protocol = cast(asyncio.Protocol, protocol)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """What names this connection, or what the connection beneath says."""
        return self._channel if name == CHANNEL else self._raw.get_extra_info(name, default)

    # ----------------------------------------------------------------------- called by the event loop

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin TLS."""
        self._raw = cast(asyncio.Transport, transport)
        self._protocol.connection_made(self)
        if not self._raw.is_closing():
            self._shake_hands()

    def data_received(self, data: bytes) -> None:
        """Decrypt, and hand over all that one read brought at once."""
        if self._error is not None:
            return
        if not self._has_begun:
            self._has_begun = True
            if data[:1] not in (TLS_HANDSHAKE, _ALERT):
                self._refuse_plain(data)
                return
        self._incoming.write(data)
        if not self._channel:
            self._shake_hands()
        if self._channel:
            self._read()

    def pause_writing(self) -> None:
        """The connection's buffer is full."""
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        """It has room again."""
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone; why, where TLS knows it."""
        self._protocol.connection_lost(self._error or exc)

    # ------------------------------------------------------------------------------------------------

    def _shake_hands(self) -> None:
        """Go on with the handshake of TLS; once it is over, send what waited for it."""
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            self._flush()
            return
        except ssl.SSLError as error:
            self._fail(_refusal_of(error))
            return
        digests = [self._own_digest, _digest(self._tls)]
        if self._role is Role.LISTENER:
            digests.reverse()
        self._channel = b"".join(digests)
        for data in self._unsent:
            self._tls.write(data)
        self._unsent.clear()
        self._flush()

    def _read(self) -> None:
        pieces: list[bytes] = []
        is_over = False
        try:
            while piece := self._tls.read(_RECORD_BYTES):
                pieces.append(piece)
            is_over = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError as error:
            self._fail(_refusal_of(error))
            return
        if pieces:
            self._protocol.data_received(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if is_over:
            self._raw.close()

    def _refuse_plain(self, data: bytes) -> None:
        """The other side does not speak TLS. A member is told so in its own language."""
        if data[:1] == MAGIC[:1]:
            self._raw.write(refusal_bytes(Refusal.WITHOUT_TLS))
            self._fail(HandshakeRefused(Refusal.WITHOUT_TLS))
        else:
            self._fail(HandshakeRefused(Refusal.NOT_QUORATE))

    def _fail(self, error: HandshakeRefused) -> None:
        """The connection ends with *error*; an alert of TLS that says so to the other side is sent first."""
        self._error = error
        self._flush()
        self._raw.close()

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._raw.write(self._outgoing.read())


def _look_at(path: Path, remedy: str) -> _Look:
    """What is different after any change: also of the mode, which may be what kept the file from being used."""
    try:
        status = path.stat()
        return status.st_ino, status.st_size, status.st_ctime_ns
    except FileNotFoundError:
        raise ConfigurationError(f"{path} does not exist, and the cluster's transport is tls; {remedy}") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; {remedy}") from error


def _digest(side: ssl.SSLObject) -> bytes:
    return sha256(side.getpeercert(binary_form=True) or b"").digest()


def _reason(error: Exception) -> str:
    """OpenSSL's words, without its numbers."""
    reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or "unknown"
    return str(reason).lower().replace("_", " ")


_EXPIRED: Final = 10
_NOT_YET: Final = 9
_FOREIGN: Final = frozenset({2, 18, 19, 20, 21})
"""OpenSSL's numbers of what a certificate may lack: its issuer is not known, or itself, or not believed."""


def _fault_of(error: ssl.SSLCertVerificationError, authorities: str) -> str:
    if error.verify_code == _EXPIRED:
        return "the certificate has expired"
    if error.verify_code == _NOT_YET:
        return "the certificate is not valid yet: compare the clocks"
    if error.verify_code in _FOREIGN:
        return f"the certificate is signed by {authorities}"
    return error.verify_message


def _refusal_of(error: ssl.SSLError) -> HandshakeRefused:
    """What went wrong: the other side's certificate, ours as the other side says, or TLS itself."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = _fault_of(error, f"no authority of our {AUTHORITY_FILE}")
        return HandshakeRefused(Refusal.CERTIFICATE, detail=f"{fault}; at the other side, replace {CERTIFICATE_FILE}")
    reason = _reason(error)
    if "alert" in reason and ("certificate" in reason or "unknown ca" in reason):
        detail = f"{reason.rpartition('alert ')[2]}; look at {CERTIFICATE_FILE} here and {AUTHORITY_FILE} there"
        return HandshakeRefused(Refusal.CERTIFICATE, is_theirs=True, detail=detail)
    if "did not return a certificate" in reason:
        return HandshakeRefused(Refusal.CERTIFICATE, detail="it shows none")
    return HandshakeRefused(Refusal.TLS, detail=reason)
