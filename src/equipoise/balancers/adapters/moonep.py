"""MoonEP's allocation policies on the host (feliang-git/MoonEP, docs/alloc_policy_contract.md)."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, to_tensor_of
from equipoise.balancers.adapters.planners import EQUAL_HOMES, by_source, each_home


class MoonepPolicy:
    """A planner from ``policy(tpe[G, E], geom) -> alloc[G, E]``.

    ``geom`` has MoonEP's R, E, B, S, K, token_padding (1), epn, capacity and NvS. Every source device has ``S K``
    tokens there; here ``S K`` is the largest of any, and K is 1. B is the least number of slots of any device.
    """

    capabilities = frozenset({EQUAL_HOMES, "ignores slots"})

    def __init__(self, policy: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.policy = policy
        self.to_tensor = to_tensor

    def __call__(
        self, load: npt.NDArray[np.integer], home: npt.NDArray[np.integer], slots: npt.NDArray[np.integer]
    ) -> npt.NDArray[Any]:
        """Return ``split[E, G]`` for ``load[E]``, or ``[G, E]`` by source."""
        devices, experts = len(slots), len(home)
        tokens, each = by_source(load, devices), each_home(home, devices)
        capacity = max(int(tokens.sum(axis=1).max(initial=0)), -(-int(tokens.sum()) // devices))
        known = {"R": devices, "E": experts, "B": int(slots.min()), "S": capacity, "K": 1, "token_padding": 1}
        geometry = SimpleNamespace(**known, epn=each, capacity=capacity, NvS=capacity)
        return as_numpy(self.policy(self.to_tensor(tokens.astype(np.int32)), geometry), "alloc").T


FORM = Form(
    name="moonep",
    role="planner",
    example="policy(tpe, geom) -> alloc",
    recognises=lambda found, names: names[:2] == ["tpe", "geom"] and not isinstance(found, type),
    adapt=lambda found: MoonepPolicy(found, to_tensor_of(found)),
)
