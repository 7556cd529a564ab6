"""The file of a backup: written and read from its beginning to its end, node by node, never held whole.

    magic, checksum, version, length     20 bytes; the checksum (CRC-32) covers them and what follows
    description                          msgpack: the cluster's public part, the checkpoint, its certificate
    length, tables                       the core's replicated tables
    kind, length, node                   each node of the service's tree that is not empty, parents before children
    SHA-256                              of all of it

A node is what its parent vouches for, the root what the CHECKPOINTs of the certificate vouch for together with the
tables: so paths need not be written, and no byte is used before it is known to be right. The checksums are for what
no signature covers, and so that damage is told from forgery.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from hashlib import sha256
from struct import Struct
from typing import BinaryIO, Final
from zlib import crc32

import msgspec

from quorate.backup.certificate import Target
from quorate.config import ClusterConfiguration
from quorate.core.tables import TablesSnapshot, decode_snapshot, encode_snapshot
from quorate.errors import BackupRefused, ConfigurationError, MalformedMessage
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import REPLICAS_MAX, Digest, Natural
from quorate.messages.tree import DIGEST_SIZE, EMPTY, NodeKind, Path, child_digests, kind_of_node

FORMAT: Final = 1
"""The version of the file. A newer one is refused; magic, checksum, version and length stay where they are."""
MAGIC: Final = b"\x89QRT-BAK"
HEADER: Final = Struct(">8sIII")
_CHECKSUM: Final = slice(8, 12)
_LENGTH: Final = Struct(">Q")
_NODE: Final = Struct(">cI")
_CHILD: Final = Struct(f">I{DIGEST_SIZE}s")
_COUNT: Final = Struct(">I")
TRAILER_BYTES: Final = 32
_CHILDREN_MAX: Final = 1 << 16
_DEPTH_MAX: Final = 16
_INNER: Final[bytes] = NodeKind.INNER.value
_LEAF: Final[bytes] = NodeKind.LEAF.value


class Description(msgspec.Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """What a backup is of, and who vouches for it."""

    cluster: bytes
    """The public part of the cluster's configuration, as JSON."""
    sequence_number: Natural
    digest: Digest
    service_digest: Digest
    certificate: tuple[bytes, ...]
    """The frames of CHECKPOINTs."""

    @property
    def target(self) -> Target:
        """The checkpoint."""
        return Target(self.sequence_number, self.digest)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Description).decode


def canonical_tables(tables: TablesSnapshot) -> bytes:
    """One encoding for equal tables."""
    return encode_snapshot(msgspec.structs.replace(tables, rows=dict(sorted(tables.rows.items()))))


class BackupWriter:
    """Writes a backup. Whoever calls it has verified what it writes, and keeps the order."""

    def __init__(self, file: BinaryIO, description: Description, tables: TablesSnapshot) -> None:
        self._file = file
        self._hash = sha256()
        self.written = 0
        encoded = _encode(description)
        header = HEADER.pack(MAGIC, 0, FORMAT, len(encoded))
        checksum = crc32(header + encoded).to_bytes(4, "big")
        self._write(header[: _CHECKSUM.start] + checksum + header[_CHECKSUM.stop :] + encoded)
        rows = canonical_tables(tables)
        self._write(_LENGTH.pack(len(rows)) + rows)

    def add(self, kind: NodeKind, data: bytes) -> None:
        """The next node, parents before children, in the order of the paths."""
        body = _pack_children(data) if kind is NodeKind.INNER else data
        self._write(_NODE.pack(kind.value, len(body)) + body)

    def end(self) -> None:
        """Nothing follows."""
        self._file.write(self._hash.digest())
        self.written += TRAILER_BYTES
        self._file.flush()

    def _write(self, data: bytes) -> None:
        self._hash.update(data)
        self._file.write(data)
        self.written += len(data)


