"""The Redis gateway: any Redis client, RESP2 or RESP3, uses the replicated Redis service.

A command goes to the cluster as the bytes that came, and its reply comes back as bytes that enough replicas vouch for.
A pipeline that only reads is not ordered, where that is not needed (`read_only_path`; docs/PROTOCOL.md, RO-1 to RO-8).
PING too: a PONG means that the cluster answers. What concerns the connection alone is answered here and known nowhere
else: AUTH, CLIENT, DISCARD, HELLO, MULTI, QUIT, RESET, SELECT, UNWATCH, and the queue between MULTI and EXEC.

Where it differs from redis-server 7.0.15, besides the commands that the service does not have:

- When the cluster does not answer, a command gets `-TIMEOUT outcome unknown: ...`: it may have been executed, or may
  yet be, once. Any other failure is `-ERR quorate: ...`. A pipeline that was shipped as one operation fails as one:
  each of its commands gets the error. After a WATCH that failed, EXEC is refused.
- AUTH chooses as which client of the cluster commands are executed (docs/ACCESS.md); there is no ACL command. What a
  client may not do is refused when it is executed, with NOPERM, not when MULTI queues it.
- CLIENT: SETINFO and NO-TOUCH of Redis 7.2 are known; CACHING, KILL, PAUSE, TRACKING, UNBLOCK and UNPAUSE are
  refused; LIST and INFO show this gateway's clients, without what a gateway does not measure.
- A HELLO inside of MULTI changes the protocol behind the reply to EXEC, not in the middle of it.
- A command may be as long as a request of the cluster (2 MiB by default, where Redis has 512 MB for an argument).
- After CLIENT REPLY OFF, QUIT and a protocol error close the connection at once; an empty line does not use up a
  CLIENT REPLY SKIP.
- A client that ends its side of the connection still gets the replies to what it sent.
"""

from quorate.gateways.resp.limits import ScanLimits
from quorate.gateways.resp.server import GatewayLimits, RespServer, serve_redis
from quorate.gateways.resp.users import User

__all__ = ["GatewayLimits", "RespServer", "ScanLimits", "User", "serve_redis"]
