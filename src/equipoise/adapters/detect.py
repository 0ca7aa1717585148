"""What a callable is, told from its signature: its role, and the adapter that its framework's form needs."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from enum import Enum
from typing import Any

from equipoise.adapters.eplb import EplbFunction
from equipoise.adapters.lplb import LplbFunction
from equipoise.adapters.placements import ToTensor, as_given
from equipoise.adapters.sglang import SglangFunction
from equipoise.adapters.vllm import VllmPolicy
from equipoise.adapters.vllm_ascend import AscendPolicy

TELLTALES: dict[str, frozenset[str]] = {
    "router": frozenset({"scores", "logits", "router_logits", "gate_logits", "gating_output", "top_k", "topk"}),
    "scheduler": frozenset({"hosts", "log2phy"}),
    "placer": frozenset({"num_slots", "num_replicas", "num_nodes", "num_devices", "num_gpus", "num_ranks"}),
    "predictor": frozenset({"history", "horizon"}),
}
"""Names of parameters that only one role has."""

PLACER_PARAMETERS = 5
"""Only a placer requires as many."""

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def parameters(found: Any) -> list[inspect.Parameter]:
    """Return what a balancer is called with; of a class, what its instances are; empty where that cannot be told."""
    if isinstance(found, type):
        called = getattr(found, "__call__", None)  # noqa: B004
        unbound = True
    else:
        called, unbound = found, False
    try:
        known = list(inspect.signature(called).parameters.values())[unbound:]  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return []
    variadic = all(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in known)
    if variadic and callable(forward := getattr(found, "forward", None)):  # torch.nn.Module
        return list(inspect.signature(forward).parameters.values())[unbound:]
    return known


def role_of(found: Any) -> str | None:
    """Return the role of a balancer, or of the class of one; None where its parameters tell none or several."""
    if hasattr(found, "rebalance_experts"):
        return "placer"
    known = parameters(found)
    names = {parameter.name for parameter in known}
    if {"tokens_per_expert", "num_physical_experts"} <= names:
        return "placer"
    required = {p.name for p in known if p.default is p.empty and p.kind in _POSITIONAL}
    for told in (required, names):
        fitting = [role for role, telltales in TELLTALES.items() if telltales & told]
        if len(fitting) == 1:
            return fitting[0]
    return "placer" if not fitting and len(required) == PLACER_PARAMETERS else None


def adapter_of(found: Any, role: str) -> Callable[[], Any] | None:
    """Return what makes a balancer of a function or class in a framework's form; None where it needs no adapter.

    Placers: EPLB's ``rebalance_experts(weight, num_replicas, ...)``, SGLang's with ``tokens_per_expert``, and classes
    or objects with a method ``rebalance_experts`` (vLLM; with ``current_expert_table`` vLLM-Ascend, made without
    arguments, or with None for a configuration). Schedulers: ``solve(load, log2phy)``.
    """
    names = [parameter.name for parameter in parameters(found)]
    if role == "placer":
        method = getattr(found, "rebalance_experts", None)
        if method is not None:
            return _policy(found, method)
        if "tokens_per_expert" in names and "num_physical_experts" in names:
            return lambda: SglangFunction(found, _first_algorithm(found), _tensors(found))
        if "num_replicas" in names and not isinstance(found, type):
            return lambda: EplbFunction(found, _tensors(found))
    if role == "scheduler" and "log2phy" in names and not isinstance(found, type):
        return lambda: LplbFunction(found, _tensors(found))
    return None


def _policy(found: Any, method: Any) -> Callable[[], Any]:
    names = inspect.signature(method).parameters
    if "current_expert_table" not in names:
        return lambda: VllmPolicy(found, _tensors(method))
    if not isinstance(found, type):
        return lambda: AscendPolicy(found, _tensors(method))
    configured = [
        p for p in inspect.signature(found).parameters.values() if p.default is p.empty and p.kind in _POSITIONAL
    ]
    return lambda: AscendPolicy(found(*[None for _ in configured]), _tensors(method))


def _first_algorithm(function: Any) -> Any:
    """Return the first member of the enumeration that ``algorithm`` is annotated with, or None."""
    algorithm = inspect.signature(function).parameters.get("algorithm")
    kind = None if algorithm is None else algorithm.annotation
    if isinstance(kind, str):
        kind = getattr(function, "__globals__", {}).get(kind)
    return next(iter(kind)) if isinstance(kind, type) and issubclass(kind, Enum) else None


def _tensors(function: Any) -> ToTensor:
    """Return ``torch.from_numpy`` for a function of a module that uses torch."""
    torch = sys.modules.get("torch")
    function = getattr(function, "__func__", function)
    used = torch is not None and any(value is torch for value in getattr(function, "__globals__", {}).values())
    return torch.from_numpy if used else as_given  # type: ignore[union-attr]
