"""Routers: K of E experts for every token.

A *router* is called as ``router(scores[T, E], top_k)`` and returns a :class:`~equipoise.routing.Routing` or just its
experts: an array ``[T, K]`` of expert indices (-1 = dropped) or a boolean mask ``[T, E]``. A router that keeps state
between calls is an object with ``reset()``; one that adds biases to the scores shows them as ``.bias`` (``[E]``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.errors import InvalidProblem, TargetError
from equipoise.metrics import loads
from equipoise.reference.routing.catalogue import ROUTERS
from equipoise.roles.role import BY_NAME, RANDOM, STATEFUL, Case, Role, shown
from equipoise.routing import Routing

if TYPE_CHECKING:
    from equipoise.balancers.balancer import Balancer

NO_ROUTING = "gives no routing"

UNIT = "scores in [0, 1]"
"""What a router declares that is to be given nothing else."""


class Router(Protocol):
    """Chooses K of E experts for every token."""

    def __call__(self, scores: npt.NDArray[Any], top_k: int, /) -> Any:
        """Return a :class:`Routing`, expert indices ``[T, K]`` or a mask ``[T, E]``."""


@dataclass(frozen=True, eq=False)
class Routed:
    """A routing that was read.

    Attributes
    ----------
    mask
        ``[T, E]``: who goes where.
    chosen
        What was returned: indices ``[T, K]`` or the mask.
    given_weights
        What was returned beside it, if anything.
    """

    mask: npt.NDArray[np.bool_]
    chosen: npt.NDArray[Any]
    given_weights: Any = None

    @property
    def load(self) -> npt.NDArray[np.int64]:
        """Tokens per expert."""
        return loads(self.mask, self.mask.shape[1])

    @property
    def weights(self) -> npt.NDArray[np.float64] | None:
        """``[T, E]`` gate weights, zero where nothing is chosen; None if none were returned.

        Raises
        ------
        TargetError
            If what was returned beside the routing is an array of another shape.
        """
        weights = self.given_weights
        if not isinstance(weights, np.ndarray):
            return None
        if self.chosen.dtype != np.bool_ and weights.shape == self.chosen.shape:
            spread = np.zeros(self.mask.shape)
            token, place = np.nonzero(self.chosen >= 0)
            spread[token, self.chosen[token, place]] = weights[token, place]
            return spread
        if weights.shape == self.mask.shape:
            return np.where(self.mask, weights, 0).astype(np.float64)
        allowed = f"the shape of its choice, or {self.mask.shape}"
        raise TargetError(f"its weights have shape {weights.shape}; allowed: {allowed}", NO_ROUTING)


def read_routing(returned: Any, scores: npt.NDArray[Any], top_k: int) -> Routed:
    """Return what a router returned for ``scores[T, E]``.

    Accepts a :class:`Routing`, an array, or a tuple in which one item is a choice: ``(ids, weights)``, ``(weights,
    ids)``, ``(logits, weights, ids)``, ``(probs, map)``. See :func:`choice_of`.

    Raises
    ------
    TargetError
        If it is not a routing of these tokens: wrong shape or type, an expert that does not exist, one chosen twice.
    """
    tokens, experts = scores.shape
    weights = None
    if isinstance(returned, Routing):
        returned, weights = returned.chosen, returned.weights
    elif isinstance(returned, tuple | list) and len(returned) and not _is_row(returned[0]):
        found = choice_of(returned, tokens, experts, top_k)
        returned, weights = (returned[0], None) if found is None else (found.chosen, found.weights)
    if returned is None:
        raise TargetError("it returned None; allowed: an array of expert indices or a mask", NO_ROUTING)
    try:
        chosen = as_numpy(returned, "the routing")
    except InvalidProblem as error:
        allowed = "an array of expert indices or a mask"
        raise TargetError(f"it returned {error.given}; allowed: {allowed}", NO_ROUTING) from error
    if chosen.dtype == np.bool_ and chosen.shape == (tokens, experts):
        return Routed(chosen, chosen, weights)
    if chosen.dtype.kind not in "iu" or chosen.shape != (tokens, top_k):
        allowed = f"integers of shape {(tokens, top_k)} or booleans of shape {(tokens, experts)}"
        raise TargetError(f"it returned {chosen.dtype} of shape {chosen.shape}; allowed: {allowed}", NO_ROUTING)
    if chosen.size and (int(chosen.min()) < -1 or int(chosen.max()) >= experts):
        worst = int(chosen.max()) if int(chosen.max()) >= experts else int(chosen.min())
        raise TargetError(f"it chose expert {worst}; allowed: 0 to {experts - 1}, or -1 for none", NO_ROUTING)
    mask = np.zeros((tokens, experts), bool)
    token, place = np.nonzero(chosen >= 0)
    mask[token, chosen[token, place]] = True
    if int(mask.sum()) != len(token):
        row = int(np.argmax(mask.sum(axis=1) != (chosen >= 0).sum(axis=1)))
        raise TargetError(f"it chose an expert twice for token {row}: {chosen[row].tolist()}", NO_ROUTING)
    return Routed(mask, chosen, weights)


def choice_of(items: Sequence[Any], tokens: int, experts: int, top_k: int) -> Routing | None:
    """Return the routing among several arrays: the first that is a choice, with its weights; None if there is none.

    A choice is integers ``[T, K]`` or booleans ``[T, E]``. Its weights are the floats of its shape, or ``[T, E]``, just
    before it (vLLM, Megatron-LM, transformers) or else just after it; other arrays are logits, counts or losses.
    """
    chosen = [place for place, item in enumerate(items) if _is_choice(item, tokens, experts, top_k)]
    if not chosen:
        return None
    place = chosen[0]
    shapes = {tuple(items[place].shape), (tokens, experts)}
    beside = [items[place - 1]] if place else []
    beside += items[place + 1 : place + 2]
    fitting = (one for one in beside if isinstance(one, np.ndarray) and one.shape in shapes and one.dtype.kind == "f")
    after = items[place + 1] if not place and len(items) > 1 else None
    return Routing(items[place], next(fitting, after))


def _is_choice(item: Any, tokens: int, experts: int, top_k: int) -> bool:
    if not isinstance(item, np.ndarray):
        return False
    wanted = (tokens, experts) if item.dtype == np.bool_ else (tokens, top_k)
    return item.dtype.kind in "biu" and tuple(item.shape) == wanted


def _is_row(value: Any) -> bool:
    """Whether nested lists begin here: a routing as plain numbers, not a routing with something beside it."""
    return isinstance(value, list | tuple) and all(isinstance(item, int | bool) for item in value)


@dataclass(frozen=True, eq=False)
class RouterCase(Case):
    """Batches of one layer, in order of time, K, and how many groups of experts a token may use of how many, if any."""

    AXES: ClassVar[dict[str, tuple[str, ...]]] = {"batches": ("T", "E")}

    batches: tuple[npt.NDArray[Any], ...]
    top_k: int
    num_groups: int | None = None
    topk_groups: int | None = None

    def calls(self) -> list[tuple[Any, ...]]:
        """Return a call a batch."""
        return [(batch, self.top_k) for batch in self.batches]

    @property
    def valid(self) -> bool:
        """Whether 1 <= K <= E, and groups are even and no fewer than a token may use."""
        experts = int(self.scores.shape[1])
        groups, used = self.num_groups or 1, self.topk_groups or 1
        return 1 <= self.top_k <= experts and experts % groups == 0 and used <= groups

    @property
    def scores(self) -> npt.NDArray[Any]:
        """The first batch."""
        return self.batches[0]

    def __repr__(self) -> str:
        groups = [f"num_groups, topk_groups = {self.num_groups}, {self.topk_groups}"] * (self.num_groups is not None)
        return "\n".join([f"top_k = {self.top_k}", *groups, *(shown("scores", batch) for batch in self.batches)])


def _scores(tokens: int, experts: int) -> npt.NDArray[np.float32]:
    """Distinct multiples of 2^-12 in (0, 1) in random order; the generator is NumPy's frozen one."""
    levels = np.random.RandomState(tokens + 100 * experts).permutation(2**12 - 1)[: tokens * experts] + 1
    return (levels.reshape(tokens, experts) / 2**12).astype(np.float32)


