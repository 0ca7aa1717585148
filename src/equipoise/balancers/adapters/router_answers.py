"""What frameworks' routers need: logits whose gate gives the scores back, drops as -1, a balancing bias found."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError

BIASES = ("expert_bias", "e_score_correction_bias", "correction_bias", "bias")
"""Where frameworks keep the bias that balances."""

_TINY = 2.0**-126
LEAST_OF_SQRTSOFTPLUS = 2.0**-56
"""Below, softplus of a logit is no normal number of float32 any more."""


def logits_of(scores: npt.NDArray[Any], gate: str) -> npt.NDArray[Any]:
    """Return logits ``[T, E]`` of which the gate makes ``scores``, a softmax up to a factor per token.

    Scores outside [0, 1] come from no gate: they are given as they are. The order of a token's experts stays. A batch
    of scores all of which are below what sqrtsoftplus gives for any logit in float32 is scaled up to 1.
    """
    if gate not in ("softmax", "sigmoid", "sqrtsoftplus") or (scores < 0).any() or (scores > 1).any():
        return scores.copy()
    exact = np.clip(scores.astype(np.float64), _TINY, 1 - 2.0**-25 if gate == "sigmoid" else 1)
    if gate == "softmax":
        logits = np.log(exact)
    elif gate == "sigmoid":
        logits = np.log(exact) - np.log1p(-exact)
    else:
        tiny = 0 < scores.max(initial=0) < LEAST_OF_SQRTSOFTPLUS
        exact = exact / exact.max() if tiny else exact
        logits = np.log(np.expm1(exact**2).clip(_TINY))
    return logits.astype(np.float64 if scores.dtype == np.float64 else np.float32)


def numbers(returned: Any, name: str) -> npt.NDArray[Any]:
    """Return an array of whatever library.

    Raises
    ------
    TargetError
        If it is none.
    """
    try:
        return as_numpy(returned, name)
    except InvalidProblem as error:
        raise TargetError(f"it returned {name} that is {error.given}") from error


def items_of(returned: Any, least: int, shape: str) -> list[Any]:
    """Return the items of a tuple of at least so many; ``shape`` says what was expected.

    Raises
    ------
    TargetError
        If it is anything else.
    """
    if not isinstance(returned, tuple | list) or len(returned) < least:
        raise TargetError(f"it returned a {type(returned).__name__}; allowed: {shape}", "gives no routing")
    return list(returned)


def balancing_bias(found: Any, experts: int) -> Any:
    """Return the array ``[E]`` that balances, of a router or the layer it sits in; None if there is none.

    The ``bias`` of a linear gate is a parameter of the model, not a bias that balances.
    """
    for name in BIASES:
        value = getattr(found, name, None)
        if value is None or getattr(value, "shape", None) != (experts,):
            continue
        if name != "bias" or not (is_parameter(value) or hasattr(found, "weight")):
            return value
    return None


def is_parameter(value: Any) -> bool:
    """Whether a tensor is one of those that an optimizer trains."""
    return type(value).__name__ == "Parameter"
