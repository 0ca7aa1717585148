"""How routers say what they did: a table of known classes, and what can be told of others by form.

A *reading* is a function of a router module, its inputs and its output that returns what it :class:`Observed`. Arrays
stay in their own library and on their device; only NumPy-like indexing, ``reshape`` and ``detach`` are asked of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.traces.instance import GATES, apply_gate

EXPERTS = ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts", "num_moe_experts")
TOP_K = ("top_k", "topk", "moe_topk", "moe_top_k", "num_experts_per_tok", "num_experts_per_token", "moe_router_topk")
SCORING = ("score_func", "scoring_func", "score_function", "moe_router_score_function")
ROUTER = re.compile(r"(Router|Gating|Gate)$")
"""Names of classes that are tried; one whose first output is of no known form is left alone."""

AGREES = 0.01
"""Relative difference of weights up to which they are those of a gate: they may have been rounded to bfloat16."""
CLEARLY = 4.0
"""How many times closer than those of any other gate."""


@dataclass(frozen=True, eq=False)
class Observed:
    """What a router did with one batch.

    Attributes
    ----------
    logits
        ``[..., E]``, any array library; what stands before E is flattened.
    chosen
        ``[..., K]`` experts, -1 for none, or a boolean map ``[..., E]``; None where the router does not say.
    weights
        ``[..., K]``, beside experts, from which the gate can be told.
    gate
        One of ``GATES``; None: told from the module, else from the weights, else softmax.
    top_k
        K; None: told from the module, else from ``chosen``.
    """

    logits: Any
    chosen: Any = None
    weights: Any = None
    gate: str | None = None
    top_k: int | None = None


Reading = Callable[[Any, Sequence[Any], Mapping[str, Any], Any], Observed | None]


def reading_of(name: str, module: Any, parent: Any, own: Mapping[str, Reading]) -> Reading | None:
    """Return how a module is read; None if it is no router.

    ``own`` comes first, by name of the class; then the table; then whatever is called a router or gate; then a linear
    layer named ``gate`` or ``router`` that has as many outputs as the block around it has experts.
    """
    kind = type(module).__name__
    if kind in own or kind in KNOWN:
        return own.get(kind) or KNOWN[kind]
    if ROUTER.search(kind):
        return by_form
    bare = name.rpartition(".")[2] in ("gate", "router") and not ROUTER.search(type(parent).__name__)
    if bare and size(TOP_K, parent) and getattr(module, "out_features", None) == size(EXPERTS, parent):
        return _alone
    return None


def size(names: Sequence[str], *holders: Any) -> int | None:
    """Return the first of some attributes that is a positive whole number, of objects or of their ``config``."""
    for holder in holders:
        for place in (holder, getattr(holder, "config", None)):
            for name in names:
                if place is not holder and name == "top_k":
                    continue  # in transformers' configurations once a setting of text generation
                value = getattr(place, name, None)
                if isinstance(value, int) and not isinstance(value, bool) and value > 0:
                    return value
    return None


def by_form(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed | None:
    """Read ``(logits, weights, experts)`` in any order, logits alone, or ``(experts, weights)`` and the weight matrix.

    Logits are the first floats ``[..., E]``, the choice the first integers ``[..., K]`` or booleans ``[..., E]``.
    """
    parts = [part for part in _parts(output) if hasattr(part, "shape") and hasattr(part, "dtype")]
    floats = [part for part in parts if _kind(part) == "f" and len(part.shape) >= 2]
    matrix = getattr(module, "weight", None)
    experts = size(EXPERTS, module) or (matrix.shape[0] if matrix is not None and len(matrix.shape) == 2 else None)
    chosen = next((part for part in parts if _kind(part) in "ib" and len(part.shape) >= 2), None)
    if experts is None and floats and chosen is not None:
        experts = max(part.shape[-1] for part in floats)
    logits = next((part for part in floats if part.shape[-1] == experts), None)
    if chosen is None and size(TOP_K, module) is None:
        return None
    if logits is None and chosen is not None:
        logits = _from_weight(matrix, _first(args, kwargs))
    if logits is None:
        return None
    width = None if chosen is None else chosen.shape[-1]
    weights = next((part for part in floats if part is not logits and part.shape[-1] == width), None)
    return Observed(logits, chosen, weights)


def _megatron(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read Megatron-LM's ``TopKRouter``: (probabilities, map); its own ``gating`` makes the logits again."""
    return Observed(module.gating(_first(args, kwargs).detach()), output[1])


