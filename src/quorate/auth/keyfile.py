"""The file of a private key: as it is, or encrypted with a passphrase.

As it is: the seed in hexadecimal digits. Encrypted: TOML that names the version, how the passphrase becomes a key
(Argon2id, with its costs and its salt) and what holds the seed (libsodium's secretbox: XSalsa20 and Poly1305). Either
is refused when others than its owner may open it.
"""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
import nacl.exceptions
import nacl.pwhash.argon2id
import nacl.secret
import tomli_w
from msgspec import Meta, Struct

from quorate.auth.keys import SEED_BYTES
from quorate.errors import ConfigurationError

PASSPHRASE_VARIABLE: Final = "QUORATE_PASSPHRASE"
PASSPHRASE_FILE_VARIABLE: Final = "QUORATE_PASSPHRASE_FILE"
PassphraseSource = Callable[[Path], str]
"""Gives the passphrase of a key file, or raises ConfigurationError."""

_FORMAT: Final = 1
_OPERATIONS: Final = 3
_MEMORY_BYTES: Final = 64 << 20
"""Argon2id's costs as RFC 9106 advises where memory is scarce: three passes over 64 MiB."""
_HEADER: Final = "# A private key of Quorate, encrypted. Without its passphrase it is lost.\n"


class _EncryptedKey(Struct, frozen=True, forbid_unknown_fields=True):
    """What an encrypted key file holds. Its costs are bounded: reading a file must not cost whatever the file says."""

    kdf: Literal["argon2id"]
    operations: Annotated[int, Meta(ge=1, le=64)]
    memory_bytes: Annotated[int, Meta(ge=8192, le=1 << 30)]
    salt: Annotated[str, Meta(pattern=f"^[0-9a-f]{{{2 * nacl.pwhash.argon2id.SALTBYTES}}}$")]
    cipher: Literal["secretbox"]
    box: Annotated[str, Meta(pattern="^([0-9a-f]{2})+$")]
    format: int = _FORMAT


def new_salt() -> bytes:
    """A salt; the keys of one cluster that share a passphrase may share it, and are then opened with one derivation."""
    return os.urandom(nacl.pwhash.argon2id.SALTBYTES)


def render_key(seed: bytes, passphrase: str | None, salt: bytes) -> str:
    """The text of the file that holds *seed*; encrypted when there is a passphrase."""
    if passphrase is None:
        return seed.hex() + "\n"
    box = nacl.secret.SecretBox(_derive(passphrase, salt, _OPERATIONS, _MEMORY_BYTES)).encrypt(seed)
    content = _EncryptedKey("argon2id", _OPERATIONS, _MEMORY_BYTES, salt.hex(), "secretbox", bytes(box).hex())
    return _HEADER + tomli_w.dumps({"format": content.format} | msgspec.structs.asdict(content))


def read_seed(path: Path, passphrase_of: PassphraseSource | None = None) -> bytes:
    """The seed that a key file holds. Without a source the environment is asked for a passphrase."""
    text = _read_text(path)
    refuse_open_file(path)
    if not _is_encrypted(text):
        try:
            return _checked(bytes.fromhex(text.strip()))
        except ValueError:
            raise ConfigurationError(
                f"{path} does not hold {2 * SEED_BYTES} hexadecimal digits; restore its copy"
            ) from None
    content = _parse(path, text)
    passphrase = (passphrase_of or passphrase_of_environment)(path)
    try:
        key = _derive(passphrase, bytes.fromhex(content.salt), content.operations, content.memory_bytes)
    except nacl.exceptions.RuntimeError:
        raise ConfigurationError(
            f"{path} cannot be opened: making the key of a passphrase takes {content.memory_bytes >> 20} MiB of "
            "memory, which cannot be had; free some, or raise the limit of this process"
        ) from None
    try:
        return _checked(nacl.secret.SecretBox(key).decrypt(bytes.fromhex(content.box)))
    except (nacl.exceptions.CryptoError, ValueError):
        raise ConfigurationError(
            f"{path} does not open with this passphrase: give the one that it was encrypted with; if that is the one, "
            "the file is damaged: restore its copy"
        ) from None


def refuse_open_file(path: Path) -> None:
    """Refuse a file with a secret in it that its group or the world may open."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; restore its copy") from error
    if stat.S_ISREG(mode) and mode & 0o077:
        raise ConfigurationError(f"{path} is open to others than its owner; run: chmod 600 {path}")


def given_passphrase() -> str | None:
    """The passphrase that the environment names, if it does: in a file, or itself."""
    file = os.environ.get(PASSPHRASE_FILE_VARIABLE)
    return read_passphrase(Path(file)) if file else os.environ.get(PASSPHRASE_VARIABLE) or None


def passphrase_of_environment(path: Path) -> str:
    """The passphrase that the environment names, for the key file of *path*."""
    passphrase = given_passphrase()
    if passphrase is not None:
        return passphrase
    raise ConfigurationError(
        f"{path} is encrypted: give its passphrase with --passphrase-file, or in the environment with "
        f"{PASSPHRASE_FILE_VARIABLE} (a file's name) or {PASSPHRASE_VARIABLE}"
    )


def read_passphrase(path: Path) -> str:
    """The passphrase that a file holds: all of it but the line's end."""
    try:
        passphrase = path.read_text(encoding="utf-8").rstrip("\r\n")
        refuse_open_file(path)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text; a passphrase is a line of text") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}; name a file with the passphrase") from None
    if not passphrase:
        raise ConfigurationError(f"{path} is empty; write the passphrase into it")
    return passphrase


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigurationError(
            f"{path} does not exist; restore its copy: a key that is lost cannot be made again"
        ) from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path} is not text; restore its copy") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error


def _is_encrypted(text: str) -> bool:
    return "kdf" in text


def _parse(path: Path, text: str) -> _EncryptedKey:
    try:
        content = tomllib.loads(text)
        written = content.get("format")
        if isinstance(written, int) and written > _FORMAT:
            raise ConfigurationError(
                f"{path} has format {written}; this version of Quorate reads format {_FORMAT}: use a newer version"
            )
        return msgspec.convert(content, _EncryptedKey)
    except (ValueError, RecursionError, msgspec.ValidationError):
        # What is wrong is not quoted: it may be a part of a key.
        raise ConfigurationError(f"{path} is not a key file; restore its copy") from None


def _checked(seed: bytes) -> bytes:
    if len(seed) != SEED_BYTES:
        raise ValueError("a seed of another length")
    return seed


@lru_cache(maxsize=4)
def _derive(passphrase: str, salt: bytes, operations: int, memory_bytes: int) -> bytes:
    """The key of the box. Kept for a few salts, since it is made to be slow and a command reads several key files."""
    return nacl.pwhash.argon2id.kdf(
        nacl.secret.SecretBox.KEY_SIZE, passphrase.encode(), salt, opslimit=operations, memlimit=memory_bytes
    )
