r"""BASE layers: balanced assignment by auction, K = 1 (arXiv 2103.16716; the loop of fairseq's C++).

Experts are the bidders, each for ``n = T/E`` tokens at a time, with costs c[t] from zero and epsilon = (max - min)/50,
at least 1e-4. In every round each expert

* values token t at ``s[t, e] - c[t]``, or at max s if it holds t from the round before;
* bids, on each of its n best tokens, its value less the value of the (n + 1)-th best, plus epsilon; and a bare epsilon
  on every token that it holds, which replaces the bid above.

The highest bid takes a token and is added to its cost. After 100 rounds holding a token no longer counts: held tokens
are valued at plain s and get no epsilon bid, which ends sooner and further from the optimum. The loop ends when all
tokens have a bid; every expert then keeps its n best. (In evaluation BASE routes greedily: that is plain top-1.) Before
the auction, scores that are not finite are replaced by the least finite one. The gate is the sigmoid of the token's own
score, and what an expert makes of a token is added to it: ``h + sigmoid(s[t, e]) f_e(h)``.

What that loop does, and what is done here:

* With T no multiple of E there are fewer bids than tokens once holding no longer counts, and it never ends (fairseq
  issue 3730). Here, padding tokens that everybody values at min s bring T up to a multiple; experts get at most
  ``ceil(T/E)`` real tokens.
* Nothing bounds the rounds even then, nor keeps two experts' last lists apart. After ``max_rounds`` (ours), or on an
  overlap, tokens are placed by deferred acceptance on the scores less the costs reached: it ends, for no expert refuses
  a token twice; same loads, no claim of optimality. :attr:`BASE.guarded` says when that happened.
* E = 1 has no (n + 1)-th best: everything goes to it. All scores equal: epsilon alone drives the auction.
* Ties between bidders: the lower expert. Ties at the end of an expert's list: whatever a partial sort leaves there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import InvalidProblem
from equipoise.routing import Routing

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_HOLDING_ROUNDS = 100


class BASE:
    """The auction of BASE layers. Cost: O(T E) a round, some tens to hundreds of rounds; K = 1 only.

    Attributes
    ----------
    guarded
        Whether the latest batch had to be finished by the guard.
    """

    capabilities = frozenset({"weights: sigmoid", "non-finite scores"})

    def __init__(self, max_rounds: int = 1000) -> None:
        self.max_rounds = max_rounds
        self.guarded = False

    def accepts(self, tokens: int, experts: int, top_k: int) -> bool:
        """Return whether batches of this shape can be routed: K = 1 alone."""
        return top_k == 1

    def __call__(self, scores: npt.NDArray[Any], top_k: int) -> Routing:
        """Route one batch."""
        scores = np.asarray(scores, np.float64)
        tokens, experts = scores.shape
        if top_k != 1:
            raise InvalidProblem("top_k", str(top_k), "1: BASE assigns every token to one expert")
        finite = np.isfinite(scores)
        least = scores[finite].min(initial=np.inf) if finite.any() else 0.0
        padding = np.full((-tokens % experts, experts), least)
        padded = np.concatenate([np.where(finite, scores, least), padding])
        chosen, cost = auction(padded, self.max_rounds)
        self.guarded = chosen is None
        if chosen is None:
            chosen = deferred_acceptance(padded - cost[:, None], len(padded) // experts)
        given = np.take_along_axis(padded[:tokens], chosen[:tokens, None], axis=1)
        return Routing(chosen[:tokens, None], 0.5 * (1 + np.tanh(given / 2)))


def auction(scores: Floats, max_rounds: int) -> tuple[Integers | None, Floats]:
    """Run the published loop: the expert of every token, or None if it has not ended, and the costs reached."""
    tokens, experts = scores.shape
    each = tokens // experts
    cost = np.zeros(tokens)
    if experts == 1:
        return np.zeros(tokens, np.int64), cost
    worth = np.ascontiguousarray(scores.T)
    epsilon = max((worth.max() - worth.min()) / 50, 1e-4)
    value = worth
    held: tuple[npt.NDArray[Any], ...] = (np.empty(0, np.int64), np.empty(0, np.int64))
    everyone = np.arange(experts)[:, None]
    for number in range(max_rounds):
        best = np.argpartition(-value, each, axis=1)[:, : each + 1]
        values = np.take_along_axis(value, best, axis=1)
        bids = np.zeros_like(worth)
        bids[everyone, best[:, :each]] = values[:, :each] - values[:, each:] + epsilon
        if 0 < number < _HOLDING_ROUNDS:
            bids[held] = epsilon
        bidder, highest = bids.argmax(axis=0), bids.max(axis=0)
        if (highest > 0).all():
            return _owners(best[:, :each], tokens), cost
        cost += highest
        value = worth - cost
        token = np.flatnonzero(highest > 0)
        held = (bidder[token], token)
        value[held] = worth.max() if number < _HOLDING_ROUNDS else worth[held]
    return None, cost


def deferred_acceptance(values: Floats, room: int) -> Integers:
    """Place every token, at most ``room`` to an expert: tokens propose in order of value, experts keep the dearest."""
    tokens, experts = values.shape
    chosen = np.full(tokens, -1)
    open_to = np.ones((tokens, experts), bool)
    while (chosen < 0).any():
        free = np.flatnonzero(chosen < 0)
        chosen[free] = np.where(open_to[free], values[free], -np.inf).argmax(axis=1)
        for expert in np.flatnonzero(np.bincount(chosen, minlength=experts) > room):
            suitors = np.flatnonzero(chosen == expert)
            refused = suitors[np.argsort(-values[suitors, expert], kind="stable")[room:]]
            chosen[refused] = -1
            open_to[refused, expert] = False
    return chosen


def _owners(lists: Integers, tokens: int) -> Integers | None:
    """Turn every expert's list of tokens into the expert of every token; None if a token is in two lists or none."""
    owner = np.full(tokens, -1)
    owner[lists] = np.arange(len(lists))[:, None]
    return None if (owner < 0).any() else owner
