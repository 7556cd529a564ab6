"""`quorate init` with keys to encrypt and certificates to renew: what is refused, and what is left as it was."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from quorate.auth.certificates import AUTHORITY_FILE, CERTIFICATE_FILE, Authority
from quorate.auth.keyfile import PASSPHRASE_FILE_VARIABLE, PASSPHRASE_VARIABLE
from quorate.cli.main import cli
from quorate.config import Settings
from quorate.folder import ClusterFolder, create_cluster


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No passphrase, and what a command adds is taken away again."""
    for variable in (PASSPHRASE_VARIABLE, PASSPHRASE_FILE_VARIABLE):
        monkeypatch.setenv(variable, "")


@pytest.fixture
def secured(tmp_path: Path) -> ClusterFolder:
    """A cluster of one with TLS."""
    return create_cluster(tmp_path / "cluster", [("127.0.0.1", 7100)], "redis", Settings(transport="tls"))


def quorate(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, prog_name="quorate")


def member_files(cluster: ClusterFolder, name: str) -> list[str]:
    return [(folder / name).read_text() for folder, _, _ in cluster.members()]


def test_a_passphrase_that_would_encrypt_nothing_is_refused(tmp_path: Path) -> None:
    """Whoever names one would believe that the keys are encrypted."""
    file = tmp_path / "passphrase"
    file.write_text("a passphrase")
    file.chmod(0o600)

    result = quorate("init", str(tmp_path / "cluster"), "--passphrase-file", str(file))

    assert result.exit_code == 2
    assert "--passphrase-file encrypts nothing by itself: add --encrypt-keys, or leave it out" in result.stderr
    assert not (tmp_path / "cluster").exists()


def test_a_passphrase_in_the_environment_may_be_anothers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, str(tmp_path / "passphrase"))

    assert quorate("init", str(tmp_path / "cluster")).exit_code == 0


def test_renewal_makes_new_certificates_and_keeps_whom_members_believe(secured: ClusterFolder) -> None:
    for folder, _, _ in secured.members():
        with (folder / AUTHORITY_FILE).open("a") as file:
            file.write(Authority(b"\x08" * 32).pem)
    certificates, authorities = member_files(secured, CERTIFICATE_FILE), member_files(secured, AUTHORITY_FILE)

    result = quorate("init", str(secured.path), "--renew-certificates")

    assert result.exit_code == 0, result.stderr
    assert not set(certificates) & set(member_files(secured, CERTIFICATE_FILE))
    assert member_files(secured, AUTHORITY_FILE) == authorities
    assert f"Copy {CERTIFICATE_FILE} of each folder over the old one" in result.stdout


def test_renewal_makes_nothing_that_a_member_would_not_believe(secured: ClusterFolder) -> None:
    certificates = member_files(secured, CERTIFICATE_FILE)
    (secured.client() / AUTHORITY_FILE).write_text(Authority(b"\x08" * 32).pem)

    result = quorate("init", str(secured.path), "--renew-certificates")

    assert result.exit_code == 2
    assert f"{secured.client() / AUTHORITY_FILE} does not hold the certificate of the authority" in result.stderr
    assert member_files(secured, CERTIFICATE_FILE) == certificates
