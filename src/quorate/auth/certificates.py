"""Certificates for TLS, made by a cluster's own authority. Only making them needs the package `cryptography`.

A certificate makes no member: who somebody is, its Ed25519 key proves, over the very certificates that the connection
was made with (`net.handshake`). So a certificate may be replaced at any time, by one of any authority that the others
have in their `authority.pem`, and no name in it is looked at.
"""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from quorate.auth.files import replace_file
from quorate.auth.keys import KeyPair
from quorate.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

CERTIFICATE_FILE: Final = "tls.pem"
"""A member's certificate, with whatever leads from it to an authority, and its private key."""
AUTHORITY_FILE: Final = "authority.pem"
"""The authorities whose certificates are believed."""

AUTHORITY_DAYS: Final = 3650
MEMBER_DAYS: Final = 730
_CLOCKS_DIFFER: Final = timedelta(days=1)
"""Certificates begin that long ago, for machines whose clocks are behind."""


def tls_password(key_pair: KeyPair) -> bytes:
    """What the private key in a member's `tls.pem` is encrypted with: it is as safe as the member's own key is."""
    return key_pair.derive(b"the private key of a certificate").hex().encode()


class Authority:
    """Signs the certificates of one cluster's members. Its private key is a seed, as a member's is.

    Raises ValueError when *certificate* is damaged or not of that key.
    """

    def __init__(self, seed: bytes, certificate: bytes | None = None) -> None:
        self._key = _private_key(seed)
        self._certificate = self._sign_own() if certificate is None else _parse(certificate)
        if self._certificate.public_key() != self._key.public_key():
            raise ValueError("the certificate of another authority")

    def __repr__(self) -> str:
        return "Authority()"

    @property
    def pem(self) -> str:
        """Its own certificate: what others have in `authority.pem`."""
        return _pem(self._certificate)

    def issue(self, name: str, host: str | None, key_pair: KeyPair, days: int = MEMBER_DAYS) -> str:
        """The text of a member's `tls.pem`: a new key, encrypted for the member, and its certificate."""
        from cryptography import x509
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.x509.oid import ExtendedKeyUsageOID

        key = Ed25519PrivateKey.generate()
        builder = _builder(name, self._certificate.subject, key.public_key(), days)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        usage = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usage), critical=False)
        builder = builder.add_extension(_authority_key_identifier(self._key), critical=False)
        if host is not None:
            builder = builder.add_extension(x509.SubjectAlternativeName([_general_name(host)]), critical=False)
        private = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(tls_password(key_pair)),
        )
        return _pem(builder.sign(self._key, None)) + private.decode()

    def refuse_unless_believed(self, path: Path) -> None:
        """Refuse when a member's `authority.pem` does not hold this authority's certificate."""
        from cryptography import x509

        try:
            believed = x509.load_pem_x509_certificates(_read(path))
        except ValueError:
            believed = []
        if self._certificate not in believed:
            raise ConfigurationError(
                f"{path} does not hold the certificate of the authority that is to sign, and nothing was changed: "
                f"append it there and to the {AUTHORITY_FILE} of every member that runs, then do this again"
            )

    def _sign_own(self) -> x509.Certificate:
        from cryptography import x509

        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Quorate cluster authority")])
        builder = _builder("Quorate cluster authority", subject, self._key.public_key(), AUTHORITY_DAYS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        builder = builder.add_extension(usage, critical=True)
        return builder.sign(self._key, None)


def _private_key(seed: bytes) -> Ed25519PrivateKey:
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    except ImportError:
        raise ConfigurationError(
            "making certificates needs the package cryptography: pip install 'quorate[tls]'"
        ) from None
    return Ed25519PrivateKey.from_private_bytes(seed)


def _parse(pem: bytes) -> x509.Certificate:
    from cryptography import x509

    return x509.load_pem_x509_certificate(pem)


def _builder(name: str, issuer: x509.Name, public_key: object, days: int) -> x509.CertificateBuilder:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    assert isinstance(public_key, Ed25519PublicKey)
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(min(now, now + timedelta(days=days)) - _CLOCKS_DIFFER)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )


def _authority_key_identifier(key: Ed25519PrivateKey) -> x509.AuthorityKeyIdentifier:
    from cryptography import x509

    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _general_name(host: str) -> x509.GeneralName:
    from cryptography import x509

    with suppress(ValueError):
        return x509.IPAddress(ipaddress.ip_address(host))
    try:
        return x509.DNSName(host.encode("idna").decode())
    except ValueError:
        raise ConfigurationError(f"{host} is no host's name or address: correct it") from None


def _pem(certificate: x509.Certificate) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode()


def write_certificate(folder: Path, authority: Authority, name: str, host: str | None, key_pair: KeyPair) -> None:
    """Give a member a certificate, and the authority's beside it, as the only one that it believes."""
    replace_file(folder / AUTHORITY_FILE, authority.pem, 0o644)
    renew_certificate(folder, authority, name, host, key_pair)


def renew_certificate(folder: Path, authority: Authority, name: str, host: str | None, key_pair: KeyPair) -> None:
    """Give a member a new certificate, whole in the place of the old one; whom it believes stays as it is."""
    replace_file(folder / CERTIFICATE_FILE, authority.issue(name, host, key_pair), 0o600)


def open_authority(folder: Path, seed: bytes) -> Authority:
    """The authority whose private key is *seed*, with the certificate that the folder of that key holds."""
    path = folder / AUTHORITY_FILE
    try:
        return Authority(seed, _read(path))
    except ValueError:
        raise ConfigurationError(
            f"{path} does not hold the certificate of the private key beside it: restore both from their copy"
        ) from None


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; restore its copy") from None
