"""`benchmarks` is a folder of the checkout, not an installed package: make it importable."""

import sys
from pathlib import Path

_ROOT = str(Path(__file__).parents[2])
if _ROOT not in sys.path:
    sys.path.insert(0, _ROOT)
