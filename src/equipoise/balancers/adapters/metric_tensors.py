"""A metric or loss on torch tensors, called as metrics are; its gradient is what autograd finds."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Iterable
from typing import Any

import numpy as np

from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, parameters, to_tensor_of


class TensorMetric:
    """A metric from a function, class or module that takes tensors; whatever else it has is its own.

    A module is copied, so that the caller's stays as it is. ``capabilities`` are declared beside its own.
    """

    def __init__(self, metric: Any, to_tensor: ToTensor = as_given, capabilities: Iterable[str] = ()) -> None:
        made = metric() if isinstance(metric, type) else metric
        self._metric = copy.deepcopy(made) if hasattr(made, "state_dict") else made
        self._to_tensor = to_tensor
        self.capabilities = frozenset(capabilities) | frozenset(getattr(made, "capabilities", ()))
        known = [one for one in parameters(made) if one.name != "gradient" and one.kind is not one.VAR_KEYWORD]
        gradient = inspect.Parameter("gradient", inspect.Parameter.KEYWORD_ONLY, default=False)
        self.__signature__ = inspect.Signature([*known, gradient])

    def __call__(self, *given: Any, gradient: bool = False, **keywords: Any) -> Any:
        """Return what the metric returns for tensors, or its derivative by the first of them.

        What is not connected to it has the derivative 0.
        """
        tensors = [self._tensor(value) for value in given]
        named = {name: self._tensor(value) for name, value in keywords.items()}
        if not gradient:
            return self._metric(*tensors, **named)
        first = tensors[0].requires_grad_()
        value = self._metric(*tensors, **named)
        if getattr(value, "requires_grad", False):
            value.sum().backward()
        return np.zeros(given[0].shape) if first.grad is None else first.grad

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._metric, name)

    def _tensor(self, value: Any) -> Any:
        return self._to_tensor(value.copy()) if isinstance(value, np.ndarray) else value


FORM = Form(
    name="torch-metric",
    role="metric",
    example="metric(load), loss(scores, experts), on torch tensors",
    recognises=lambda found, names: bool(names) and to_tensor_of(found) is not as_given,
    adapt=lambda found: TensorMetric(found, to_tensor_of(found)),
    general=True,
    told=True,
)
