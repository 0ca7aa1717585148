"""A router that makes its logits itself, from hidden states and a weight: transformers', torchtitan's, your own.

With an identity for the weight the hidden states are the logits. The module is copied; the caller's stays as it is.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, parameters, to_tensor_of
from equipoise.balancers.adapters.router_answers import balancing_bias, is_parameter, items_of, logits_of, numbers
from equipoise.errors import TargetError
from equipoise.roles.router import choice_of
from equipoise.routing import Routing

HIDDEN = ("hidden", "x", "input", "inp", "token")
"""How the first parameter of such a module begins."""

TOP_K = ("top_k", "topk", "num_experts_per_tok", "num_experts_per_token", "experts_per_token", "moe_topk", "k")
"""Where modules keep K."""

GATES = ("score_func", "scoring_func", "score_function")
"""Where modules keep the name of their gate."""


class HiddenStates:
    """A router from a module ``module(hidden[T, H])`` with a weight ``[E, H]``, H at least E.

    Where the module names its gate (:data:`GATES`) the logits are chosen so that the gate gives the scores; else the
    scores are the logits. It returns ids and weights, in any order and with anything beside them; of logits alone the K
    largest are taken. It stays in the mode that it was given in, so that one in training moves a bias of its own; with
    buffers it can be reset, and takes ``training``. A bias that it takes as its second argument is kept here and moved
    as torchtitan's optimizer hook does: against the sign of the overload, by :attr:`RATE`, and to a mean of zero.
    """

    RATE = 1e-3

    def __init__(self, module: Any, to_tensor: ToTensor = as_given) -> None:
        self._given = module
        self.to_tensor = to_tensor
        self._experts, self._width = next(gates(module))[1].shape
        top_k = next((k for name in TOP_K if isinstance(k := getattr(module, name, None), int)), None)
        self.sizes = None if top_k is None else (self._experts, top_k)
        self._gate = next((str(one) for name in GATES if (one := getattr(module, name, None)) is not None), "")
        self.capabilities = frozenset() if self._gate else frozenset({"logits"})
        self._takes_bias = any("bias" in name for name in _names(module)[1:2])
        self._forget()
        stateful = any(True for _ in getattr(module, "buffers", tuple)())
        if self._takes_bias or stateful:
            self.reset = self._forget
        if not stateful:
            self.__signature__ = inspect.signature(lambda scores, top_k: None)

    def _forget(self) -> None:
        """Start from a copy of the module as it was given, with an identity for its weight."""
        self.module = copy.deepcopy(self._given)
        owner, self._weight = next(gates(self.module))
        _fill(self._weight, np.eye(self._experts, self._width))
        offset = getattr(owner, "bias", None)
        if getattr(offset, "shape", None) == (self._experts,) and (owner is not self.module or is_parameter(offset)):
            _fill(owner.bias, np.zeros(self._experts))
        self._updated = np.zeros(self._experts, np.float32) if self._takes_bias else None

    @property
    def bias(self) -> Any:
        """The bias that balances, ``[E]``."""
        found = balancing_bias(self.module, self._experts) if self._updated is None else self._updated
        if found is None:
            raise AttributeError("bias")
        return found

    def accepts(self, tokens: int, experts: int, top_k: int) -> bool:
        """Say whether E and K are those of the module."""
        return experts == self._experts and self.sizes in (None, (experts, top_k))

    def __call__(self, scores: npt.NDArray[Any], top_k: int, *, training: bool | None = None) -> Any:
        """Return ids, or a mask, and weights; with ``training`` after the module's own ``train(training)``."""
        tokens, experts = scores.shape
        if not self.accepts(tokens, experts, top_k):
            own = f"{self._experts} experts" + (f" and K = {self.sizes[1]}" if self.sizes else "")
            raise TargetError(f"it is made for {own}, not for {experts} and K = {top_k}")
        if training is not None:
            self.module.train(training)
        hidden = np.zeros((tokens, self._width), scores.dtype)
        hidden[:, :experts] = logits_of(scores, self._gate)
        tensor = self.to_tensor(hidden)
        if hasattr(tensor, "to"):
            tensor = tensor.to(self._weight.dtype)
        more = [] if self._updated is None else [self.to_tensor(self._updated.copy())]
        returned = self.module(tensor, *more)
        routed = choice_of(plain_items(returned), tokens, experts, top_k)
        if routed is None:
            return _largest(returned, scores, top_k)
        if self._updated is not None:
            self._move(routed)
        return routed

    def _move(self, routed: Routing) -> None:
        assert self._updated is not None
        chosen = numbers(routed.chosen, "the routing")
        load = chosen.sum(axis=0) if chosen.dtype == np.bool_ else np.bincount(chosen.ravel(), minlength=self._experts)
        step = self.RATE * np.sign(load.mean() - load)
        self._updated = (self._updated + step - step.mean()).astype(np.float32)


def plain_items(returned: Any) -> Any:
    """Return what was returned with every array of another library as NumPy's."""
    if isinstance(returned, tuple | list):
        return [plain_items(item) for item in returned]
    return numbers(returned, "an answer") if hasattr(returned, "shape") else returned


def _largest(returned: Any, scores: npt.NDArray[Any], top_k: int) -> Routing:
    logits = numbers(items_of(returned, 1, "logits")[0] if isinstance(returned, tuple | list) else returned, "logits")
    if logits.shape != scores.shape or logits.dtype.kind != "f":
        raise TargetError(f"it returned neither experts nor logits of shape {scores.shape}", "gives no routing")
    return Routing(np.argsort(-logits, axis=1, kind="stable")[:, :top_k])


def gates(module: Any) -> Iterator[tuple[Any, Any]]:
    """Yield the matrices ``[E, H]`` that a module can make logits with, each with the module or layer that has it."""
    layers = [module, *(value for value in _parts(module) if value is not module)]
    for layer in layers:
        for name in ("weight", "gate_weight", "wg", "kernel"):
            weight = getattr(layer, name, None)
            if weight is not None and len(getattr(weight, "shape", ())) == 2 and weight.shape[0] <= weight.shape[1]:
                yield layer, weight


def _parts(module: Any) -> list[Any]:
    if callable(listed := getattr(module, "modules", None)):
        return list(listed())
    return [value for value in vars(module).values() if hasattr(value, "weight")] if hasattr(module, "__dict__") else []


def _fill(array: Any, values: npt.NDArray[Any]) -> None:
    target = array.detach() if hasattr(array, "detach") else array
    made = values.astype(target.dtype) if isinstance(target, np.ndarray) else target.new_tensor(values.tolist())
    target[...] = made


def _names(module: Any) -> list[str]:
    return [parameter.name for parameter in parameters(module)]


def _makes_its_logits(found: Any, names: list[str]) -> bool:
    if isinstance(found, type) or inspect.isroutine(found) or not names or not names[0].startswith(HIDDEN):
        return False
    return next(gates(found), None) is not None


FORM = Form(
    name="hidden-states",
    role="router",
    example="module(hidden_states) -> (logits, weights, ids), with its own weight[E, H]",
    recognises=_makes_its_logits,
    adapt=lambda found: HiddenStates(found, to_tensor_of(found)),
    general=True,
)
