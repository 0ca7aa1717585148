"""LLEP's planner (SalesforceAIResearch/LeastLoadedEP, ``compute_llep_lpt_plan``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, to_tensor_of
from equipoise.balancers.adapters.planners import EQUAL_HOMES, each_home
from equipoise.errors import TargetError
from equipoise.roles.planner import Integers


class LlepPlan:
    """A planner from ``compute_llep_lpt_plan(global_expert_counts, ep_size, ep_rank, num_local_experts)``.

    The plan's ``lpt_plan`` has, for each expert with tokens, ``(device, first token, past the last)``.
    """

    capabilities = frozenset({EQUAL_HOMES, "ignores slots", "approximate"})

    def __init__(self, plan: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.plan = plan
        self.to_tensor = to_tensor

    def __call__(
        self, load: npt.NDArray[np.integer], home: npt.NDArray[np.integer], slots: npt.NDArray[np.integer]
    ) -> Integers:
        """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed)."""
        devices = len(slots)
        tokens = np.asarray(load, np.int64)
        tokens = tokens if tokens.ndim == 1 else tokens.sum(axis=0)
        planned = self.plan(self.to_tensor(tokens.copy()), devices, 0, each_home(home, devices))
        parts = getattr(planned, "lpt_plan", None)
        if not isinstance(parts, dict):
            raise TargetError("it returned no lpt_plan: experts, and a list of (device, first token, past the last)")
        split = np.zeros((len(tokens), devices), np.int64)
        for expert, ranges in parts.items():
            for device, start, end in ranges:
                split[int(expert), int(device)] += int(end) - int(start)
        return split


FORM = Form(
    name="llep",
    role="planner",
    example="compute_llep_lpt_plan(global_expert_counts, ep_size, ep_rank, num_local_experts)",
    recognises=lambda found, names: names[:2] == ["global_expert_counts", "ep_size"] and not isinstance(found, type),
    adapt=lambda found: LlepPlan(found, to_tensor_of(found)),
)