def _torchtitan(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read torchtitan's router: (weights, experts, scores or counts); its own ``gate`` makes the logits again."""
    return Observed(module.gate(_first(args, kwargs).detach()), output[1])


def _llama4(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read Llama 4 of transformers: (scores, zero where not chosen; logits)."""
    scores, logits = output
    return Observed(logits, scores > 0, gate="sigmoid")


def _switch(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read Switch of transformers: (one-hot experts, zero where over capacity; probabilities; logits)."""
    return Observed(output[2], output[0] > 0, gate="softmax", top_k=1)


def _nllb(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read NLLB of transformers: (first expert alone, probabilities, logits)."""
    return Observed(output[-1], gate="softmax", top_k=2)


def _jetmoe(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read JetMoE of transformers: assignments sorted by expert, and how many each expert has."""
    order, sizes, logits = as_numpy(output[0], "order"), [int(count) for count in output[3]], output[4]
    chosen = np.empty(len(order), np.int64)
    chosen[order] = np.repeat(np.arange(len(sizes)), sizes)
    return Observed(logits, chosen.reshape(len(logits), -1), gate="softmax")


def _probabilities(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read Gemma 4 of transformers: (probabilities, weights, experts)."""
    return Observed(output[0], output[2], gate="none")


def _phimoe(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read PhiMoE of transformers: (logits, weights of a sparse mixer, experts)."""
    return Observed(output[0], output[2], gate="softmax")


def _alone(module: Any, args: Sequence[Any], kwargs: Mapping[str, Any], output: Any) -> Observed:
    """Read logits alone: transformers' DBRX, and linear layers as gates. The block around them chooses."""
    return Observed(output)


KNOWN: dict[str, Reading] = {
    "TopKRouter": _megatron,
    "InferenceTopKRouter": _megatron,
    "TokenChoiceTopKRouter": _torchtitan,
    "Llama4Router": _llama4,
    "SwitchTransformersTop1Router": _switch,
    "NllbMoeTop2Router": _nllb,
    "JetMoeTopKGating": _jetmoe,
    "Gemma4TextRouter": _probabilities,
    "DiffusionGemmaTextRouter": _probabilities,
    "PhimoeTopKRouter": _phimoe,
    "DbrxRouter": _alone,
}
"""Routers that are not read by form alone, by name of their class."""


def gate_of(module: Any, observed: Observed) -> str:
    """Return the gate of a router: as it says itself, as its weights tell, or as routers of its kind mostly have."""
    if observed.gate is not None:
        return observed.gate
    for place in (module, getattr(module, "config", None)):
        for name in SCORING:
            if (said := getattr(place, name, None)) in GATES:
                return str(said)
    usual = "sigmoid" if hasattr(module, "e_score_correction_bias") else "softmax"
    return told_from_weights(observed) or usual


def told_from_weights(observed: Observed) -> str | None:
    """Return the gate whose scores of the chosen experts are in the proportions of the weights, if one clearly is."""
    if observed.weights is None or observed.chosen is None:
        return None
    logits, weights = (rows(as_numpy(one, "it")).astype(np.float64) for one in (observed.logits, observed.weights))
    chosen = rows(as_numpy(observed.chosen, "chosen"))
    if chosen.shape != weights.shape or chosen.dtype.kind not in "iu" or not np.isfinite(logits).all():
        return None
    axis = 1 if chosen.shape[1] > 1 else 0
    errors = {}
    for gate in (gate for gate in GATES if gate != "none"):
        expected = _shares(np.take_along_axis(apply_gate(logits, gate).astype(np.float64), chosen, axis=1), axis)
        errors[gate] = float(np.median(np.abs(_shares(weights, axis) / expected - 1)))
    rare = errors.pop("sqrtsoftplus")  # near the sigmoid's: only where its weights clearly tell it from both others
    best, second = sorted(errors, key=errors.__getitem__)
    if rare <= AGREES and rare * CLEARLY < errors[best]:
        return "sqrtsoftplus"
    return best if errors[best] <= AGREES and errors[best] * CLEARLY < errors[second] else None


def _shares(values: npt.NDArray[np.float64], axis: int) -> npt.NDArray[np.float64]:
    shares: npt.NDArray[np.float64] = np.maximum(values, 1e-30) / np.maximum(
        values.sum(axis=axis, keepdims=True), 1e-30
    )
    return shares


def _parts(output: Any) -> Sequence[Any]:
    return output if isinstance(output, tuple | list) else (output,)


def _first(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
    return args[0] if args else next(iter(kwargs.values()), None)


def _kind(array: Any) -> str:
    """Return "f", "i" or "b" for arrays of any library."""
    name = str(array.dtype).rpartition(".")[2]
    return "b" if name.startswith("bool") else "i" if name.startswith(("int", "uint")) else "f"


def _from_weight(matrix: Any, hidden: Any) -> Any:
    if matrix is None or hidden is None or len(matrix.shape) != 2 or hidden.shape[-1] != matrix.shape[1]:
        return None
    return as_numpy(hidden, "hidden").astype(np.float32) @ as_numpy(matrix, "weight").astype(np.float32).T


def rows(array: Any) -> Any:
    """Return ``[..., N]`` as ``[T, N]``, in the array's own library."""
    return array.reshape(-1, array.shape[-1])
