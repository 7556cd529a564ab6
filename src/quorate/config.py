"""A cluster's configuration: who its members are and how they behave. Equal at every member; validated when built."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

from quorate.errors import ConfigurationError
from quorate.messages.access import (
    ACCESS_BYTES_MAX,
    CLIENTS_MAX,
    PREFIXES_MAX,
    AccessRow,
    ClientName,
    Grant,
    encode_access,
)
from quorate.messages.protocol import REPLICAS_MAX, WINDOW_MAX

FORMAT: Final = 1
"""The version of the configuration file. A newer one is refused."""

KEY_PREFIX_MAX: Final = 128
KeyPrefix = Annotated[str, Meta(min_length=1, max_length=KEY_PREFIX_MAX)]
HexKey = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


REFRESH_INTERVALS: Final = 10
"""Session keys live for so many status intervals at least. If all replicas refreshed them whenever they say STATUS, it
would always be said under keys that its receivers have just given up."""


class Settings(Struct, frozen=True, forbid_unknown_fields=True):
    """How the protocol is run. One value for the whole cluster; durations in milliseconds, sizes in bytes."""

    checkpoint_interval: Annotated[int, Meta(ge=1, le=WINDOW_MAX // 2)] = 128
    """K: a checkpoint every K sequence numbers. The window between the watermarks is L = 2K."""
    request_authentication: Literal["signature", "mac"] = "signature"
    """`signature` ends the Big-MAC attack (C1, C2); `mac` is the paper's speed."""
    replica_authentication: Literal["mac", "signature"] = "mac"
    """`mac`: authenticators in the normal case. `signature`: everything is signed, and P carries certificates."""
    view_change_timeout_ms: Annotated[int, Meta(ge=1)] = 1000
    view_change_timeout_max_ms: Annotated[int, Meta(ge=1)] = 60_000
    status_interval_ms: Annotated[int, Meta(ge=1)] = 100
    """How often a replica that lacks something says so; one that lacks nothing says so ten times less often."""
    clock_skew_ms: Annotated[int, Meta(ge=1)] = 5000
    """How far ahead of a backup's clock a proposed time may be, or behind it for a timeout."""
    batch_requests_max: Annotated[int, Meta(ge=1, le=1024)] = 256
    batch_bytes_max: Annotated[int, Meta(ge=1024)] = 4 << 20
    request_bytes_max: Annotated[int, Meta(ge=1024)] = 2 << 20
    batches_in_flight: Annotated[int, Meta(ge=1)] = 4
    """How many batches the primary orders at once; what arrives meanwhile waits for the next."""
    reply_bytes_max: Annotated[int, Meta(ge=1024)] = 16 << 20
    """The results of one request; what is beyond it is not returned (the operations are executed all the same)."""
    waiting_requests_max: Annotated[int, Meta(ge=16)] = 8192
    waiting_bytes_per_client_max: Annotated[int, Meta(ge=1024)] = 16 << 20
    """Requests of one client that wait at a replica, in bytes. Of their number, twice `sessions_per_client` may."""
    client_requests_per_second: Annotated[int, Meta(ge=1)] = 100_000
    """Frames that a replica reads from one client, over all its links; the rest waits in the client's own sockets."""
    client_bytes_per_second: Annotated[int, Meta(ge=1024)] = 128 << 20
    sessions_per_client: Annotated[int, Meta(ge=1, le=4096)] = 64
    scrub_interval_ms: Annotated[int, Meta(ge=0)] = 250
    """How often a replica looks whether a little of its state, in memory and on disk, is as it was; 0: never."""
    durability: Literal["sync", "async", "memory"] = "memory"
    """`sync`: votes are on disk before they are cast. `async`: on their way there: a kill loses nothing, a power cut
    may lose the last milliseconds. `memory`: a replica that restarts has lost its votes and recovers."""
    tentative_execution: bool = True
    """Whether a batch is executed and answered when it is prepared, before it commits (OSDI'99 5.1)."""
    commit_delay_ms: Annotated[int, Meta(ge=0, le=1000)] = 10
    """How long the COMMIT of a batch that was answered tentatively may wait for a message that it can travel with."""
    digest_replies: bool = True
    """Whether large results are sent whole by one replica, and as a digest by the others (OSDI'99 5.1)."""
    separate_requests: bool = True
    """Whether clients send large requests to all replicas, and PRE-PREPAREs carry their digests (OSDI'99 4.2)."""
    read_only_path: bool = True
    """Whether replicas answer what only reads without ordering it (OSDI'99 5.1). It has its price: while it is on, a
    client believes nothing, ordered requests too, that fewer replicas than a quorum say (RO-5)."""
    slow_primary_factor: Annotated[int, Meta(ge=0, le=1000)] = 4
    """A primary is left that proposes what waits so many times later than the replicas take to agree (TIMER-5); 0:
    only one that does not propose in time is."""
    transport: Literal["tcp", "tls"] = "tcp"
    """How links travel. `tls`: TLS 1.3, both sides with a certificate; who speaks without is refused."""

    key_refresh_ms: Annotated[int, Meta(ge=0, le=2**31)] = 0
    """How often a replica draws new session keys; 0: never. docs/RECOVERY.md says what that is good for."""
    recovery_pause_ms: Annotated[int, Meta(ge=0, le=2**31)] = 10_000
    """A replica's recoveries are executed at least so far apart; a request that comes sooner is passed over."""
    recovery_interval_ms: Annotated[int, Meta(ge=0, le=2**40)] = 0
    """How often each replica recovers by itself, one after the other; 0: never."""

    @property
    def window(self) -> int:
        """L, the number of sequence numbers between the watermarks (facts 1.5: twice K)."""
        return 2 * self.checkpoint_interval


