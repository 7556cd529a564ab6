"""The Redis gateway: any Redis client, RESP2 or RESP3, uses the replicated Redis service."""

from quorate.gateways.resp.scanner import ScanLimits
from quorate.gateways.resp.server import GatewayLimits, RespServer, serve_redis

__all__ = ["GatewayLimits", "RespServer", "ScanLimits", "serve_redis"]
