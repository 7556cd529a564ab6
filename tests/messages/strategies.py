"""Messages of every type, within their bounds."""

from __future__ import annotations

from hypothesis import strategies as st

from quorate.messages.protocol import (
    BackupPieces,
    Batch,
    Batches,
    Checkpoint,
    CheckpointClaim,
    Chosen,
    Commit,
    Decided,
    FetchBackup,
    FetchBatches,
    FetchState,
    Inspect,
    Inspection,
    Message,
    NewKey,
    NewView,
    Prepare,
    PreparedClaim,
    PrePrepare,
    PrePreparedClaim,
    Reply,
    Request,
    StatePieces,
    Status,
    ViewChange,
)
from quorate.messages.reads import Answer, Read, ReadReply

naturals = st.one_of(st.integers(0, 300), st.integers(0, 2**63 - 1), st.just(2**63 - 1))
replicas = st.integers(0, 63)
digests = st.binary(min_size=32, max_size=32)
texts = st.binary(max_size=40)


def many(element: st.SearchStrategy) -> st.SearchStrategy:  # type: ignore[type-arg]
    """A short tuple."""
    return st.lists(element, max_size=4).map(tuple)


paths = st.lists(st.integers(0, 2**32 - 1), max_size=16).map(tuple)
chosen = st.builds(Chosen, naturals, digests)
checkpoint_claims = st.builds(CheckpointClaim, naturals, digests)
prepared_claims = st.builds(PreparedClaim, naturals, digests, naturals, many(texts))
pre_prepared_claims = st.builds(PrePreparedClaim, naturals, digests, naturals)

OF_TYPE: dict[type, st.SearchStrategy[Message]] = {
    Request: st.builds(Request, digests, naturals, naturals, many(texts)),
    PrePrepare: st.builds(PrePrepare, naturals, naturals, digests, replicas),
    Prepare: st.builds(Prepare, naturals, naturals, digests, replicas),
    Commit: st.builds(Commit, naturals, naturals, digests, replicas),
    Reply: st.builds(
        Reply, naturals, digests, naturals, naturals, st.integers(0, 15), many(st.none() | texts), replicas
    ),
    Checkpoint: st.builds(Checkpoint, naturals, digests, replicas, naturals),
    ViewChange: st.builds(
        ViewChange,
        naturals,
        naturals,
        many(checkpoint_claims),
        many(prepared_claims),
        many(pre_prepared_claims),
        replicas,
        naturals,
    ),
    NewView: st.builds(NewView, naturals, many(texts), checkpoint_claims, many(chosen), replicas, naturals),
    Status: st.builds(Status, naturals, st.booleans(), naturals, naturals, texts, naturals, many(digests), replicas),
    Decided: st.builds(Decided, many(chosen), replicas),
    FetchBatches: st.builds(FetchBatches, many(digests), replicas),
    Batches: st.builds(Batches, replicas),
    Inspect: st.builds(Inspect, digests, naturals),
    Inspection: st.builds(Inspection, naturals, texts, replicas),
    FetchState: st.builds(FetchState, naturals, many(paths), replicas),
    StatePieces: st.builds(StatePieces, naturals, many(paths), replicas),
    NewKey: st.builds(NewKey, naturals, digests, replicas),
    FetchBackup: st.builds(FetchBackup, digests, naturals, naturals, many(paths)),
    BackupPieces: st.builds(BackupPieces, digests, naturals, naturals, many(paths), st.integers(0, 15), replicas),
    Read: st.builds(Read, digests, naturals, many(texts).filter(bool)),
    ReadReply: st.builds(
        ReadReply, digests, naturals, naturals, many(st.none() | st.builds(Answer, texts, naturals)), replicas
    ),
}
messages = st.one_of(*OF_TYPE.values())
batches = st.builds(Batch, naturals, many(texts))
