"""What the digest of a node means: the one definition, for whoever makes a checkpoint tree and whoever checks one.

A checkpoint of a service is a Merkle tree. An inner node is the concatenation of its children's 32-byte digests,
a leaf is canonical contents. The digest of a node covers its kind and its path as well as its bytes, so that no
node can be passed off as another, neither a leaf as an inner node nor a subtree as its neighbour. A node without
contents has no bytes, and `EMPTY` for its digest, wherever it stands.

Everything here is pure: a state transfer checks a peer's bytes with `kind_of_node` before it believes them.
"""

from __future__ import annotations

import struct
from enum import Enum
from hashlib import sha256

Path = tuple[int, ...]
"""A node: () is the root, (3,) its fourth child, (3, 7) a child of that."""

DIGEST_SIZE = 32
EMPTY = bytes(DIGEST_SIZE)
"""The digest of a node without contents. Nobody can find contents whose SHA-256 digest this is."""


_LONGEST_PATH = 16
_headers = [struct.Struct(f">cB{length}I").pack for length in range(_LONGEST_PATH + 1)]


class NodeKind(Enum):
    """What the bytes of a node are."""

    INNER = b"\x00"
    LEAF = b"\x01"


_INNER: bytes = NodeKind.INNER.value
_LEAF: bytes = NodeKind.LEAF.value
"""At hand, because a checkpoint hashes each leaf that changed."""


def leaf_digest(path: Path, contents: bytes) -> bytes:
    """The digest of the leaf at *path*."""
    # As `_digest` does, which would be one call more for each leaf that changed.
    return sha256(_headers[len(path)](_LEAF, len(path), *path) + contents).digest() if contents else EMPTY


def inner_digest(path: Path, children: bytes) -> bytes:
    """The digest of the inner node at *path*, whose children have the concatenated digests *children*."""
    return EMPTY if children == bytes(len(children)) else _digest(_INNER, path, children)


def kind_of_node(path: Path, data: bytes, digest: bytes) -> NodeKind | None:
    """What *data* is when it is the node at *path* that *digest* vouches for, None when it is not that node."""
    if digest == EMPTY:
        return None if data else NodeKind.LEAF
    if _digest(_LEAF, path, data) == digest:
        return NodeKind.LEAF
    if len(data) % DIGEST_SIZE == 0 and _digest(_INNER, path, data) == digest:
        return NodeKind.INNER
    return None


def child_digests(data: bytes) -> list[bytes]:
    """The digests of the children of an inner node, in order."""
    return [data[start : start + DIGEST_SIZE] for start in range(0, len(data), DIGEST_SIZE)]


def _digest(kind: bytes, path: Path, data: bytes) -> bytes:
    # The path has its length before it: no two (kind, path, data) give the same bytes to hash.
    return sha256(_headers[len(path)](kind, len(path), *path) + data).digest()
