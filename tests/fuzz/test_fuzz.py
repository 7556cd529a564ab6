"""Everything that reads bytes, given bytes that nobody meant: what is kept in the corpus, and some fresh ones.

`make fuzz` does the same for longer, guided by coverage where `atheris` is installed. An input that it finds is put
into the corpus, and is a test here from then on.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.targets import CORPUS, TARGETS, corpus_of

TIMES = int(os.environ.get("QUORATE_FUZZ_TIMES", "1"))
"""How much longer than in the test suite."""
EXAMPLES = {"replica": 60, "padded": 20, "listener": 60, "service": 120, "connection": 150}
"""How many fresh inputs a target gets; others are quick."""
EXAMPLES_OF_OTHERS = 300
KEPT = [(target, path) for target in TARGETS for path in corpus_of(target)]


@st.composite
def damaged(draw: st.DrawFn, kept: list[bytes]) -> bytes:
    """A kept input with some bytes changed, left out or doubled."""
    data = bytearray(draw(st.sampled_from(kept)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        until = draw(st.integers(at, min(len(data), at + 16)))
        data[at:until] = draw(st.binary(max_size=8) | st.just(bytes(data[at:until]) * 2))
    return bytes(data)


def inputs_of(target: str) -> st.SearchStrategy[bytes]:
    """Fresh inputs: of any kind, and near to those that are kept."""
    kept = [path.read_bytes() for path in corpus_of(target)]
    fresh = st.binary(max_size=64) | st.binary(min_size=64, max_size=400)
    return fresh | damaged(kept) if kept else fresh


@pytest.mark.parametrize("target", TARGETS)
def test_fresh_bytes(target: str) -> None:
    """Nothing but what the target expects comes out."""

    @settings(
        max_examples=TIMES * EXAMPLES.get(target, EXAMPLES_OF_OTHERS),
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(inputs_of(target))
    def run(data: bytes) -> None:
        TARGETS[target](data)

    run()


@pytest.mark.parametrize(("target", "path"), KEPT, ids=[f"{target}/{path.name}" for target, path in KEPT])
def test_kept_bytes(target: str, path: Path) -> None:
    """What was once of interest, or once went wrong."""
    TARGETS[target](path.read_bytes())


def test_every_kept_input_is_small_and_has_its_target() -> None:
    """Nothing lies in the corpus that no test reads."""
    assert {path.name for path in CORPUS.iterdir()} <= set(TARGETS)
    assert max(path.stat().st_size for path in CORPUS.rglob("*") if path.is_file()) <= 8192
