"""Every table of ours: whoever imports this has them all in `METADATA`, which the migrations are compared with."""

from registry import (
    appeals,
    board,
    erasure,
    leases,
    ledger,
    marks,
    members,
    opt_outs,
    outbox,
    receipts,
    replies,
    revisions,
    selections,
    uncertain,
)
from registry.importing import progress
from registry.metadata import METADATA

MODULES = (
    appeals,
    board,
    erasure,
    leases,
    ledger,
    marks,
    members,
    opt_outs,
    outbox,
    progress,
    receipts,
    replies,
    revisions,
    selections,
    uncertain,
)

__all__ = ["METADATA", "MODULES"]
