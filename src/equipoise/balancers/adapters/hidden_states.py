"""A router that makes its logits itself, from hidden states and a weight: transformers', torchtitan's, your own.

With an identity for the weight the hidden states are the logits. The module is copied; the caller's stays as it is.
"""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, to_tensor_of
from equipoise.balancers.adapters.modules import (
    buffers_of,
    fill,
    gate_of,
    gates,
    groups_of,
    is_half,
    second_is_a_bias,
    top_k_of,
)
from equipoise.balancers.adapters.router_answers import balancing_bias, is_parameter, items_of, logits_of, numbers
from equipoise.errors import TargetError
from equipoise.roles.router import choice_of
from equipoise.routing import Routing

HIDDEN = ("hidden", "x", "input", "inp", "token")
"""How the first parameter of such a module begins."""


class HiddenStates:
    """A router from a module ``module(hidden[T, H])`` with a weight ``[E, H]``, H at least E.

    Where the module says which gate it has, or calls one alone, the logits are chosen so that the gate gives the
    scores; else, and in half precision, the scores are the logits. It returns ids and weights, in any order and with
    anything beside them; of logits alone the K largest are taken. Hidden states go in as ``[1, T, H]`` where it takes
    no others.

    It stays in the mode that it was given in, so that one in training moves a bias of its own. One whose buffers move
    in a call can be reset, and takes ``training``. A bias of its own that a call does not move balances nothing and is
    not shown; beside a sigmoid, a bias of -1 there makes scores between -1 and 0. A bias that it takes as its second
    argument is kept here and moved as torchtitan's optimizer hook does: against the sign of the overload, by
    :attr:`RATE`, and to a mean of zero.

    A module that has groups takes ``num_groups`` and ``topk_groups``; one that is made with several is "group limited".
    Where groups are single experts and it raises, as those that rank groups by their two best do, that is a refusal.
    """

    RATE = 1e-3

    def __init__(self, module: Any, to_tensor: ToTensor = as_given) -> None:
        self._given = module
        self.to_tensor = to_tensor
        weight = next(gates(module))[1]
        self._experts, self._width = weight.shape
        top_k = top_k_of(module)
        self.sizes = None if top_k is None else (self._experts, top_k)
        self._gate = "" if is_half(weight) else gate_of(module)
        self._takes_bias = second_is_a_bias(module)
        self._groups = groups_of(module)
        limits = [getattr(module, name) for name in self._groups or ()]
        limited = bool(limits and all(limits) and limits[0] > 1)
        if limited:
            self.num_groups, self.topk_groups = limits
        says = {"logits": not self._gate, "half precision": is_half(weight), "group limited": limited}
        self.capabilities = frozenset(name for name, holds in says.items() if holds)
        self._three = self._constant = self._sinks = False
        self._forget()
        self._try()
        stateful = bool(buffers_of(module)) and not self._constant
        if self._takes_bias or stateful:
            self.reset = self._forget
        takes = {"scores", "top_k", *(["training"] if stateful else [])}
        takes |= {"num_groups", "topk_groups"} if self._groups and not limited else set()
        own = inspect.signature(self.__call__).parameters.values()
        self.__signature__ = inspect.Signature([parameter for parameter in own if parameter.name in takes])

    def _forget(self) -> None:
        """Start from a copy of the module as it was given, with an identity for its weight."""
        self.module = copy.deepcopy(self._given)
        owner, self._weight = next(gates(self.module))
        fill(self._weight, np.eye(self._experts, self._width))
        offset = getattr(owner, "bias", None)
        if getattr(offset, "shape", None) == (self._experts,) and (owner is not self.module or is_parameter(offset)):
            fill(owner.bias, np.zeros(self._experts))
        self._updated = np.zeros(self._experts, np.float32) if self._takes_bias else None

    def _try(self) -> None:
        """Find out by one unbalanced batch whether hidden states have three axes, and whether a call moves buffers."""
        scores = np.tile(np.linspace(0.9, 0.1, self._experts, dtype=np.float32), (2, 1))
        before = buffers_of(self.module)
        for self._three in (False, True):
            try:
                self._ask(scores)
                break
            except (ValueError, IndexError):
                continue
            except Exception:
                break
        else:
            self._three = False
        unbalanced = self.sizes is not None and self.sizes[1] < self._experts
        same = all(np.array_equal(*pair) for pair in zip(before, buffers_of(self.module), strict=True))
        self._constant = unbalanced and same
        self._forget()
        bias = balancing_bias(self.module, self._experts)
        zero = bias is not None and not numbers(bias, "the bias").any()
        self._sinks = self._constant and self._gate == "sigmoid" and self._updated is None and zero

    @property
    def bias(self) -> Any:
        """The bias that balances, ``[E]``."""
        found = balancing_bias(self.module, self._experts) if self._updated is None else self._updated
        if found is None or (self._updated is None and self._constant):
            raise AttributeError("bias")
        return found

    def accepts(self, tokens: int, experts: int, top_k: int) -> bool:
        """Say whether E and K are those of the module."""
        return experts == self._experts and self.sizes in (None, (experts, top_k))

    def __call__(
        self,
        scores: npt.NDArray[Any],
        top_k: int,
        *,
        training: bool | None = None,
        num_groups: int = 1,
        topk_groups: int = 1,
    ) -> Any:
        """Return ids, or a mask, and weights; with ``training`` after the module's own ``train(training)``."""
        tokens, experts = scores.shape
        if not self.accepts(tokens, experts, top_k):
            own = f"{self._experts} experts" + (f" and K = {self.sizes[1]}" if self.sizes else "")
            raise TargetError(f"it is made for {own}, not for {experts} and K = {top_k}")
        if training is not None:
            self.module.train(training)
        given = [getattr(self.module, name) for name in self._groups or ()]
        if self._groups and num_groups > 1:
            self._set_groups([num_groups, topk_groups])
        number = getattr(self.module, self._groups[0]) if self._groups else None
        try:
            returned = self._ask(scores)
        except Exception as error:
            if number != experts:
                raise
            raise TargetError("a group of one expert has no two best", "raises", on_purpose=True) from error
        finally:
            self._set_groups(given)
        routed = choice_of(plain_items(returned), tokens, experts, top_k)
        if routed is None:
            return _largest(returned, scores, top_k)
        if self._updated is not None:
            self._move(routed)
        return routed

    def _ask(self, scores: npt.NDArray[Any]) -> Any:
        """Return what the module returns for hidden states of which it makes these scores."""
        if self._sinks:
            sunk = bool(scores.size) and -1 <= scores.min() < 0 and scores.max() <= 0
            fill(balancing_bias(self.module, self._experts), np.full(self._experts, -1.0 if sunk else 0.0))
            scores = scores + 1 if sunk else scores
        hidden = np.zeros((len(scores), self._width), scores.dtype)
        hidden[:, : self._experts] = logits_of(scores, self._gate)
        tensor = self.to_tensor(hidden[None] if self._three else hidden)
        if hasattr(tensor, "to"):
            tensor = tensor.to(self._weight.dtype)
        more = [] if self._updated is None else [self.to_tensor(self._updated.copy())]
        return self.module(tensor, *more)

    def _set_groups(self, limits: list[Any]) -> None:
        for name, value in zip(self._groups or (), limits, strict=True):
            setattr(self.module, name, value)

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
