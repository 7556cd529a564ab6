"""A deterministic Redis on the protocol: most commands of redis-server 7.0, its replies and its error texts.

What differs from a redis-server, on purpose:

- Time is the agreed time, which stands still within a batch. An expired key is gone for every command at once; Redis
  goes on counting it in DBSIZE, and hides it from most others, until it removes it.
- Chance comes from the agreed seed: the same at all replicas, and not secret.
- The order of KEYS and SCAN is that of the keys' hashes, the order in a hash is that of insertion, however large it is.
  ZSCAN gives a sorted set whole, and so do HSCAN and SSCAN up to 512 elements.
- `limits` bounds strings, replies and repeated random elements, below what Redis allows.
- OBJECT ENCODING follows from the value alone, OBJECT IDLETIME is 0, REFCOUNT is 1; COMMAND INFO has no ACL categories.
- INCRBYFLOAT computes with the long double of x86 on every machine. The score -0 is stored as 0, as in Redis's small
  sorted sets.
- A range by BYLEX of members with different scores, which Redis leaves open, is some other range here.
- Scripts, streams, geo, HyperLogLog, blocking commands, SORT, and DUMP are unknown commands; pub/sub is too.
"""

from quorate.services.redis.operation import (
    Pipeline,
    Transaction,
    Versions,
    Watched,
    decode_operation,
    decode_versions,
    encode_command,
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
    "encode_command",
    "encode_operation",
]
