"""A deterministic Redis on the protocol: most commands of redis-server 7.0, its replies and its error texts."""

from quorate.services.redis.operation import (
    Pipeline,
    Transaction,
    Versions,
    Watched,
    decode_operation,
    decode_versions,
    encode_operation,
)
from quorate.services.redis.service import RedisService

__all__ = [
    "Pipeline",
    "RedisService",
    "Transaction",
    "Versions",
    "Watched",
    "decode_operation",
    "decode_versions",
    "encode_operation",
]
