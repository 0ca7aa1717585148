"""Tutel's ``extract_critical``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, defaults_of, to_tensor_of
from equipoise.balancers.adapters.router_answers import items_of, numbers
from equipoise.routing import Routing


class TutelCritical:
    """A router from ``extract_critical(scores, top_k, ...)``, with the function's own capacity factor.

    It returns ``(experts, indices, locations, gates, capacity), loss``: K vectors ``[T]`` each. What lies at or beyond
    the capacity of its expert, K ceil(T / E) times the factor, is dropped. A factor of 0 says that nothing is. Who
    comes first is served first ("online", "first come") unless tokens are ranked by their scores.
    """

    def __init__(self, function: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.function = function
        self.to_tensor = to_tensor
        known = defaults_of(function)
        drops = known.get("capacity_factor") != 0
        online = drops and not known.get("batch_prioritized_routing")
        self.capabilities = frozenset(["drops"] * drops + ["online", "first come"] * online)

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Return ids ``[T, K]``, -1 for what is dropped, and the gates."""
        what = "(num_experts, indices, locations, gates, capacity)"
        returned = items_of(self.function(self.to_tensor(scores.copy()), top_k), 1, what)
        _, indices, locations, gates, capacity = items_of(
            returned[0] if isinstance(returned[0], tuple | list) else returned, 5, what
        )[:5]
        ids, places, weights = (
            np.stack([numbers(one, name).reshape(len(scores)) for one in vectors], axis=1)
            for name, vectors in (("indices", indices), ("locations", locations), ("gates", gates))
        )
        kept = places < int(capacity)
        return Routing(np.where(kept, ids, -1), np.where(kept, weights, 0))


FORM = Form(
    name="tutel",
    role="router",
    example="extract_critical(scores, top_k, capacity_factor=1.0, batch_prioritized_routing=False, ...)",
    recognises=lambda found, names: {"scores", "top_k", "batch_prioritized_routing"} <= set(names),
    adapt=lambda found: TutelCritical(found, to_tensor_of(found)),
)
