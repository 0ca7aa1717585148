"""Metrics: what is measured of a balance, or what training lowers to get one.

A *metric* computes one of the kinds below and is called with what that kind needs: a metric of loads as
``metric(load[L, N])``, the tokens on N experts or ranks in L layers or steps, a loss as ``metric(scores[T, E],
experts[T, K])``. It returns a number; one of loads may return ``[L]``, a number a row. Which kind it is, it declares in
``capabilities``, or somebody says ``--as KIND``. A loss that takes a keyword ``gradient`` returns its derivative by its
first argument if that is true; one that takes ``mask``, true for real tokens, leaves the others out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError
from equipoise.reference.metrics.catalogue import METRICS
from equipoise.roles.role import BY_NAME, RANDOM, STATEFUL, Case, Role, shown

Floats = npt.NDArray[np.float64]

NO_VALUE = "gives no value"

LOGITS = "logits"
"""Declaration of a loss that applies the gate itself."""


class Metric(Protocol):
    """Measures a balance."""

    def __call__(self, *given: Any) -> Any:
        """Return a number, of loads ``[L, N]`` also one a row; the kind says what is given."""


@dataclass(frozen=True)
class Kind:
    """One thing that metrics compute.

    Attributes
    ----------
    words
        Call, formula and source.
    of_loads
        Whether it is tried on loads, not on tokens.
    call
        ``call(case, capabilities)``: what it is called with.
    """

    words: str
    of_loads: bool
    call: Callable[[MetricCase, Collection[str]], tuple[Any, ...]]


@dataclass(frozen=True, eq=False)
class MetricCase(Case):
    """Loads ``[L, N]``; or tokens: logits ``[B, T, E]`` of B sequences and their experts ``[B, T, K]``, -1 for none.

    The part that is not asked about is empty.
    """

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {
        "load": ("L", "N"),
        "logits": ("B", "T", "E"),
        "experts": ("B", "T", "K"),
    }

    load: npt.NDArray[Any]
    logits: npt.NDArray[Any]
    experts: npt.NDArray[Any]

    @classmethod
    def of_loads(cls, load: npt.NDArray[Any]) -> MetricCase:
        """Return the case of ``load[L, N]``."""
        return cls(load, np.zeros((0, 0, 0), np.float32), np.zeros((0, 0, 0), np.int64))

    @classmethod
    def of_tokens(cls, logits: npt.NDArray[Any], experts: npt.NDArray[Any]) -> MetricCase:
        """Return the case of ``logits[B, T, E]`` and ``experts[B, T, K]``."""
        return cls(np.zeros((0, 0), np.int64), logits, experts)

    @classmethod
    def routed(cls, logits: npt.NDArray[Any], top_k: int) -> MetricCase:
        """Return the case in which every token has the experts of its largest logits."""
        return cls.of_tokens(logits, np.argsort(-logits, axis=-1, kind="stable")[..., :top_k])

    def calls(self) -> list[tuple[Any, ...]]:
        """Return what there is: the loads, or the logits and the experts."""
        return [(self.load,)] if self.load.size else [(self.logits, self.experts)]

    @property
    def valid(self) -> bool:
        """Whether there are loads, or every token has experts that exist, none of them twice."""
        if self.load.size:
            return bool((self.load >= 0).all())
        sizes, experts = self.logits.shape, self.experts
        if not self.logits.size or not experts.size or experts.shape[:2] != sizes[:2]:
            return False
        given = np.sort(experts, axis=-1)
        twice = (given[..., 1:] == given[..., :-1]) & (given[..., 1:] >= 0)
        return bool(experts.min() >= -1 and experts.max() < sizes[-1] and not twice.any())

    def __repr__(self) -> str:
        parts = ("load",) if self.load.size else ("logits", "experts")
        return "\n".join(shown(name, getattr(self, name)) for name in parts)


def gated(logits: npt.NDArray[Any], gate: str) -> npt.NDArray[Any]:
    """Return the softmax of every row or the sigmoid of every entry, in the type of the logits."""
    exact = logits.astype(np.float64)
    grown = np.exp(np.minimum(exact, 700) if gate == "sigmoid" else exact - exact.max(axis=-1, keepdims=True))
    scores: Floats = grown / (1 + grown if gate == "sigmoid" else grown.sum(axis=-1, keepdims=True))
    return scores.astype(logits.dtype)


def _load(case: MetricCase, capabilities: Collection[str]) -> tuple[Any, ...]:
    return (case.load,)


def _scored(gate: str, flat: bool) -> Callable[[MetricCase, Collection[str]], tuple[Any, ...]]:
    """Return what calls a loss: with the gate's scores, or the logits where it has a gate itself."""

    def call(case: MetricCase, capabilities: Collection[str]) -> tuple[Any, ...]:
        scores = case.logits.copy() if LOGITS in capabilities else gated(case.logits, gate)
        return (_flat(scores), _flat(case.experts)) if flat else (scores, case.experts)

    return call


