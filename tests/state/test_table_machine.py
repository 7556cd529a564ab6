"""The table beside a dictionary and copies of it: any sequence of calls."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from quorate.state import Shape, Table

_SHAPE = Shape(bits=1, levels=3)
_keys = st.sampled_from([b"%d" % number for number in range(12)])


class _Codec:
    """Values are lists of integers, plain but changed in place."""

    def simplify(self, part: Any) -> Any:
        raise TypeError(type(part))

    def restore(self, data: Any) -> list[int]:
        return list(data)

    def copy(self, value: list[int]) -> list[int]:
        return value.copy()


def _filled(contents: dict[bytes, list[int]]) -> Table[list[int]]:
    table: Table[list[int]] = Table(_Codec(), _SHAPE)
    for key, value in contents.items():
        table.put(key, value.copy())
    return table


class TableMachine(RuleBasedStateMachine):
    """Each checkpoint that is held has the digest and the leaves of a table made of the contents of its time."""

    def __init__(self) -> None:
        super().__init__()
        self.table = _filled({})
        self.contents: dict[bytes, list[int]] = {}
        self.held: dict[int, dict[bytes, list[int]]] = {}
        self.number = 0

    @rule(key=_keys, value=st.integers(0, 3))
    def put(self, key: bytes, value: int) -> None:
        self.table.put(key, [value])
        self.contents[key] = [value]

    @rule(key=_keys, value=st.integers(0, 3))
    def modify(self, key: bytes, value: int) -> None:
        words = self.table.modify(key)
        assert (words is None) == (key not in self.contents)
        if words is not None:
            words.append(value)
            self.contents[key].append(value)

    @rule(key=_keys)
    def delete(self, key: bytes) -> None:
        assert self.table.delete(key) == (self.contents.pop(key, None) is not None)

    @rule()
    def clear(self) -> None:
        self.table.clear()
        self.contents.clear()

    @rule()
    def freeze(self) -> None:
        self.number += 1
        self.table.freeze(self.number)
        self.held[self.number] = copy.deepcopy(self.contents)

    @rule()
    def revert(self) -> None:
        changed = self.table.revert()
        before = self.held[self.number] if self.held else {}
        assert all(
            self.contents.get(key) == before.get(key) for key in set(self.contents) | set(before) if key not in changed
        )
        self.contents = copy.deepcopy(before)

    @rule(effort=st.integers(1, 3))
    def hash_some(self, effort: int) -> None:
        self.table.hash_some(effort)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        keep = data.draw(st.sets(st.sampled_from(sorted(self.held))))
        self.table.release(keep)
        newest = max(self.held)
        self.held = {number: contents for number, contents in self.held.items() if number in keep or number == newest}

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def check_checkpoint(self, data: st.DataObject) -> None:
        assert self.table.fetch(0, ()) is None
        number = data.draw(st.sampled_from(sorted(self.held)))
        expected = _filled(self.held[number])
        digest = expected.checkpoint(number)
        if number == max(self.held) or data.draw(st.booleans()):  # else the newest may stay half hashed
            assert self.table.digest(number) == digest
        for leaf in range(_SHAPE.leaves):
            path = _SHAPE.path_of(leaf)
            assert self.table.fetch(number, path) == expected.fetch(number, path)

    @rule(contents=st.dictionaries(_keys, st.lists(st.integers(0, 3), max_size=2)))
    def install(self, contents: dict[bytes, list[int]]) -> None:
        self.number += 1
        source = _filled(contents)
        digest = source.checkpoint(self.number)
        paths = map(_SHAPE.path_of, range(_SHAPE.leaves))
        self.table.install(self.number, {path: source.fetch(self.number, path) or b"" for path in paths})
        assert self.table.digest(self.number) == digest
        self.contents = copy.deepcopy(contents)
        self.held = {self.number: copy.deepcopy(contents)}

    @invariant()
    def contents_are_those_of_the_dictionary(self) -> None:
        keys = list(self.table)
        assert keys == list(_filled(self.contents))
        assert {key: self.table.get(key) for key in keys} == self.contents
        assert len(self.table) == len(self.contents)


TestTableMachine = TableMachine.TestCase
TestTableMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
