"""Backing up a living cluster: nobody is believed but the quorum whose signatures vouch for what is fetched.

First the cluster is made to pass a checkpoint that has all that was acknowledged before. Then replicas are asked what
they hold; of what a quorum signed, the pieces are fetched from all of them, each verified before it is written. A
replica that lies is asked no more, one that is slow is passed over, and when nobody holds that checkpoint any more a
newer one is begun with.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable
from typing import BinaryIO, Final, NamedTuple

from quorate.backup.certificate import Epochs, Target, Voucher, public_part
from quorate.backup.file import BackupWriter, describe
from quorate.backup.gathering import Gathering
from quorate.client.aio import AsyncClient
from quorate.client.backups import Pieces
from quorate.core.quorum import quorums_of
from quorate.core.tables import TablesSnapshot, decode_snapshot
from quorate.errors import MalformedMessage, PermissionDenied, RequestFailed, RequestTimeout
from quorate.messages.digests import checkpoint_digest
from quorate.messages.protocol import BACKUP_PATHS_MAX, BackupAnswer

ANSWER_SECONDS: Final = 2.0
GRACE_SECONDS: Final = 0.3
"""How long, once a checkpoint is found, the other replicas may take to say what they hold."""
PAUSE_SECONDS: Final = 0.1
"""Before a busy replica is asked again."""
STRIKES_MAX: Final = 5
BUSY_MAX: Final = 100
_NONCE_BITS: Final = 62


class Progress(NamedTuple):
    """How far it is, for people."""

    what: str
    nodes: int
    written: int


Tell = Callable[[Progress], None]


class Offer(NamedTuple):
    """A checkpoint that a replica says it holds. That all of it belongs together is verified; that it is the cluster's
    only the certificate says."""

    target: Target
    tables: TablesSnapshot
    epochs: Epochs
    service_digest: bytes


class Result(NamedTuple):
    """What is in the file."""

    target: Target
    signers: list[int]
    liars: list[int]
    """Replicas that sent something else than what a quorum vouches for."""
    written: int


class LiveBackup:
    """Makes one backup."""

    def __init__(self, client: AsyncClient, tell: Tell, patience: float) -> None:
        self._client = client
        self._configuration = client.configuration
        self._quorums = quorums_of(self._configuration.replica_count)
        self._voucher = Voucher(self._configuration)
        self._tell = tell
        self._patience = patience
        self._nonce = secrets.randbits(_NONCE_BITS)
        self._frames: dict[Target, dict[int, bytes]] = {}
        """Who vouches for what, as far as anybody said."""
        self._liars: set[int] = set()
        self._slow: set[int] = set()
        """Replicas that did not answer in time, again and again: what only they hold is the last to be chosen."""
        self._refusing: set[int] = set()
        """Replicas that say that this client is no administrator."""
        self._changed = asyncio.Event()
        self._nodes = 0
        self._watch: asyncio.Timeout | None = None

    async def run(self, file: BinaryIO, as_it_is: bool) -> Result:
        """Write the backup to *file*, which is empty. With *as_it_is* the newest checkpoint will do: the cluster need
        not order anything, and the latest operations may not be in it. Raises RequestFailed."""
        try:
            async with asyncio.timeout(self._patience) as self._watch:
                lowest = 1 if as_it_is else await self._pass_checkpoint()
                while True:
                    offer = await self._survey(lowest)
                    written = await self._fetch(offer, file)
                    if written:
                        signers = sorted(self._frames[offer.target])
                        return Result(offer.target, signers, sorted(self._liars), written)
        except TimeoutError:
            raise RequestTimeout(
                f"nothing came for {self._patience:g} seconds: `quorate status` shows the replicas; with --stable the "
                "cluster need not order anything"
            ) from None

    def _advance(self, what: str, written: int = 0) -> None:
        assert self._watch is not None
        self._watch.reschedule(asyncio.get_running_loop().time() + self._patience)
        self._tell(Progress(what, self._nodes, written))

    async def _pass_checkpoint(self) -> int:
        """Have the cluster order what does nothing until it comes to a checkpoint; the lowest one that has everything
        that was acknowledged before."""
        interval = self._configuration.settings.checkpoint_interval
        number = await self._client.access.mark()
        lowest = -(-number // interval) * interval
        while number < lowest:
            self._advance(f"waiting for a checkpoint, at {number:,} of {lowest:,}")
            number = await self._client.access.mark()
        return lowest

    # ------------------------------------------------------------------------------------- what is held

    async def _survey(self, lowest: int) -> Offer:
        """Ask all replicas what they hold until a quorum vouches for one of it: that which most of them hold."""
        while True:
            offers = await self._ask_all(lowest)
            vouched = {replica: offer for replica, offer in offers.items() if self._is_vouched(offer, lowest)}
            if vouched:
                holders = Counter(offer.target for replica, offer in vouched.items() if replica not in self._slow)
                best = max(vouched.values(), key=lambda offer: (holders[offer.target], offer.target.sequence_number))
                self._advance(f"fetching checkpoint {best.target.sequence_number:,}")
                return best
            if len(self._refusing) >= self._quorums.weak:
                raise PermissionDenied(
                    "this client is no administrator: only one may make a backup, which has all data"
                )
            await asyncio.sleep(PAUSE_SECONDS)

    async def _ask_all(self, lowest: int) -> dict[int, Offer]:
        """What each replica offers; those that are late are not waited for once there is one to begin with."""
        offers: dict[int, Offer] = {}
        asked = {asyncio.create_task(self._ask_for_root(replica)): replica for replica in self._believable()}
        waiting = set(asked)
        while waiting:
            found = any(self._is_vouched(offer, lowest) for offer in offers.values())
            done, waiting = await asyncio.wait(
                waiting,
                timeout=GRACE_SECONDS if found else None,
                return_when=asyncio.ALL_COMPLETED if found else asyncio.FIRST_COMPLETED,
            )
            for task in done:
                offer = task.result()
                if offer is not None:
                    offers[asked[task]] = offer
            if found:
                break
        await _cancel(waiting)
        return offers

    def _believable(self) -> list[int]:
        return [replica for replica in range(self._configuration.replica_count) if replica not in self._liars]

    def _is_vouched(self, offer: Offer, lowest: int) -> bool:
        known = self._frames.get(offer.target, {})
        return offer.target.sequence_number >= lowest and len(known) >= self._quorums.quorum

    async def _ask_for_root(self, replica: int) -> Offer | None:
        try:
            pieces = await self._client.fetch_backup(replica, self._nonce, 0, (), ANSWER_SECONDS)
        except RequestFailed:
            return None
        if pieces.answer == BackupAnswer.NO_ADMINISTRATOR:
            self._refusing.add(replica)
        if pieces.answer != BackupAnswer.GIVEN:
            return None
        offer = _offer_of(pieces)
        if offer is None:
            self._liars.add(replica)
            return None
        frames = self._frames.setdefault(offer.target, {})
        for frame in pieces.data[2 : 2 + 2 * self._configuration.replica_count]:
            signer = self._voucher.signer(offer.target, offer.epochs, frame)
            if signer is not None:
                frames.setdefault(signer, frame)
        return offer

    # ------------------------------------------------------------------------------------- fetching it

    async def _fetch(self, offer: Offer, file: BinaryIO) -> int:
        """Write the whole of it; how many bytes, 0: nobody holds it any more."""
        file.seek(0)
        file.truncate()
        certificate = tuple(frame for _, frame in sorted(self._frames[offer.target].items()))
        public = public_part(self._configuration)
        writer = BackupWriter(file, describe(public, offer.target, offer.service_digest, certificate), offer.tables)
        gathering = Gathering(offer.service_digest)
        self._nodes = 0
        number = offer.target.sequence_number
        tasks = [
            asyncio.create_task(self._ask_on(replica, number, gathering, writer)) for replica in self._believable()
        ]
        waiting = set(tasks)
        try:
            while waiting and not gathering.is_complete:
                done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            await _cancel(waiting)
        if not gathering.is_complete:
            return 0
        writer.end()
        return writer.written

    async def _ask_on(self, replica: int, number: int, gathering: Gathering, writer: BackupWriter) -> None:
        """Ask one replica for one piece after the other, as long as it has some and something is wanted."""
        strikes = busy = 0
        while not gathering.is_complete and strikes < STRIKES_MAX and busy < BUSY_MAX:
            paths = gathering.take(BACKUP_PATHS_MAX)
            if not paths:
                self._changed.clear()
                await self._changed.wait()
                continue
            pieces = await self._ask(replica, number, paths)
            came = self._take_in(replica, pieces, gathering, writer) if pieces is not None else 0
            gathering.give_back(paths)
            self._changed.set()
            if replica in self._liars or (pieces is not None and pieces.answer == BackupAnswer.NOT_HELD):
                return
            if came:
                strikes = busy = 0
            elif pieces is not None and pieces.answer == BackupAnswer.BUSY:
                busy += 1
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                strikes += 1
                await asyncio.sleep(PAUSE_SECONDS * 2**strikes)
        if strikes == STRIKES_MAX:
            self._slow.add(replica)

    async def _ask(self, replica: int, number: int, paths: tuple[tuple[int, ...], ...]) -> Pieces | None:
        try:
            return await self._client.fetch_backup(replica, self._nonce, number, paths, ANSWER_SECONDS)
        except RequestFailed:
            return None

    def _take_in(self, replica: int, pieces: Pieces, gathering: Gathering, writer: BackupWriter) -> int:
        """Verify what came, and write what can be written; how many pieces were right."""
        if len(pieces.paths) != len(pieces.data):
            if pieces.answer == BackupAnswer.GIVEN:
                self._liars.add(replica)
            return 0
        for path, data in zip(pieces.paths, pieces.data, strict=True):
            if not gathering.put(path, data):
                self._liars.add(replica)
                return 0
        for node in gathering.come_out():
            writer.add(node.kind, node.data)
        if pieces.paths:
            self._nodes += len(pieces.paths)
            self._advance("fetching", writer.written)
        return len(pieces.paths)


def _offer_of(pieces: Pieces) -> Offer | None:
    """The root entry, if it is one."""
    if len(pieces.data) < 2 or len(pieces.data[1]) != 32:
        return None
    try:
        tables = decode_snapshot(pieces.data[0])
        epochs = Epochs(tables)
    except MalformedMessage:
        return None
    digest = checkpoint_digest(pieces.data[1], tables.digest())
    return Offer(Target(pieces.sequence_number, digest), tables, epochs, pieces.data[1])


async def _cancel(tasks: set[asyncio.Task[Offer | None]] | set[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
