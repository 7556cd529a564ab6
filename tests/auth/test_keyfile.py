"""Key files: encrypted and opened again, refused with the remedy."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import nacl.exceptions
import nacl.pwhash.argon2id
import pytest

from quorate.auth.keyfile import (
    PASSPHRASE_FILE_VARIABLE,
    PASSPHRASE_VARIABLE,
    new_salt,
    read_passphrase,
    read_seed,
    render_key,
)
from quorate.errors import ConfigurationError

SEED = bytes(range(32))
PASSPHRASE = "correct horse battery staple"


def says(passphrase: str) -> Callable[[Path], str]:
    return lambda _: passphrase


@pytest.fixture(scope="module")
def text() -> str:
    return render_key(SEED, PASSPHRASE, new_salt())


@pytest.fixture
def key_file(tmp_path: Path, text: str) -> Path:
    return written(tmp_path / "private.key", text)


@pytest.fixture(autouse=True)
def no_passphrase_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in (PASSPHRASE_VARIABLE, PASSPHRASE_FILE_VARIABLE):
        monkeypatch.delenv(variable, raising=False)


def written(path: Path, text: str, mode: int = 0o600) -> Path:
    path.write_text(text)
    path.chmod(mode)
    return path


def test_what_was_encrypted_opens_with_its_passphrase(key_file: Path) -> None:
    assert read_seed(key_file, says(PASSPHRASE)) == SEED


def test_without_a_passphrase_the_file_holds_the_seed(tmp_path: Path) -> None:
    path = written(tmp_path / "private.key", render_key(SEED, None, new_salt()))

    assert path.read_text() == SEED.hex() + "\n"
    assert read_seed(path) == SEED


def test_the_file_says_how_it_was_encrypted_and_not_what_it_holds(text: str) -> None:
    content = tomllib.loads(text)

    assert (content["format"], content["kdf"], content["cipher"]) == (1, "argon2id", "secretbox")
    assert (content["operations"], content["memory_bytes"]) == (3, 64 << 20)
    assert SEED.hex() not in text
    assert PASSPHRASE not in text


def test_the_same_seed_is_never_encrypted_alike(text: str) -> None:
    salt = bytes.fromhex(tomllib.loads(text)["salt"])

    assert render_key(SEED, PASSPHRASE, salt) != text


def test_a_wrong_passphrase_is_a_clear_error(key_file: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not open with this passphrase") as raised:
        read_seed(key_file, says("wrong guess"))

    assert str(raised.value).startswith(str(key_file))
    assert "wrong guess" not in str(raised.value)


def test_without_any_passphrase_the_error_says_how_to_give_one(key_file: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is encrypted: .*--passphrase-file.*QUORATE_PASSPHRASE"):
        read_seed(key_file)


def test_the_environment_gives_the_passphrase(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(PASSPHRASE_VARIABLE, PASSPHRASE)

    assert read_seed(key_file) == SEED


def test_a_file_that_the_environment_names_comes_first(
    key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = written(tmp_path / "passphrase", PASSPHRASE + "\n")
    monkeypatch.setenv(PASSPHRASE_FILE_VARIABLE, str(file))
    monkeypatch.setenv(PASSPHRASE_VARIABLE, "another one")

    assert read_seed(key_file) == SEED


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602])
@pytest.mark.parametrize("encrypted", [True, False])
def test_a_key_that_others_may_open_is_refused(tmp_path: Path, text: str, encrypted: bool, mode: int) -> None:
    path = written(tmp_path / "private.key", text if encrypted else SEED.hex(), mode)

    with pytest.raises(ConfigurationError, match=f"chmod 600 {path}"):
        read_seed(path, says(PASSPHRASE))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("format = 1", "format = 2", "has format 2; this version of Quorate reads format 1: use a newer version"),
        ('"argon2id"', '"argon2i"', "is not a key file; restore its copy"),
        ("operations = 3", "operations = 65", "is not a key file"),
        ("memory_bytes = 67108864", "memory_bytes = 1073741825", "is not a key file"),
        ("operations = 3", "operations = 2", "does not open with this passphrase"),
        ('box = "', 'box = "00', "does not open with this passphrase"),
        ('box = "', 'box = "z', "is not a key file"),
        ("salt = ", "salt", "is not a key file"),
    ],
)
def test_a_damaged_file_is_named_and_not_quoted(key_file: Path, text: str, old: str, new: str, message: str) -> None:
    assert old in text
    key_file.write_text(text.replace(old, new, 1))

    with pytest.raises(ConfigurationError, match=message) as raised:
        read_seed(key_file, says(PASSPHRASE))

    assert str(raised.value).startswith(str(key_file))
    assert tomllib.loads(text)["box"] not in str(raised.value)


def test_too_little_memory_for_the_derivation_is_said(key_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **costs: int) -> bytes:
        raise nacl.exceptions.RuntimeError("Unexpected failure in key derivation")

    monkeypatch.setattr(nacl.pwhash.argon2id, "kdf", refuse)

    with pytest.raises(ConfigurationError, match=f"{key_file} cannot be opened: .* takes 64 MiB of memory"):
        read_seed(key_file, says("a passphrase that no other test has"))


@pytest.mark.parametrize(("content", "passphrase"), [("one\n", "one"), ("two words\r\n", "two words"), (" x ", " x ")])
def test_a_passphrase_file_is_one_line(tmp_path: Path, content: str, passphrase: str) -> None:
    assert read_passphrase(written(tmp_path / "passphrase", content)) == passphrase


def test_a_passphrase_file_is_refused_when_it_is_open_empty_or_missing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="chmod 600"):
        read_passphrase(written(tmp_path / "open", "secret", 0o644))
    with pytest.raises(ConfigurationError, match="is empty"):
        read_passphrase(written(tmp_path / "empty", "\n"))
    with pytest.raises(ConfigurationError, match="cannot be read"):
        read_passphrase(tmp_path / "missing")
