"""The gatings of GShard as DeepSpeed has them: top1gating, top2gating, topkgating."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, defaults_of, to_tensor_of
from equipoise.balancers.adapters.router_answers import items_of, logits_of, numbers
from equipoise.routing import Routing

_RANDOM = ("use_rts", "top2_2nd_expert_sampling")
"""What makes the choice random; switched off, unless a partial says otherwise."""


class GshardGating:
    """A router from ``gating(logits, capacity_factor, min_capacity, ...)``, in float32 as DeepSpeed's gate calls it.

    It returns ``(l_aux, combine[T, E, C], dispatch[T, E, C], exp_counts)``; a token that finds its expert full is
    dropped. The factor is 1, which makes the capacity ceil(T K / E), and the least capacity 0, unless a
    ``functools.partial`` says otherwise. Tokens are served in turn ("online", "first come") but where the least
    probable or random ones are dropped.
    """

    def __init__(self, function: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.function = function
        self.to_tensor = to_tensor
        self._known = defaults_of(function)
        said = _set_by_partials(function)
        settings: dict[str, Any] = {"capacity_factor": 1.0, "min_capacity": 0, **dict.fromkeys(_RANDOM, False)}
        self._settings = {name: value for name, value in settings.items() if name in self._known and name not in said}
        drops = self._known.get("drop_tokens") is not False
        random = any(said.get(name) for name in _RANDOM)
        in_turn = drops and not random and self._known.get("drop_policy") != "probs"
        within = said.get("capacity_factor", 1) <= 1 and said.get("min_capacity", 0) <= 0
        says = {
            "drops": drops,
            "respects capacity": drops and within,
            "online": in_turn,
            "first come": in_turn,
            "random": random,
        }
        self.capabilities = frozenset(name for name, holds in says.items() if holds)
        self._top_k = None if "k" in self._known else 2 if "2" in _name(function) else 1

    def accepts(self, tokens: int, experts: int, top_k: int) -> bool:
        """Say whether K is the one that the gating is for."""
        return top_k == self._top_k if self._top_k else top_k >= 1

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Return the mask ``[T, E]`` of what was dispatched, and the weights it is combined with."""
        chosen = {} if self._top_k else {"k": top_k}
        logits = logits_of(scores, "softmax").astype(np.float32)
        returned = self.function(self.to_tensor(logits), **chosen, **self._settings)
        items = items_of(returned, 3, "(l_aux, combine, dispatch, exp_counts)")
        combine, dispatch = numbers(items[1], "the combine weights"), numbers(items[2], "the dispatch mask")
        if dispatch.ndim != 3 or combine.shape != dispatch.shape:
            return Routing(dispatch, combine)  # which the role refuses, and says why
        return Routing((dispatch != 0).any(axis=2), combine.sum(axis=2, dtype=np.float64))


def _set_by_partials(function: Any) -> dict[str, Any]:
    return dict(function.keywords) if isinstance(function, partial) else {}


def _name(function: Any) -> str:
    return str(getattr(function.func if isinstance(function, partial) else function, "__name__", ""))


FORM = Form(
    name="gshard",
    role="router",
    example="top2gating(logits, capacity_factor, min_capacity, ...) -> (l_aux, combine, dispatch, exp_counts)",
    recognises=lambda found, names: {"logits", "capacity_factor"} <= set(names) and not isinstance(found, type),
    adapt=lambda found: GshardGating(found, to_tensor_of(found)),
)
