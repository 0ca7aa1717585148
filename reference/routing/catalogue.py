"""The routing rules by the names that the command line knows; nothing is imported to list them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from equipoise.roles import Router


@dataclass(frozen=True)
class RouterEntry:
    """Where a rule is and what it does, in one line."""

    name: str
    module: str
    attribute: str
    summary: str

    def create(self) -> Router:
        """Return a fresh router with the published default settings."""
        found = getattr(importlib.import_module(f"equipoise.reference.routing.{self.module}"), self.attribute)
        return found() if isinstance(found, type) else found  # type: ignore[no-any-return]


ROUTERS = {
    entry.name: entry
    for entry in (
        RouterEntry("topk", "topk", "topk", "plain top-K, no balancing"),
        RouterEntry("bip", "bip", "BIP", "BIP-Based Balancing, 4 sweeps a batch (arXiv 2502.15451)"),
        RouterEntry("loss-free", "loss_free", "LossFree", "Loss-Free Balancing, sign rule, u=0.001 (arXiv 2408.15664)"),
    )
}
