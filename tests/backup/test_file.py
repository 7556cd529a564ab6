"""The file: what is read is what was written and signed, or one error names the file and says what is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path
from zlib import crc32

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from backup.making import NUMBER, TIME, Made, certificate_of, make_backup, make_cluster, recovered, tables_of
from quorate.backup.certificate import fingerprint
from quorate.backup.file import FORMAT, HEADER, MAGIC
from quorate.backup.verification import Summary, anchor_of, open_backup, verify
from quorate.core.ports import Context
from quorate.errors import BackupRefused, ConfigurationError, QuorateError
from quorate.folder import ClusterFolder
from quorate.messages.tree import Path as TreePath
from quorate.services.redis import RedisService
from quorate.services.redis.operation import Pipeline, encode_operation


def check(path: Path, keys: Path | None = None, wanted: str | None = None) -> tuple[Summary, dict[TreePath, bytes]]:
    """What `quorate verify` does."""
    leaves: dict[TreePath, bytes] = {}
    with open_backup(path) as reader:
        return verify(reader, anchor_of(reader, keys, wanted), leaves.__setitem__, lambda position: None), leaves


def refusal(path: Path, keys: Path) -> str:
    """Why a file does not pass. It must not."""
    with pytest.raises(QuorateError) as caught:
        check(path, keys)
    assert isinstance(caught.value, BackupRefused | ConfigurationError)
    return str(caught.value)


def test_what_was_written_is_read(file: Path, cluster: ClusterFolder, made: Made) -> None:
    summary, leaves = check(file, cluster.path)
    assert (summary.sequence_number, summary.digest) == made.target
    assert (summary.signers, summary.time) == ([0, 1, 2], TIME)
    assert (summary.sessions, [row.grant.name for row in summary.clients]) == (1, ["client"])
    assert (summary.leaves, summary.state_bytes) == (1, sum(map(len, leaves.values())))
    assert summary.file_bytes == len(made.data)
    assert summary.configuration.clients == ()


def test_every_flipped_byte_is_found(file: Path, cluster: ClusterFolder, made: Made) -> None:
    for at in range(len(made.data)):
        for mask in (0x01, 0x80):
            changed = bytearray(made.data)
            changed[at] ^= mask
            file.write_bytes(changed)
            assert str(file) in refusal(file, cluster.path), (at, mask)


def test_every_cut_is_found(file: Path, cluster: ClusterFolder, made: Made) -> None:
    for length in range(len(made.data)):
        file.write_bytes(made.data[:length])
        assert str(file) in refusal(file, cluster.path), length


@pytest.mark.parametrize("behind", [b"\0", b"more", bytes(4096)])
def test_nothing_may_stand_behind_its_end(file: Path, cluster: ClusterFolder, made: Made, behind: bytes) -> None:
    file.write_bytes(made.data + behind)
    assert "rotten" in refusal(file, cluster.path) or "behind its end" in refusal(file, cluster.path)


@pytest.mark.parametrize("foreign", [b"", b"PK\x03\x04 something else", bytes(100), b"x" * 10_000])
def test_a_foreign_file_is_told(file: Path, cluster: ClusterFolder, foreign: bytes) -> None:
    file.write_bytes(foreign)
    assert "is no backup of Quorate's" in refusal(file, cluster.path)


def test_a_newer_file_is_told(file: Path, cluster: ClusterFolder, made: Made) -> None:
    header, rest = made.data[: HEADER.size], made.data[HEADER.size :]
    _, _, version, length = HEADER.unpack(header)
    assert version == FORMAT
    checksum = crc32(HEADER.pack(MAGIC, 0, version + 1, length) + rest[:length])
    file.write_bytes(HEADER.pack(MAGIC, checksum, version + 1, length) + rest)
    assert f"has format {FORMAT + 1}" in refusal(file, cluster.path)
    assert "use a newer version" in refusal(file, cluster.path)


def test_a_missing_file_is_told(tmp_path: Path, cluster: ClusterFolder) -> None:
    assert "cannot be read: No such file" in refusal(tmp_path / "nothing", cluster.path)


# ------------------------------------------------------------------------------------------- who vouches for it


def test_keys_are_asked_for(file: Path, cluster: ClusterFolder) -> None:
    with pytest.raises(ConfigurationError, match=fingerprint(cluster.configuration)):
        check(file)


@pytest.mark.parametrize("name", [".", "client", "replica-2", "client/cluster.toml"])
def test_keys_are_found_in_any_folder_of_the_cluster(file: Path, cluster: ClusterFolder, name: str) -> None:
    assert check(file, cluster.path / name)[0].signers == [0, 1, 2]


def test_a_fingerprint_does_instead_of_keys(file: Path, cluster: ClusterFolder) -> None:
    wanted = fingerprint(cluster.configuration)
    assert "fingerprint" in check(file, wanted=wanted.upper())[0].source
    with pytest.raises(BackupRefused, match="fingerprint"):
        check(file, wanted="0" * 64)


def test_the_keys_of_another_cluster_are_told(file: Path, tmp_path: Path) -> None:
    other = make_cluster(tmp_path / "other")
    assert "it is of the cluster" in refusal(file, other.path)


def test_a_forger_with_keys_of_his_own_gets_nowhere(tmp_path: Path, cluster: ClusterFolder) -> None:
    """He writes a file that is whole, of the same cluster, and signed: by keys that he made."""
    forger = make_cluster(tmp_path / "forger")
    theirs = cluster.configuration
    claimed = replace(forger.configuration, cluster_id=theirs.cluster_id, incarnation=theirs.incarnation)
    file = tmp_path / "forged"
    file.write_bytes(make_backup(forger._replace(configuration=claimed)).data)
    assert "other public keys" in refusal(file, cluster.path)
    file.write_bytes(make_backup(forger._replace(configuration=theirs)).data)
    assert "signatures that are not those" in refusal(file, cluster.path)


@pytest.mark.parametrize(
    ("signers", "words"), [((0, 1), "2 of the 3 signatures"), ((), "0 of the 3 signatures"), ((0, 1, 1), "not those")]
)
def test_less_than_a_quorum_is_refused(
    tmp_path: Path, cluster: ClusterFolder, made: Made, signers: tuple[int, ...], words: str
) -> None:
    file = tmp_path / "few"
    file.write_bytes(make_backup(cluster, certificate=certificate_of(cluster, made.target, signers)).data)
    assert words in refusal(file, cluster.path)


def test_signatures_for_another_state_number_or_history_are_refused(
    tmp_path: Path, cluster: ClusterFolder, made: Made
) -> None:
    file = tmp_path / "others"
    renewed = cluster._replace(configuration=replace(cluster.configuration, incarnation="ab" * 16))
    for frames in (
        certificate_of(cluster, made.target._replace(digest=b"x" * 32)),
        certificate_of(cluster, made.target._replace(sequence_number=NUMBER + 1)),
        certificate_of(renewed, made.target),
        (b"", b"junk", b"\x93"),
    ):
        file.write_bytes(make_backup(cluster, certificate=frames).data)
        assert "not those of these replicas" in refusal(file, cluster.path)


def test_what_was_signed_before_a_recovery_does_not_count(tmp_path: Path, cluster: ClusterFolder) -> None:
    """The backup's own tables say who recovered, and when."""
    file = tmp_path / "recovered"
    tables = recovered(tables_of(cluster.configuration), 1, 100)
    target = make_backup(cluster, tables=tables, certificate=()).target
    for epochs, holds in (({1: 100}, True), ({}, False), ({1: 99}, False), ({1: 100, 2: 100}, False)):
        frames = certificate_of(cluster, target, epochs=epochs)
        file.write_bytes(make_backup(cluster, tables=tables, certificate=frames).data)
        if holds:
            assert check(file, cluster.path)[0].signers == [0, 1, 2]
        else:
            assert "not those of these replicas" in refusal(file, cluster.path)


