"""The table: contents, order, checkpoints that cost what changed, and installing them elsewhere."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from quorate.errors import InvariantViolation
from quorate.messages.tree import EMPTY, Path
from quorate.services.conformance import leaves_of
from quorate.state import PlainCodec, Shape, Table

_SMALL = Shape(bits=2, levels=2)
_keys = st.binary(max_size=3)


def _table(contents: dict[bytes, bytes] | None = None) -> Table[bytes]:
    table: Table[bytes] = Table(PlainCodec(), _SMALL)
    for key, value in (contents or {}).items():
        table.put(key, value)
    return table


def test_an_empty_table_has_the_empty_digest() -> None:
    assert Table(PlainCodec()).checkpoint(1) == EMPTY


@given(st.dictionaries(_keys, st.binary(max_size=3)), st.dictionaries(_keys, st.binary(max_size=3)), st.randoms())
def test_equal_contents_have_equal_digests_whatever_their_history(
    contents: dict[bytes, bytes], other: dict[bytes, bytes], random: Any
) -> None:
    """One table gets the contents at once, the other by detours, with checkpoints between."""
    direct = _table(contents)
    detour = _table(other)
    detour.checkpoint(1)
    for key in other:
        detour.delete(key)
    shuffled = list(contents.items())
    random.shuffle(shuffled)
    for sequence_number, (key, value) in enumerate(shuffled, 2):
        detour.put(key, b"something else")
        detour.checkpoint(sequence_number)
        detour.put(key, value)

    assert detour.checkpoint(1000) == direct.checkpoint(1000)


@given(st.dictionaries(_keys, st.binary(max_size=3)), st.dictionaries(_keys, st.binary(max_size=3)))
def test_different_contents_have_different_digests(one: dict[bytes, bytes], other: dict[bytes, bytes]) -> None:
    assert (_table(one).checkpoint(1) == _table(other).checkpoint(1)) == (one == other)


def test_a_checkpoint_writes_only_the_leaves_that_changed(table: Any, codec: Any, words: Any) -> None:
    """The cost of a digest follows the changes, not the size of the table."""
    keys = [b"%d" % number for number in range(800)]
    for key in keys:
        table.put(key, words([b"first"]))
    table.checkpoint(1)
    written_before = codec.written

    table.modify(keys[0]).words.append(b"second")
    table.checkpoint(2)

    in_its_leaf = sum(_SMALL.leaf_of(key) == _SMALL.leaf_of(keys[0]) for key in keys)
    assert codec.written - written_before == in_its_leaf < len(keys) / 8


def test_freezing_writes_and_copies_nothing(table: Any, codec: Any, words: Any) -> None:
    """What stalls the service is independent of what changed; the rest may be spread."""
    for number in range(800):
        table.put(b"%d" % number, words([b"first"]))

    table.freeze(1)

    assert (codec.written, codec.copied) == (0, 0)


def test_a_value_is_copied_once_between_two_checkpoints(table: Any, codec: Any, words: Any) -> None:
    table.put(b"key", words([]))
    table.checkpoint(1)
    for number in range(10):
        table.modify(b"key").words.append(b"%d" % number)

    assert codec.copied == 1


def test_modify_gives_nothing_for_an_absent_key(table: Any) -> None:
    assert table.modify(b"key") is None


@given(st.data())
def test_a_digest_may_be_spread_over_turns(data: st.DataObject) -> None:
    """Hashing in slices, with changes between them, gives the digest of the moment of the freeze."""
    contents = data.draw(st.dictionaries(_keys, st.binary(max_size=3), min_size=1))
    table = _table(contents)
    table.checkpoint(1)
    for key, value in data.draw(st.dictionaries(_keys, st.binary(max_size=3))).items():
        contents[key] = value
        table.put(key, value)
    for key in data.draw(st.lists(st.sampled_from(sorted(contents)), unique=True)):
        del contents[key]
        table.delete(key)
    table.freeze(2)
    done = False
    while not done:
        if data.draw(st.booleans()):
            table.put(data.draw(_keys), b"later")
        else:
            table.delete(data.draw(_keys))
        done = table.hash_some(1)

    assert table.digest(2) == _table(contents).checkpoint(2)


def test_a_key_that_goes_and_comes_back_while_its_leaf_is_hashed_is_found_again() -> None:
    """The index may forget a key only when no interval will bring it back unseen."""
    table = _table({b"key": b"value"})
    table.checkpoint(1)
    table.put(b"key", b"new value")
    table.freeze(2)
    table.delete(b"key")
    table.digest(2)
    table.put(b"key", b"back")

    assert list(table) == [b"key"]
    assert table.checkpoint(3) == _table({b"key": b"back"}).checkpoint(3)


def test_held_checkpoints_stay_as_they_were(table: Any, words: Any) -> None:
    """Every held checkpoint gives its own nodes, whatever happened since."""
    table.put(b"stays", words([b"a"]))
    table.put(b"changes", words([b"a"]))
    table.put(b"goes", words([b"a"]))
    first = table.checkpoint(1)
    leaves_at_first = leaves_of(table, 1, first)
    table.modify(b"changes").words.append(b"b")
    table.delete(b"goes")
    second = table.checkpoint(2)
    leaves_at_second = leaves_of(table, 2, second)
    table.clear()
    table.put(b"goes", words([b"another"]))
    table.checkpoint(3)
    table.put(b"new", words([]))

    assert leaves_of(table, 1, first) == leaves_at_first
    assert leaves_of(table, 2, second) == leaves_at_second
    assert leaves_at_first != leaves_at_second


def test_release_keeps_what_it_is_told_and_the_newest() -> None:
    table = _table({b"key": b"value"})
    for sequence_number in (1, 2, 3):
        table.checkpoint(sequence_number)

    table.release({1})

    assert table.fetch(1, ()) is not None
    assert table.fetch(2, (0, 0)) is None
    assert table.fetch(3, ()) is not None


def test_a_digest_of_a_checkpoint_that_is_not_held_is_a_defect_of_the_caller() -> None:
    with pytest.raises(InvariantViolation, match="checkpoints that are held, not 7"):
        _table().digest(7)


@pytest.mark.parametrize("path", [(4,), (0, 4), (-1,), (0, 0, 0)])
def test_there_is_nothing_at_a_path_outside_the_tree(path: tuple[int, ...]) -> None:
    table = _table({b"key": b"value"})
    table.checkpoint(1)

    assert table.fetch(1, path) is None


@given(st.dictionaries(_keys, st.binary(max_size=3)), st.dictionaries(_keys, st.binary(max_size=3)))
def test_installing_what_differs_makes_tables_equal(have: dict[bytes, bytes], want: dict[bytes, bytes]) -> None:
    """The laggard gets the leaves that differ, empty ones too, and nothing else."""
    laggard, source = _table(have), _table(want)
    laggard.checkpoint(1)
    digest = source.checkpoint(2)
    paths = map(_SMALL.path_of, range(_SMALL.leaves))
    different = {path: data for path in paths if (data := source.fetch(2, path)) != laggard.fetch(1, path)}

    laggard.install(2, {path: data or b"" for path, data in different.items()})

    assert laggard.digest(2) == digest
    assert {key: laggard.get(key) for key in laggard} == want
    assert list(laggard) == list(source)
    assert laggard.fetch(1, ()) is None


def test_an_empty_subtree_is_installed_at_its_own_path() -> None:
    """A state transfer sees that nothing is below a node, and need not go down to the leaves."""
    contents = {b"%d" % number: b"value" for number in range(64)}
    table = _table(contents)

    table.install(1, {(2,): b""})

    kept = {key: value for key, value in contents.items() if _SMALL.path_of(_SMALL.leaf_of(key))[0] != 2}
    assert {key: table.get(key) for key in table} == kept
    assert table.digest(1) == _table(kept).checkpoint(1)


def test_a_leaf_with_keys_of_another_partition_is_refused() -> None:
    """Nothing is changed by it."""
    table = _table({b"key": b"value"})
    home = _SMALL.leaf_of(b"stray")
    stray = msgspec.msgpack.encode([b"stray", b"value"])

    with pytest.raises(InvariantViolation, match="own partition"):
        table.install(1, {_SMALL.path_of((home + 1) % _SMALL.leaves): stray})

    assert list(table) == [b"key"]


def test_an_installed_value_can_be_changed(table: Any, codec: Any, words: Any) -> None:
    """Copy-on-write holds for what came by install too."""
    table.put(b"key", words([b"a"]))
    digest = table.checkpoint(1)
    other: Table[Any] = Table(codec, _SMALL)
    other.install(1, leaves_of(table, 1, digest))
    other.modify(b"key").words.append(b"b")

    assert other.get(b"key").words == [b"a", b"b"]
    assert leaves_of(other, 1, digest) == leaves_of(table, 1, digest)


@given(st.sets(_keys, max_size=60), st.sets(_keys, max_size=60), st.integers(1, 5), st.data())
def test_a_scan_gives_every_key_that_stays_just_once(
    staying: set[bytes], coming_and_going: set[bytes], count: int, data: st.DataObject
) -> None:
    table = _table(dict.fromkeys(staying, b""))
    seen: list[bytes] = []
    cursor = 0
    while True:
        cursor, keys = table.scan(cursor, count)
        seen += keys
        if not cursor:
            break
        for key in sorted(coming_and_going - staying):
            if data.draw(st.booleans()):
                table.put(key, b"")
            else:
                table.delete(key)

    assert sorted(key for key in seen if key in staying) == sorted(staying)
    assert len(seen) == len(set(seen))


@given(st.sets(_keys, max_size=60), st.sets(_keys, max_size=60), st.integers(1, 5), st.integers(0, 40))
def test_a_scan_does_not_tell_how_far_the_checkpoint_is_hashed(
    staying: set[bytes], gone: set[bytes], count: int, effort: int
) -> None:
    """Correct replicas hash at their own pace, and their steps of a SCAN are the same all the same: not only the keys,
    also the cursors."""
    table = _table(dict.fromkeys([*staying, *gone], b""))
    table.checkpoint(1)
    for key in gone - staying:
        table.delete(key)
    table.freeze(2)
    table.hash_some(effort)

    assert _steps(table, count) == _steps(_table(dict.fromkeys(staying, b"")), count)


@given(st.sets(_keys, max_size=60), st.sets(_keys, max_size=60), st.integers(1, 5))
def test_a_scan_does_not_tell_what_was_undone(staying: set[bytes], undone: set[bytes], count: int) -> None:
    table = _table(dict.fromkeys(staying, b""))
    table.checkpoint(1)
    for key in undone:
        table.put(key, b"")
    table.scan(0, count)
    table.revert()

    assert _steps(table, count) == _steps(_table(dict.fromkeys(staying, b"")), count)


def _steps(table: Table[bytes], count: int) -> list[tuple[int, list[bytes]]]:
    steps = [table.scan(0, count)]
    while cursor := steps[-1][0]:
        steps.append(table.scan(cursor, count))
    return steps


def test_a_scan_from_beyond_the_end_is_over() -> None:
    assert _table({b"key": b""}).scan(10**30, 1) == (0, [])


@given(st.sets(_keys, min_size=1), st.integers(0, 2**64), st.integers(1, 20))
def test_a_sample_holds_as_many_keys_as_there_are(keys: set[bytes], place: int, count: int) -> None:
    """It starts anywhere and goes round."""
    sample = _table(dict.fromkeys(keys, b"")).sample(place, count)

    assert len(sample) == len(set(sample)) >= min(count, len(keys))
    assert set(sample) <= keys


def test_the_default_codec_refuses_what_is_not_plain() -> None:
    """A value that is not plain would not be canonical; the message says what to do."""
    table: Table[Any] = Table(PlainCodec())
    table.put(b"key", object())

    with pytest.raises(TypeError, match="give it a codec"):
        table.checkpoint(1)


@given(st.data())
def test_what_changed_is_noted_with_its_contents(data: st.DataObject) -> None:
    """Whatever changes, and however the hashing is spread: what is noted turns the leaves of the last time into those
    of the newest checkpoint."""
    table = _table()
    noted: dict[Path, bytes] = {}
    table.record_changes(noted)
    known: dict[Path, bytes] = {}
    for number in range(1, data.draw(st.integers(2, 6))):
        for key in data.draw(st.lists(_keys, max_size=5)):
            if data.draw(st.booleans()):
                table.put(key, data.draw(st.binary(max_size=1)))
            else:
                table.delete(key)
        table.freeze(number)
        while not table.hash_some(data.draw(st.integers(1, 9))):
            table.put(b"later", b"")
        if data.draw(st.booleans()):
            present = leaves_of(table, number, table.digest(number))
            assert {**known, **noted} == {**dict.fromkeys({*known, *noted}, b""), **present}
            known = {**known, **noted}
            noted.clear()


def test_a_leaf_that_is_hashed_but_did_not_change_is_not_noted() -> None:
    table = _table({b"key": b"value"})
    table.checkpoint(1)
    noted: dict[Path, bytes] = {}
    table.record_changes(noted)
    table.put(b"key", b"value")
    table.checkpoint(2)
    assert noted == {}


def test_what_is_installed_is_noted_too() -> None:
    table, source = _table({b"old": b"x"}), _table({b"new": b"y"})
    noted: dict[Path, bytes] = {}
    table.record_changes(noted)
    table.checkpoint(1)
    leaves = leaves_of(source, 1, source.checkpoint(1))
    noted.clear()
    table.install(2, {(): b"", **leaves})
    assert noted == {_SMALL.path_of(_SMALL.leaf_of(b"old")): b"", **leaves}


def test_no_slice_of_hashing_is_longer_than_asked_for(table: Any, codec: Any, words: Any) -> None:
    """Leaves are taken whole; after one that spends the effort nothing more is hashed."""
    for number in range(800):
        table.put(b"%d" % number, words([b"first"]))
    table.freeze(1)
    slices = 0
    while not table.hash_some(60):
        assert codec.written <= 150
        codec.written = 0
        slices += 1
    assert slices > 10


def test_the_garbage_collector_has_nothing_to_look_at_in_keys() -> None:
    """Its pauses do not grow with the table."""
    table = _table({b"%d" % number: b"x" for number in range(800)})
    table.checkpoint(1)
    table.put(b"7", b"y")
    table.put(b"new", b"y")
    table.checkpoint(2)
    gc.collect()
    leaves = [table._index.keys(leaf) for leaf in range(_SMALL.leaves)]
    assert sum(map(len, leaves)) == 801
    assert not any(map(gc.is_tracked, leaves))


def test_what_a_released_checkpoint_held_goes_with_the_next_ones_hashing(table: Any, words: Any) -> None:
    for number in range(300):
        table.put(b"%d" % number, words([b"old"]))
    old = [weakref.ref(table.get(b"%d" % number)) for number in range(300)]
    table.checkpoint(1)
    for number in range(300):
        table.modify(b"%d" % number)
    table.checkpoint(2)
    table.release([])

    for number in range(300):
        table.modify(b"%d" % number)
    table.freeze(3)
    left = [300]
    while not table.hash_some(40):
        left.append(sum(reference() is not None for reference in old))
    assert left[1] >= 260
    assert left[-1] == 0
