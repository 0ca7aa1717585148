"""A router whose sizes are fixed when it is made: a factory ``make(experts, top_k)``, or the class itself."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, form_of, required_parameters
from equipoise.errors import InvalidProblem

EXPERTS = {
    *("experts", "num_experts", "n_experts", "n_routed_experts"),
    *("num_local_experts", "num_moe_experts", "moe_num_experts"),
}
WIDTHS = {"hidden", "hidden_size", "hidden_dim", "dim", "model_dim", "d_model", "embed_dim", "in_features"}
TOP_KS = {"top_k", "topk", "k", "num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_k", "moe_router_topk"}


class BySize:
    """A router that is made for every E and K that it is asked for, once each.

    What is made is adapted to its own form. State and attributes are those of the size that was asked last.
    """

    def __init__(self, make: Callable[[int, int], Any]) -> None:
        self._make = make
        self._made: dict[tuple[int, int], Any] = {}
        self._last = self._of(8, 2)
        self.capabilities = frozenset(getattr(self._last, "capabilities", ()))
        called = getattr(self._last, "__signature__", None)
        self.__signature__ = called or inspect.signature(self._last)

    def __call__(self, scores: npt.NDArray[Any], top_k: int, **keywords: Any) -> Any:
        """Return what the router of this size returns."""
        self._last = self._of(scores.shape[1], top_k)
        return self._last(scores, top_k, **keywords)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in ("accepts", "sizes"):
            raise AttributeError(name)
        return getattr(self._last, name)

    def _of(self, experts: int, top_k: int) -> Any:
        size = experts, top_k
        if size not in self._made:
            made = self._make(experts, top_k)
            form = form_of(made, "router")
            self._made[size] = made if form is None else form.adapt(made)
        return self._made[size]


def _factory(found: Any) -> Callable[[int, int], Any] | None:
    """Return what makes a router of E and K; None for anything that is a router already."""
    try:
        required = [parameter.name for parameter in required_parameters(found)]
    except (TypeError, ValueError):
        return None
    names = set(required)
    if len(required) > 1 and names & EXPERTS and names & TOP_KS and names <= EXPERTS | TOP_KS | WIDTHS:
        return partial(_by_names, found, required)
    if isinstance(found, type) and len(required) == 1 and "config" in required[0]:
        configuration = _configuration(found, required[0])
        return None if configuration is None else partial(_by_configuration, found, configuration)
    return None


def _by_names(found: Any, names: list[str], experts: int, top_k: int) -> Any:
    return found(**{name: top_k if name in TOP_KS else experts for name in names})


def _by_configuration(found: Any, configuration: type, experts: int, top_k: int) -> Any:
    """Return the module of a configuration in which whatever is the number of experts, K or the width is set."""
    made = configuration()
    groups = {"n_group": 1, "num_expert_group": 1, "topk_group": 1, "num_hidden_layers": 1}
    sizes = {**dict.fromkeys(EXPERTS | WIDTHS, experts), **dict.fromkeys(TOP_KS, top_k)}
    for name, value in (sizes | groups).items():
        if hasattr(made, name):
            setattr(made, name, value)
    return found(made)


def _configuration(found: type, name: str) -> type | None:
    """Return the class of the configuration that a module takes: by annotation, or by the beginning of its name.

    Of several, as of a model and of its text part, that which has a number of experts.
    """
    known = vars(sys.modules[found.__module__])
    annotation = inspect.signature(found).parameters[name].annotation
    if isinstance(annotation, str):
        annotation = known.get(annotation.strip("'\""))
    if isinstance(annotation, type) and annotation is not inspect.Parameter.empty:
        return annotation
    candidates = [value for value in known.values() if isinstance(value, type) and value.__name__.endswith("Config")]
    fitting = [one for one in candidates if found.__name__.startswith(_stem(one))]
    if len(fitting) > 1:
        fitting = [one for one in fitting if any(hasattr(one(), name) for name in EXPERTS)] or fitting
    return max(fitting, key=lambda one: len(one.__name__), default=None)


def _stem(configuration: type) -> str:
    return configuration.__name__.removesuffix("Config").removesuffix("Text")


def _adapt(found: Any) -> BySize:
    make = _factory(found)
    if make is None:
        raise InvalidProblem("form", "by-size", "a factory make(experts, top_k), or a class made with them or a config")
    return BySize(make)


FORM = Form(
    name="by-size",
    role="router",
    example="make(experts, top_k) -> router; also a class made with these or with its own configuration",
    recognises=lambda found, names: _factory(found) is not None,
    adapt=_adapt,
)
