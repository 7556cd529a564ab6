"""A kit that finds out whether a service is fit to be replicated: deterministic, checkpointed, transferable.

    from quorate.services.conformance import assert_conforms

    def test_my_service():
        assert_conforms("mypackage.counter:CounterService", [b"add 1", b"get", b"add 2"])

The same operations run in two processes whose hash seeds differ, because that is what replicas are: every result and
every checkpoint digest must be equal. In each of them the kit also checks what one process can show: checkpoints that
stay as they are while the service goes on, nodes that match their digests, a fresh instance that behaves alike after
`install` and `revert`, queries that change nothing, `release`, and garbage that is answered and not raised at.

A service that passes may still be wrong on operations that it was not shown: choose them well, writes above all.
"""

from quorate.services.conformance.kit import assert_conforms, check
from quorate.services.conformance.plan import Finding, Step
from quorate.services.conformance.walk import BadNode, leaves_of

__all__ = ["BadNode", "Finding", "Step", "assert_conforms", "check", "leaves_of"]
