"""The child process of the kit: a plan on standard input, a transcript on standard output."""

from __future__ import annotations

import sys

import msgspec

from quorate.services.conformance.plan import Plan
from quorate.services.conformance.trial import Trial

if __name__ == "__main__":
    # What the service prints must not get between.
    output, sys.stdout = sys.stdout.buffer, sys.stderr
    plan = msgspec.msgpack.decode(sys.stdin.buffer.read(), type=Plan)
    output.write(msgspec.msgpack.encode(Trial(plan).run()))
