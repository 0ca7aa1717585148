"""A router on torch tensors, called as routers are: ``router(scores, top_k)``."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, parameters, required_parameters, to_tensor_of
from equipoise.balancers.adapters.router_answers import is_parameter
from equipoise.roles.router import ROLE

_BFLOAT16 = inspect.Parameter("bfloat16", inspect.Parameter.KEYWORD_ONLY, default=False)


class TensorRouter:
    """A router from a function, class or module that takes tensors; whatever else it has is its own.

    A module is copied, so that the caller's stays as it is; one with buffers can be reset to what they were. With
    ``bfloat16`` the scores are given as a tensor of that type, which NumPy has not.
    """

    def __init__(self, router: Any, to_tensor: ToTensor = as_given) -> None:
        made = router() if isinstance(router, type) else router
        self.to_tensor = to_tensor
        known = [*parameters(made), *([] if to_tensor is as_given else [_BFLOAT16])]
        self.__signature__ = inspect.Signature(sorted(known, key=lambda parameter: parameter.kind))
        self._given = made
        self._router = copy.deepcopy(made) if hasattr(made, "state_dict") else made
        if any(True for _ in getattr(made, "buffers", tuple)()) and not hasattr(made, "reset"):
            self.reset = self._reset

    def __call__(self, scores: npt.NDArray[Any], top_k: int, *, bfloat16: bool = False, **keywords: Any) -> Any:
        """Return what the router returns for tensors."""
        given = {
            name: self.to_tensor(value.copy()) if isinstance(value, np.ndarray) else value
            for name, value in keywords.items()
        }
        tensor = self.to_tensor(scores.copy())
        return self._router(tensor.bfloat16() if bfloat16 else tensor, top_k, **given)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        value = getattr(self._router, name)
        if name == "bias" and is_parameter(value):
            raise AttributeError("bias is a parameter of the gate, not a bias that balances")
        return value

    def _reset(self) -> None:
        self._router = copy.deepcopy(self._given)


def _takes_scores(found: Any, names: list[str]) -> bool:
    if to_tensor_of(found) is as_given or len(names) < 2:
        return False
    if isinstance(found, type) and required_parameters(found):
        return False
    first, second = names[:2]
    return first in ROLE.telltales | {"scores", "logits"} and second in {"top_k", "topk", "k"}


FORM = Form(
    name="torch",
    role="router",
    example="router(scores, top_k), on torch tensors",
    recognises=_takes_scores,
    adapt=lambda found: TensorRouter(found, to_tensor_of(found)),
    general=True,
)