class BackupReader:
    """Reads a backup; what it hands out is what the checkpoint's digest covers. Raises BackupRefused where the file is
    not what it was, ConfigurationError where it is no backup or a newer one.

    That someone vouches for the digest is for `certificate.Voucher` to say."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self._file = file
        self.name: Final = name
        self._hash = sha256()
        self.size: Final = os.fstat(file.fileno()).st_size
        self.position = 0
        self.description: Final = self._read_description()
        self.configuration: Final = self._read_configuration()
        self.tables: Final = self._read_tables()

    def leaves(self) -> Iterator[tuple[Path, bytes]]:
        """The leaves in the order of their paths. Only when they have come to an end is the file known to be whole."""
        root = self.description.service_digest
        unread: list[tuple[Path, bytes]] = [] if root == EMPTY else [((), root)]
        while unread:
            path, digest = unread.pop()
            at = self.position
            kind, data = self._read_node(path)
            if len(path) > _DEPTH_MAX or kind_of_node(path, data, digest) is not kind:
                raise self.refused(f"the node {list(path)} at byte {at} is not the one that is vouched for")
            if kind is NodeKind.LEAF:
                yield path, data
                continue
            children = [((*path, child), part) for child, part in enumerate(child_digests(data)) if part != EMPTY]
            unread += reversed(children)
        self._end()

    def _read_description(self) -> Description:
        header = self._read(HEADER.size) if self.size >= HEADER.size else b""
        if header[:8] != MAGIC:
            raise ConfigurationError(f"{self.name} is no backup of Quorate's, or its first bytes are rotten")
        _, checksum, version, length = HEADER.unpack(header)
        encoded = self._read(length)
        blank = header[: _CHECKSUM.start] + bytes(4) + header[_CHECKSUM.stop :]
        if crc32(blank + encoded) != checksum:
            raise self.refused("its header is rotten")
        if version != FORMAT:
            raise ConfigurationError(
                f"{self.name} has format {version}; this version of Quorate reads format {FORMAT}: use a newer version"
            )
        try:
            return _decode(encoded)
        except msgspec.DecodeError as error:
            raise self.refused(f"its description is none: {error}") from None

    def _read_configuration(self) -> ClusterConfiguration:
        try:
            return msgspec.json.decode(self.description.cluster, type=ClusterConfiguration)
        except (msgspec.DecodeError, ConfigurationError, UnicodeDecodeError, RecursionError) as error:
            raise self.refused(f"its description of the cluster is none: {error}") from None

    def _read_tables(self) -> TablesSnapshot:
        (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
        encoded = self._read(length)
        try:
            tables = decode_snapshot(encoded)
        except MalformedMessage as error:
            raise self.refused(str(error)) from None
        description = self.description
        if checkpoint_digest(description.service_digest, tables.digest()) != description.digest:
            raise self.refused("its client and access tables are not those that are vouched for")
        return tables

    def _read_node(self, path: Path) -> tuple[NodeKind, bytes]:
        at = self.position
        tag, length = _NODE.unpack(self._read(_NODE.size))
        body = self._read(length)
        if tag == _LEAF:
            return NodeKind.LEAF, body
        data = _unpack_children(body) if tag == _INNER else None
        if data is None:
            raise self.refused(f"the node {list(path)} at byte {at} is none")
        return NodeKind.INNER, data

    def _end(self) -> None:
        digest = self._hash.digest()
        if self.size - self.position != TRAILER_BYTES:
            raise self.refused("something stands behind its end")
        if self._file.read(TRAILER_BYTES) != digest:
            raise self.refused("its last checksum is not that of its contents")
        self.position = self.size

    def _read(self, length: int) -> bytes:
        if length > self.size - TRAILER_BYTES - self.position:
            raise self.refused("its end was cut off, or a length in it is rotten")
        data = self._file.read(length)
        if len(data) != length:
            raise self.refused("it became shorter while it was read")
        self.position += length
        self._hash.update(data)
        return data

    def refused(self, what: str) -> BackupRefused:
        """The error that names the file."""
        return BackupRefused(f"{self.name}: {what}")


def describe(
    configuration: ClusterConfiguration, target: Target, service_digest: bytes, certificate: tuple[bytes, ...]
) -> Description:
    """The description of a backup; *configuration* is its public part."""
    assert len(certificate) <= REPLICAS_MAX
    return Description(
        msgspec.json.encode(configuration), target.sequence_number, target.digest, service_digest, certificate
    )


def _pack_children(data: bytes) -> bytes:
    """An inner node without its empty children: of a small state most are."""
    children = child_digests(data)
    packed = [_CHILD.pack(child, digest) for child, digest in enumerate(children) if digest != EMPTY]
    return _COUNT.pack(len(children)) + b"".join(packed)


def _unpack_children(body: bytes) -> bytes | None:
    """The inner node; None: it is none. There is one way to write it."""
    count = int.from_bytes(body[: _COUNT.size], "big")
    entries = body[_COUNT.size :]
    if len(body) < _COUNT.size or len(entries) % _CHILD.size or count > _CHILDREN_MAX:
        return None
    node = bytearray(count * DIGEST_SIZE)
    last = -1
    for child, digest in _CHILD.iter_unpack(entries):
        if not last < child < count or digest == EMPTY:
            return None
        node[child * DIGEST_SIZE : (child + 1) * DIGEST_SIZE] = digest
        last = child
    return bytes(node)