def test_a_backup_of_an_earlier_incarnation_holds(tmp_path: Path, cluster: ClusterFolder) -> None:
    """Its keys are the same: that is what a backup is for."""
    file = tmp_path / "earlier"
    file.write_bytes(
        make_backup(cluster._replace(configuration=replace(cluster.configuration, incarnation="ab" * 16))).data
    )
    assert check(file, cluster.path)[0].configuration.incarnation == "ab" * 16


def test_whole_checksums_do_not_help_a_forger(tmp_path: Path, cluster: ClusterFolder, made: Made) -> None:
    """Another total, another last checksum: the node is not the one that is vouched for."""
    (leaf,) = check_leaves(tmp_path, made, cluster)
    at = made.data.rindex(leaf)
    forged = bytearray(made.data[:-32])
    forged[at + len(leaf) - 1] ^= 1
    file = tmp_path / "forged"
    file.write_bytes(bytes(forged) + hashlib.sha256(forged).digest())
    assert "is not the one that is vouched for" in refusal(file, cluster.path)


def check_leaves(tmp_path: Path, made: Made, cluster: ClusterFolder) -> list[bytes]:
    path = tmp_path / "right"
    path.write_bytes(made.data)
    return list(check(path, cluster.path)[1].values())


# -------------------------------------------------------------------------------------------- states of any kind


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.binary(min_size=1, max_size=12), st.binary(max_size=40), max_size=60))
def test_any_state_comes_back(tmp_path_factory: pytest.TempPathFactory, values: dict[bytes, bytes]) -> None:
    """Of Redis keys: what is read from the file makes a service with the same digest."""
    folder = tmp_path_factory.mktemp("any")
    cluster = make_cluster(folder / "cluster", service="redis", replicas=1)
    service = RedisService()
    for key, value in values.items():
        parts = (b"SET", key, value)
        command = b"*3\r\n" + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        service.execute(encode_operation(Pipeline(0, 2, command)), Context(b"", TIME, b"s" * 32, 1))
    tables = tables_of(cluster.configuration)
    target = make_backup(cluster, service, tables, ()).target
    file = folder / "file"
    file.write_bytes(make_backup(cluster, service, tables, certificate_of(cluster, target, (0,))).data)

    summary, leaves = check(file, cluster.path)

    assert summary.keys == len(values)
    other = RedisService()
    other.install(NUMBER, leaves)
    assert other.fetch(NUMBER, ()) == service.fetch(NUMBER, ())
