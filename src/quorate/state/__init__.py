"""Checkpointable state: a table in hashed partitions, copy-on-write checkpoints, a Merkle tree over them."""

from quorate.state.codec import Codec, PlainCodec
from quorate.state.forest import Forest
from quorate.state.table import Table
from quorate.state.tree import Shape

__all__ = ["Codec", "Forest", "PlainCodec", "Shape", "Table"]
