"""The authority of a cluster: it signs what members show, and says what it lacks."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from quorate.auth.certificates import AUTHORITY_FILE, Authority, open_authority, tls_password
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


def test_an_authority_is_opened_with_its_own_certificate(tmp_path: Path) -> None:
    pem = Authority(SEED).pem
    (tmp_path / AUTHORITY_FILE).write_text(pem)

    assert open_authority(tmp_path, SEED).pem == pem


@pytest.mark.parametrize("pem", [Authority(b"\x08" * 32).pem, "nonsense", ""])
def test_an_authority_whose_certificate_is_anothers_is_refused(tmp_path: Path, pem: str) -> None:
    path = tmp_path / AUTHORITY_FILE
    path.write_text(pem)

    with pytest.raises(ConfigurationError, match=f"{path} does not hold the certificate of the private key beside it"):
        open_authority(tmp_path, SEED)


def test_an_authority_that_is_kept_elsewhere_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=f"{tmp_path}/authority.pem cannot be read: No such file"):
        open_authority(tmp_path, SEED)


@pytest.mark.parametrize("host", ["a..b", "x" * 64 + ".example"])
def test_a_host_that_is_none_is_named_and_nothing_is_made(tmp_path: Path, host: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{re.escape(host)} is no host's name or address"):
        create_cluster(tmp_path / "cluster", [(host, 7100)], "redis", Settings(transport="tls"))

    assert list(tmp_path.iterdir()) == []


def test_what_members_believe_besides_is_seen(tmp_path: Path) -> None:
    own, other = Authority(SEED), Authority(b"\x08" * 32)
    path = tmp_path / AUTHORITY_FILE

    path.write_text(other.pem + own.pem.replace("\n", "\r\n"))
    own.refuse_unless_believed(path)
    for text in (other.pem, "", "nonsense"):
        path.write_text(text)
        with pytest.raises(
            ConfigurationError, match=f"{path} does not hold the certificate of the authority .* append"
        ):
            own.refuse_unless_believed(path)
    path.unlink()
    with pytest.raises(ConfigurationError, match=f"{path} cannot be read"):
        own.refuse_unless_believed(path)


def test_without_the_package_it_is_said_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.asymmetric.ed25519", None)

    with pytest.raises(ConfigurationError, match=r"pip install 'quorate\[tls\]'"):
        create_cluster(tmp_path / "cluster", [("127.0.0.1", 7100)], "redis", Settings(transport="tls"))

    assert list(tmp_path.iterdir()) == []