SETTING_COMMENTS: Final = {
    "checkpoint_interval": "a checkpoint every so many sequence numbers; the window is twice as long",
    "request_authentication": '"signature", or "mac": faster, but a client that lies can then cost view changes',
    "replica_authentication": '"mac", or "signature": slower, but third parties can check what a replica said',
    "view_change_timeout_ms": "how long a request may wait before the primary is suspected; doubles while it fails",
    "view_change_timeout_max_ms": "where the doubling ends",
    "status_interval_ms": "how often a replica that lacks something says so",
    "clock_skew_ms": "how far the primary's clock may be from a backup's",
    "batch_requests_max": "requests in one batch",
    "batch_bytes_max": "bytes in one batch",
    "request_bytes_max": "bytes in one request; at most batch_bytes_max",
    "batches_in_flight": "batches that the primary orders at once",
    "reply_bytes_max": "bytes of the results of one request; what is beyond it is not returned",
    "waiting_requests_max": "requests that wait at a replica; more are refused",
    "waiting_bytes_per_client_max": "bytes of one client's requests that wait at a replica; more are refused",
    "client_requests_per_second": "requests that a replica reads from one client, over all its links",
    "client_bytes_per_second": "bytes that a replica reads from one client, over all its links",
    "sessions_per_client": "open sessions of one client; the least recently used is closed first",
    "scrub_interval_ms": "how often a replica checks a little of its state in memory and on disk; 0: never",
    "durability": '"sync": on disk before it counts; "async": soon after; "memory": gone with the process',
    "key_refresh_ms": "how often a replica draws new session keys for its MACs; 0: never; docs/RECOVERY.md",
    "recovery_pause_ms": "how far apart two recoveries of one replica are at least",
    "recovery_interval_ms": "how often each replica recovers by itself, one after the other; 0: never",
    "tentative_execution": "execute and answer a batch when it is prepared, one message delay before it commits",
    "commit_delay_ms": "how long a COMMIT may wait to travel with another message, when its batch is answered already",
    "digest_replies": "one replica sends large results whole, the others their digest",
    "separate_requests": "clients send large requests to all replicas, and the primary orders them by their digests",
    "read_only_path": "answer what only reads without ordering it; every answer then needs a quorum of replicas",
    "slow_primary_factor": "leave a primary that proposes so many times later than agreement takes; 0: never",
    "transport": '"tcp", or "tls": TLS 1.3, every member with a certificate; docs/SECURITY.md',
}
"""What `cluster.toml` says beside each setting."""