def _case(scores: npt.NDArray[Any], top_k: int) -> RouterCase:
    return RouterCase((scores.astype(np.float32),), top_k)


def _probe(balancer: Balancer) -> frozenset[str]:
    """Find out whether it returns weights."""
    experts, top_k = balancer.sizes or (4, 1)
    scores = np.linspace(0.1, 0.9, 2 * experts, dtype=np.float32).reshape(2, experts)
    returns = isinstance(balancer.ask(scores, top_k).given_weights, np.ndarray)
    return frozenset({"returns weights"} if returns else ())


ROLE = Role(
    name="router",
    home=__name__,
    arguments=("scores", "top_k"),
    answer="experts",
    noun="routing",
    read=read_routing,
    case=RouterCase,
    letters=("T", "E", "K"),
    shape=lambda scores, top_k: [*scores.shape, top_k],
    boundaries={
        "one token": _case(_scores(1, 4), 2),
        "one token, all experts": _case(_scores(1, 4), 4),
        "one expert": _case(_scores(5, 1), 1),
        "one token, one expert": _case(_scores(1, 1), 1),
        "all experts": _case(_scores(6, 3), 3),
        "all but one expert": _case(_scores(8, 4), 3),
        "fewer assignments than experts": _case(_scores(2, 6), 1),
        "nothing divides": _case(_scores(7, 4), 2),
        "capacity without slack": _case(_scores(8, 4), 1),
        "all zero": _case(np.zeros((4, 3)), 2),
        "all one": _case(np.ones((4, 3)), 1),
        "all equal": _case(np.full((5, 4), 0.25), 2),
        "all negative": _case(_scores(6, 4) - 2, 2),
        "everybody's favourite": _case(np.hstack([np.ones((8, 1)), _scores(8, 3) / 2]), 1),
    },
    telltales=frozenset({"scores", "logits", "router_logits", "gate_logits", "gating_output", "top_k", "topk"}),
    catalogue=ROUTERS,
    attributes=("bias", "load", "num_groups", "topk_groups"),
    declarations={
        "respects capacity": "no expert takes more than ceil(T K / E) tokens",
        "drops": "a token may get fewer than K experts",
        "any number": "a token may get any number of experts (expert choice)",
        "online": "the order of the tokens matters",
        **BY_NAME,
        "random": f"{RANDOM['random']}; without `--max-gap` a single call may score little",
        **STATEFUL,
        "balances": "shown a batch again and again, it lowers the peak",
        "trains its scores": "gate weights follow what it learns",
        "group limited": "a token's experts lie in a limited number of groups",
        "fixed bias": "its bias is loaded from outside, and no call moves it",
        "logits": "it takes logits, to which its own gate is applied",
        UNIT: "it takes scores as a gate gives them; no others are tried",
        "non-finite scores": "every token gets existing experts, also one with scores that are NaN or infinite",
        "weights: raw scores": "the gate weights are the scores of the chosen experts",
        "weights: sigmoid": "the gate weights are the sigmoid of the scores",
        "weights: softmax": "the gate weights are the softmax of the scores, over all experts",
        "weights: softmax of the chosen": "the gate weights are the softmax over the chosen experts alone",
        "weights: normalised": "a token's gate weights are divided by their sum; after any of these",
        "weights: scaled by N": "the gate weights are multiplied by the number N, last, as in `weights: scaled by 2.5`",
        "half precision": "its gate works in bfloat16 or float16, to which scores are rounded",
        "first come": "where an expert is full, the tokens that came first stay",
    },
    probe=_probe,
)
