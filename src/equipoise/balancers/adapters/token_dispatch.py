"""Dispatch that sends every token to a replica, as vLLM and SGLang do: a scheduler, asked token by token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, defaults_of, to_tensor_of
from equipoise.balancers.adapters.lplb import slots_of
from equipoise.balancers.adapters.router_answers import numbers
from equipoise.errors import TargetError
from equipoise.roles.placer import Integers

TABLES = {"log2phy", "logical_to_physical_map", "logical_to_all_physical_map", "log2phy_map"}
COUNTS = {"logcnt", "replica_count", "logical_replica_count", "logical_to_all_physical_map_num_valid"}

MOST = 1 << 20
"""Tokens of one batch."""

LEFT = 1 << 10
"""Of more tokens than these, those of a replica that it is still asked about, at most."""


class TokenDispatch:
    """A scheduler from ``dispatch(topk_ids[N, 1], log2phy[E, X], logcnt[E]) -> physical ids[N, 1]``.

    The table, and the counts if they are taken, go by the names that frameworks use. Tokens come expert by expert in
    turns, as in a batch where they are mixed. Every replica that ``hosts`` counts has a slot. Of more than millions of
    tokens, which no batch has, it is asked about some, and the replicas share the others evenly.
    """

    capabilities = frozenset({"counts replicas", "hashes"})

    def __init__(self, function: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.function = function
        self.to_tensor = to_tensor
        self._known = defaults_of(function)

    def __call__(self, load: npt.NDArray[Any], hosts: npt.NDArray[Any]) -> Integers:
        """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed)."""
        load = np.asarray(load, np.int64)
        load = load if load.ndim == 1 else load.sum(axis=0)
        replicas = hosts.astype(np.int64)
        turns = replicas.sum(axis=1) * LEFT
        each = load // turns * LEFT if load.sum() > MOST else np.zeros_like(load)
        load = load - each * replicas.sum(axis=1)
        turn = np.concatenate([np.arange(tokens) for tokens in load])
        ids = np.repeat(np.arange(len(load)), load)[np.argsort(turn, kind="stable")][:, None]
        table, width = slots_of(hosts)
        given = dict.fromkeys(TABLES, table) | {name: hosts.sum(axis=1) for name in COUNTS}
        named = {name: self.to_tensor(value.copy()) for name, value in given.items() if name in self._known}
        returned = self.function(topk_ids=self.to_tensor(ids), **named)
        places = numbers(returned[0] if isinstance(returned, tuple | list) else returned, "the physical ids")
        if places.dtype.kind not in "iu" or places.size != ids.size:
            raise TargetError(f"it returned {places.dtype} of shape {places.shape}; allowed: integers {ids.shape}")
        places = places.reshape(-1)
        split: Integers = each[:, None] * replicas
        sound = np.isin(places, table) if places.size else np.zeros(0, bool)
        if not sound.all():
            raise TargetError(f"it sends a token to slot {places[~sound][0]}, which does not exist")
        np.add.at(split, (ids[:, 0], places // width), 1)
        return split


FORM = Form(
    name="token-dispatch",
    role="scheduler",
    example="dispatch(topk_ids, log2phy, logcnt) -> physical ids",
    recognises=lambda found, names: "topk_ids" in names and bool(TABLES & set(names)) and not isinstance(found, type),
    adapt=lambda found: TokenDispatch(found, to_tensor_of(found)),
)
