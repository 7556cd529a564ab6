"""What `make compiled` builds does what the sources do: the same bytes travel, and the same replies come.

`make compiled` runs this for what it built. Elsewhere it is left out where nothing was built, or from other sources.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src"
COMPILED = ROOT / "build" / "compiled"

WORLDS = """
import json
from quorate.core import replica
from quorate.sim import world
from quorate.sim.explore import Campaign, run_seed
outcomes = [run_seed(seed, Campaign(replicas=replicas)).outcome for replicas in (4, 7) for seed in range(12)]
print(json.dumps([[replica.__file__, world.__file__], outcomes]))
"""

REDIS = """
import json
from quorate.cli.operations import redis_operation
from quorate.core.ports import Context
from quorate.services.redis import RedisService, keyspace, service
words = [
    "SET a 1 EX 5", "INCRBYFLOAT a 1.5", "APPEND a x", "INCR a", "HSET h f 1 g 2", "HINCRBY h f 9", "HGETALL h",
    "RPUSH l c b a", "LSET l 1 z", "SORT l", "SADD s 1 2 3", "SPOP s", "ZADD z 1 a 2 b 2.5 c",
    "ZRANGE z 0 -1 WITHSCORES",
    "ZUNIONSTORE y 2 z s", "SETBIT b 7 1", "BITCOUNT b", "SCAN 0 COUNT 100", "COMMAND DOCS get zadd", "TTL a", "GET l",
    "NONSENSE", "GET", "RENAME h i", "COPY i h", "OBJECT ENCODING z",
]
redis = RedisService()
replies = []
for at, line in enumerate(words * 2, start=1_000_000):
    operation = redis_operation([word.encode() for word in line.split()])
    replies.append(redis.execute(operation, Context(b"c" * 32, at, b"s" * 32, at)).hex())
digest = redis.checkpoint(1)
while digest is None:
    digest = redis.digest(1)
print(json.dumps([[keyspace.__file__, service.__file__], [replies, digest.hex()]]))
"""


def modules(root: Path) -> dict[str, str]:
    return {str(path.relative_to(root)): path.read_text() for path in (root / "quorate").rglob("*.py")}


pytestmark = pytest.mark.skipif(
    not COMPILED.exists() or modules(COMPILED) != modules(SOURCES), reason="nothing is compiled of these sources"
)


def outcome_of(script: str, path: Path) -> tuple[list[str], object]:
    """The files that did it, and what it said."""
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", script]
    files, said = json.loads(
        subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    )
    return files, said


@pytest.mark.parametrize("script", [WORLDS, REDIS], ids=["worlds", "redis"])
def test_compiled_modules_do_what_the_sources_do(script: str) -> None:
    expected_files, expected = outcome_of(script, SOURCES)
    files, actual = outcome_of(script, COMPILED)

    assert all(file.startswith(str(SOURCES)) and file.endswith(".py") for file in expected_files)
    assert all(file.startswith(str(COMPILED)) and file.endswith(".so") for file in files)
    assert expected == actual
