"""Where a replica keeps its votes and its state, and what it finds there when it starts."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from quorate.core.effects import Trace
from quorate.core.ports import Service
from quorate.core.quorum import quorums_of
from quorate.errors import ConfigurationError, StorageDamaged
from quorate.folder import ReplicaFolder
from quorate.messages.records import KeyRecord, Record, RecoveryRecord, StableRecord
from quorate.runtime.driver import Driver, Outlet, PatientDriver
from quorate.runtime.keeper import Keeper
from quorate.runtime.kept_service import KeptService
from quorate.runtime.lifetime import has_started, mark_started
from quorate.runtime.roster import Roster
from quorate.services.loading import load_service
from quorate.storage.log_file import Owner, sync_folder
from quorate.storage.memory import MemoryJournal
from quorate.storage.state import StateLog
from quorate.storage.votes import FileJournal

STORAGE_FOLDER: Final = "storage"
DAMAGED_FILE: Final = "votes.damaged"
"""What is left of votes that are not believed any more."""
NOT_RESTORED: Final = "what this incarnation began with is not here: copy the folder that `quorate restore` made"


class Found(NamedTuple):
    """What a replica begins from."""

    service: Service
    records: list[Record]
    votes_lost: str | None
    """Why it does not know what it voted, if it does not: then it recovers."""
    damage: str | None
    """The file of its state that is damaged, and how."""
    keeper: Keeper | None
    """None where nothing is kept."""

    def driver(self, roster: Roster, trace: Callable[[Trace], None]) -> Outlet:
        """Who does what the rules want done."""
        journal = MemoryJournal()
        return Driver(journal, roster, trace) if self.keeper is None else PatientDriver(self.keeper, roster, trace)


def storage_of(folder: ReplicaFolder) -> Path:
    """Where a replica keeps what belongs to the present incarnation. Another one has another place: histories are
    never mixed."""
    return folder.path / STORAGE_FOLDER / folder.configuration.incarnation


def owner_of(folder: ReplicaFolder) -> Owner:
    """Whose the files of a replica are, in its present incarnation."""
    configuration = folder.configuration
    return Owner(
        bytes.fromhex(configuration.cluster_id), bytes.fromhex(configuration.incarnation), folder.key_pair.public_key
    )


def find(folder: ReplicaFolder) -> Found:
    """Read what an earlier life of the replica left, and make ready to go on. Raises ConfigurationError."""
    configuration = folder.configuration
    service = load_service(configuration.service, configuration.settings)
    was_started = has_started(folder.path, configuration.incarnation)
    if configuration.settings.durability == "memory":
        lost = "it was started before in this incarnation and its votes were in memory" if was_started else None
        lost = NOT_RESTORED if configuration.restored else lost
        return Found(service, [], lost, None, None)
    place = storage_of(folder)
    owner = owner_of(folder)
    is_synced = configuration.settings.durability == "sync"
    journal = FileJournal(place, owner, is_synced)
    lost = _load(journal, was_started or configuration.restored)
    if lost is not None and quorums_of(configuration.replica_count).faults == 0:
        return Found(service, [], lost, None, None)
    if lost is not None:
        journal = FileJournal(place, owner, is_synced)
        _begin_recovery(place, journal)
    states = StateLog(place, owner)
    keeper = Keeper(journal, states, is_synced)
    kept = KeptService(service, keeper.keep_state)
    records = journal.records()
    if lost is None and RecoveryRecord(False) in records:
        lost = "a recovery that it began before has not ended"
    stable = next((record.sequence_number for record in records if isinstance(record, StableRecord)), 0)
    loaded = states.load(stable)
    if stable:
        kept.begin(stable, loaded.leaves)
    return Found(kept, records, lost, loaded.damage if stable or lost is None else None, keeper)


def _load(journal: FileJournal, was_there: bool) -> str | None:
    """Read the votes, or make room for the first ones. Why they are lost, if they are."""
    try:
        journal.load()
    except FileNotFoundError:
        if was_there:
            return f"{journal.path}: is missing"
        _make(journal.path.parent, journal)
    except StorageDamaged as error:
        return str(error)
    return None


def let_recover(folder: ReplicaFolder, is_clean: bool) -> None:
    """Whatever the replica kept, it recovers when it starts next. Of its state it keeps the stable checkpoint, whose
    certificate and digest are checked then; if *is_clean*, nothing. Raises ConfigurationError."""
    configuration = folder.configuration
    if quorums_of(configuration.replica_count).faults == 0:
        raise ConfigurationError(f"{folder.path}: with fewer than four replicas none can be spared while it recovers")
    mark_started(folder.path, configuration.incarnation)
    if configuration.settings.durability == "memory":
        return
    place, owner = storage_of(folder), owner_of(folder)
    before = FileJournal(place, owner)
    whole = _load(before, was_there=True) is None and not is_clean
    records: list[Record] = [record for record in before.records() if isinstance(record, KeyRecord)]
    stable = next((record for record in before.records() if isinstance(record, StableRecord)), None)
    if whole and stable is not None:
        key = ("checkpoint", stable.sequence_number)
        records += [record for record in before.records() if record.key() == key or record is stable]
    journal = FileJournal(place, owner)
    _begin_recovery(place, journal, records if whole else [])
    journal.close()


def _begin_recovery(place: Path, journal: FileJournal, records: Sequence[Record] = ()) -> None:
    """Put what is left of the votes aside, and begin anew with the record that says so, and *records*. Between the two
    there is no file, which says the same."""
    try:
        if journal.path.exists():
            journal.path.replace(place / DAMAGED_FILE)
        _make(place, journal, (RecoveryRecord(False), *records))
    except OSError as error:
        raise ConfigurationError(f"{journal.path} cannot be put aside: {error.strerror}; mend its folder") from error


def forget_storage(folder: Path) -> None:
    """Remove what a replica kept, of all histories: the cluster starts anew, empty."""
    try:
        shutil.rmtree(folder / STORAGE_FOLDER)
    except FileNotFoundError:
        return
    except OSError as error:
        raise ConfigurationError(
            f"{folder / STORAGE_FOLDER} cannot be removed: {error.strerror}; remove it yourself"
        ) from error


def _make(place: Path, journal: FileJournal, records: Sequence[Record] = ()) -> None:
    """A journal without votes, on disk before the first vote."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        for parent in (place.parent, place.parent.parent):
            sync_folder(parent)
        journal.append(records)
    except OSError as error:
        raise ConfigurationError(
            f"{journal.path} cannot be written: {error.strerror}; a replica writes to its folder"
        ) from error
