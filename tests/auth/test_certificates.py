"""The authority of a cluster: it signs what members show, and says what it lacks."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from quorate.auth.certificates import Authority, read_authority, tls_password
from quorate.auth.keys import KeyPair
from quorate.config import Settings
from quorate.errors import ConfigurationError
from quorate.folder import create_cluster

SEED = b"\x07" * 32


@pytest.mark.parametrize(
    ("host", "expected"), [("10.0.0.1", "10.0.0.1"), ("replica.example", "replica.example"), ("::1", "::1")]
)
def test_a_certificate_names_the_member_and_its_host(host: str, expected: str) -> None:
    pem = Authority(SEED).issue("replica 3", host, KeyPair(b"\x01" * 32)).encode()

    certificate = x509.load_pem_x509_certificate(pem)
    assert certificate.subject.rfc4514_string() == "CN=replica 3"
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == [expected]
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(Authority(SEED).pem.encode()))


def test_its_key_opens_with_the_members_own_alone() -> None:
    owner, other = KeyPair(b"\x01" * 32), KeyPair(b"\x02" * 32)
    pem = Authority(SEED).issue("replica 3", None, owner)
    key = pem[pem.index("-----BEGIN ENCRYPTED") :].encode()

    assert load_pem_private_key(key, tls_password(owner)) is not None
    with pytest.raises(ValueError):
        load_pem_private_key(key, tls_password(other))


def test_an_authority_whose_certificate_is_anothers_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="is not that of its private key"):
        Authority(SEED, Authority(b"\x08" * 32).pem.encode())
    with pytest.raises(ConfigurationError, match="is damaged"):
        Authority(SEED, b"nonsense")


def test_an_authority_that_is_kept_elsewhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/authority.pem cannot be read: No such file"):
        read_authority(tmp_path)


def test_without_the_package_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'quorate\[tls\]'"):
        create_cluster(tmp_path / "cluster", [("127.0.0.1", 7100)], "redis", Settings(transport="tls"))

    assert list(tmp_path.iterdir()) == []
