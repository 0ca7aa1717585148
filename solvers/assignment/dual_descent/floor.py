"""The floor under the prices: capacity that stays free lies, in an optimum, with experts of the least price."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from equipoise.solvers.assignment.dual_descent.limits import FAR
from equipoise.solvers.assignment.dual_descent.tuning import Tuning

Integers = npt.NDArray[np.int64]


@dataclass
class Floor:
    """The least price.

    Where much capacity stays free, and in the drop form, it is 0 from the start. Where little does, a bound at 0 would
    make all other prices climb step by step. So descent first balances without a floor, as if nothing stayed free, and
    then a floor is raised under the prices until the experts on it leave just as much room as there is to spare.

    Invariant: ``price[e] >= least`` for every expert; ``least is None``, no floor, only if ``tight``; if ``tight``, the
    experts' room sums to the demand without a floor and to the capacity on top of one.

    Attributes
    ----------
    spare
        Capacity that stays free, in tokens; 0 in the drop form, in which it depends on the prices.
    tight
        Whether that is little of the demand.
    least
        Refined price, or None.
    """

    spare: int
    tight: bool
    least: int | None

    @classmethod
    def of(cls, capacity: Integers, demand: int, drop: bool, tuning: Tuning) -> Self:
        """Floor of a problem before any descent."""
        spare = 0 if drop else int(capacity.sum()) - demand
        tight = not drop and spare <= demand // tuning.tight
        return cls(spare, tight, None if tight else 0)

    @property
    def bound(self) -> int:
        """The least price as a number, below every price without a floor."""
        return -FAR // 4 if self.least is None else self.least

    @property
    def is_due(self) -> bool:
        """Whether a balanced descent must be followed by raising it."""
        return self.least is None and self.spare > 0

    def remove(self) -> None:
        """Let the next descent begin without a floor, where it is raised at all."""
        if self.tight:
            self.least = None

    def reach_zero(self) -> None:
        """Follow the prices, which a shift took to where the least is 0."""
        if self.least is not None:
            self.least = 0

    def rise(self, price: Integers, bids: dict[int, Integers], room: Integers, spare: float) -> None:
        """Rise to the highest price at which the experts on the floor leave at most ``spare`` room; lift those below.

        ``bids`` are those for the cheapest experts, cheapest first, each ascending: at price q, expert e leaves
        ``room[e]`` less the number of its bids that are at least q.
        """
        cheap = list(bids)
        low, high = int(price[cheap[0]]), int(price[cheap[-1]])
        while low < high:
            middle = (low + high + 1) // 2
            lifted = [e for e in cheap if price[e] < middle]
            free = sum(max(0, int(room[e]) - len(bids[e]) + int(np.searchsorted(bids[e], middle))) for e in lifted)
            low, high = (middle, high) if free <= spare else (low, middle - 1)
        self.least = low
        np.maximum(price, low, out=price)
