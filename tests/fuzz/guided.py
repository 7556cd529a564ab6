"""One target under atheris: `python -m fuzz.guided TARGET [libFuzzer's options]`. Started by `fuzz.run`."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["quorate"]):
    from fuzz.targets import TARGETS

if __name__ == "__main__":
    name = sys.argv.pop(1)
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()