class Member(Struct, frozen=True, forbid_unknown_fields=True):
    """One replica: where it listens and the key that it is known by."""

    host: str
    port: Annotated[int, Meta(ge=1, le=65535)]
    public_key: HexKey


class ClientEntry(Struct, frozen=True, forbid_unknown_fields=True):
    """One client that may use the cluster from its beginning (`messages.access.Grant` says what each field means).
    Who is let in later stands in the replicated access table alone."""

    name: ClientName
    public_key: HexKey
    administrator: bool = False
    read_only: bool = False
    prefixes: Annotated[tuple[KeyPrefix, ...], Meta(max_length=PREFIXES_MAX)] = ()

    def grant(self) -> Grant:
        """The row that the access table begins with."""
        prefixes = tuple(prefix.encode() for prefix in self.prefixes)
        return Grant(bytes.fromhex(self.public_key), self.name, self.administrator, self.read_only, prefixes)


class ClusterConfiguration(Struct, frozen=True, forbid_unknown_fields=True):
    """The members of a cluster, in the order of their ids, and its settings."""

    cluster_id: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    incarnation: Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
    """New whenever the cluster starts empty or from a backup, so that nothing replays across histories."""
    service: str
    """The service that is replicated: `redis`, `counter`, or `module:Class`."""
    replicas: tuple[Member, ...]
    clients: tuple[ClientEntry, ...]
    settings: Settings = Settings()
    restored: bool = False
    """The incarnation began with a backup: a replica without its storage has lost something, however new it is."""
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise ConfigurationError(
                f"the configuration has format {self.format}; this version of Quorate reads format {FORMAT}: "
                "use the version that wrote it"
            )
        if not 1 <= len(self.replicas) <= REPLICAS_MAX:
            raise ConfigurationError(f"a cluster has 1 to {REPLICAS_MAX} replicas, not {len(self.replicas)}")
        keys = [member.public_key for member in self.replicas] + [client.public_key for client in self.clients]
        if len(set(keys)) != len(keys):
            raise ConfigurationError("two members share a public key; give every replica and client a key of its own")
        table = encode_access(tuple(map(AccessRow, self.grants())))
        if len(self.clients) > CLIENTS_MAX or len(table) > ACCESS_BYTES_MAX:
            raise ConfigurationError(f"there are up to {CLIENTS_MAX} clients, their rows with {ACCESS_BYTES_MAX} bytes")
        settings = self.settings
        if settings.batch_bytes_max < settings.request_bytes_max:
            raise ConfigurationError("batch_bytes_max must be at least request_bytes_max")
        if settings.waiting_bytes_per_client_max < settings.request_bytes_max:
            raise ConfigurationError("waiting_bytes_per_client_max must be at least request_bytes_max")
        if settings.view_change_timeout_max_ms < settings.view_change_timeout_ms:
            raise ConfigurationError("view_change_timeout_max_ms must be at least view_change_timeout_ms")
        if 0 < settings.key_refresh_ms < REFRESH_INTERVALS * settings.status_interval_ms:
            raise ConfigurationError(
                f"key_refresh_ms must be 0, or at least {REFRESH_INTERVALS} times status_interval_ms: what is lost is "
                "repeated in that time, under the same keys"
            )

    @property
    def replica_count(self) -> int:
        """n."""
        return len(self.replicas)

    def grants(self) -> tuple[Grant, ...]:
        """The clients that the access table begins with."""
        return tuple(client.grant() for client in self.clients)

    def member_keys(self) -> frozenset[bytes]:
        """The replicas' public keys."""
        return frozenset(bytes.fromhex(member.public_key) for member in self.replicas)

    def domain(self) -> bytes:
        """What every signature and session key of this history covers: the cluster and its incarnation."""
        return bytes.fromhex(self.cluster_id) + bytes.fromhex(self.incarnation)
