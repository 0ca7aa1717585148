"""What a rule keeps between batches: prices or a bias, one number per expert, zero at first."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class KeepsBias:
    """Keeps ``bias[E]``, which is added to the scores; a batch of another E starts afresh."""

    bias: Floats | None = None

    def reset(self) -> None:
        """Set the bias back to zero."""
        self.bias = None

    def kept(self, experts: int) -> Floats:
        """Return the bias from the batches before this one."""
        return np.zeros(experts) if self.bias is None or len(self.bias) != experts else self.bias


class KeepsPrices:
    """Keeps ``prices[E]``, which are taken off the scores; a batch of another E starts afresh."""

    prices: Floats | None = None

    @property
    def bias(self) -> Floats | None:
        """What is added to the scores, ``-prices``."""
        return None if self.prices is None else -self.prices

    def reset(self) -> None:
        """Set the prices back to zero."""
        self.prices = None

    def kept(self, experts: int) -> Floats:
        """Return the prices from the batches before this one."""
        return np.zeros(experts) if self.prices is None or len(self.prices) != experts else self.prices