def _flat(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return array.reshape(-1, array.shape[-1])


KINDS = {
    "balancedness": Kind("`metric(load[L, N])`: mean / max of every row (SGLang)", True, _load),
    "imbalance": Kind("`metric(load[L, N])`: max / mean of every row", True, _load),
    "max-vio": Kind("`metric(load[L, N])`: (max - mean) / mean of every row (arXiv 2408.15664)", True, _load),
    "min-vio": Kind("`metric(load[L, N])`: (min - mean) / mean of every row", True, _load),
    "cv": Kind(
        "`metric(load[L, N])`: standard deviation over all N, over the mean, of every row (arXiv 1701.06538)",
        True,
        _load,
    ),
    "expert-load": Kind(
        "`metric(experts[B, T, K], num_experts)`: how many of all assignments every expert has, `[E]`",
        False,
        lambda case, capabilities: (case.experts, case.logits.shape[-1]),
    ),
    "dropped": Kind(
        "`metric(experts[T, K])`: share of the assignments that are -1",
        False,
        lambda case, capabilities: (_flat(case.experts),),
    ),
    "aux-loss": Kind(
        "`metric(scores[T, E], experts[T, K])`: sum of f[e] P[e], f[e] = E / (K T) * tokens on e, P[e] the mean score; "
        "1 at balance (arXiv 2101.03961, 2006.16668)",
        False,
        _scored("softmax", flat=True),
    ),
    "sequence-loss": Kind(
        "`metric(scores[B, T, E], experts[B, T, K])`: mean over the sequences of each one's own sum of f[e] P[e], "
        "scores divided by their sum over the experts (arXiv 2412.19437)",
        False,
        _scored("sigmoid", flat=False),
    ),
    "global-loss": Kind(
        "`metric(scores[B, T, E], experts[B, T, K])`: the aux-loss of all micro-batches as one (arXiv 2501.11873)",
        False,
        _scored("softmax", flat=False),
    ),
    "z-loss": Kind(
        "`metric(logits[T, E])`: mean over the tokens of log(sum of exp(logits))^2 (arXiv 2202.08906)",
        False,
        lambda case, capabilities: (_flat(case.logits),),
    ),
}
"""What metrics compute, by name."""

OF_LOADS = tuple(name for name, kind in KINDS.items() if kind.of_loads)
OF_TOKENS = tuple(name for name, kind in KINDS.items() if not kind.of_loads)
LOSSES = ("aux-loss", "sequence-loss", "global-loss", "z-loss")


def kind_of(capabilities: Collection[str]) -> str:
    """Return the one kind that is declared; raise :class:`InvalidProblem` if there is none, or several."""
    (kind,) = ROLE.kind_of(capabilities)
    return kind


def _calls(capabilities: frozenset[str], case: MetricCase) -> list[tuple[Any, ...]]:
    kind = KINDS[kind_of(capabilities)]
    return [kind.call(case, capabilities)] if kind.of_loads == bool(case.load.size) else []


def read_value(returned: Any, *given: Any) -> Floats:
    """Return what a metric returned: a number ``()``, or several ``[N]``.

    Raises
    ------
    TargetError
        If it is anything else, or not finite.
    """
    try:
        value = as_numpy(returned, "the value")
    except InvalidProblem as error:
        raise TargetError(f"it returned {error.given}; allowed: a number, or one a row", NO_VALUE) from error
    if value.dtype.kind not in "iuf" or value.ndim > 1 or not value.size:
        given_back = "None" if returned is None else f"{value.dtype} of shape {value.shape}"
        raise TargetError(f"it returned {given_back}; allowed: a number, or one a row", NO_VALUE)
    numbers = value.astype(np.float64)
    if not np.isfinite(numbers).all():
        raise TargetError(f"it returned {numbers.tolist()}; allowed: finite numbers", NO_VALUE)
    return numbers


def _tokens(*rows: list[float], top_k: int = 1) -> MetricCase:
    return MetricCase.routed(np.array([rows], np.float32), top_k)


SAMPLE = _tokens([1.0, 0.5, -0.5], [0.25, -1.0, 2.0])
"""Where the constant of a scaled loss is read off."""

ROLE = Role(
    name="metric",
    home=__name__,
    arguments=("values", "beside"),
    answer="value",
    noun="value",
    read=read_value,
    case=MetricCase,
    letters=("rows", "columns"),
    shape=lambda *given: [math.prod(given[0].shape[:-1]), given[0].shape[-1]],
    boundaries={
        "one load": MetricCase.of_loads(np.array([[5]])),
        "all equal": MetricCase.of_loads(np.array([[3, 3, 3, 3]])),
        "all load on one": MetricCase.of_loads(np.array([[0, 0, 8, 0]])),
        "more layers than ranks": MetricCase.of_loads(np.array([[9, 1], [1, 9], [5, 5]])),
        "one token": _tokens([0.5, 0.25, -1.0]),
        "one token, all experts": _tokens([0.5, 0.25, -1.0], top_k=3),
        "everybody's favourite": _tokens([4.0, 0.5, 0.25], [4.0, 0.25, 0.5]),
        "large logits": _tokens([1000.0, 999.0], [999.0, 1001.0]),
    },
    declarations={
        **{name: kind.words for name, kind in KINDS.items()},
        "pools rows": "one number of all rows: the sum of the numerators over that of the denominators (vLLM)",
        LOGITS: "a loss that takes logits, to which it applies the gate itself",
        "counts K times": "a loss that does not divide by K: K at balance (transformers)",
        "scaled": "a loss times a constant of its own",
        "picks experts": "a loss that chooses the top K of the scores itself, whatever experts it is given",
        "no gradient": "a loss that is only logged",
        **BY_NAME,
        **STATEFUL,
        **RANDOM,
    },
    kinds=tuple(KINDS),
    calls=_calls,
    telltales=frozenset({"tokens_per_rank", "num_tokens_per_rank", "expert_load", "tokens_per_expert_per_layer"}),
    catalogue=METRICS,
)
