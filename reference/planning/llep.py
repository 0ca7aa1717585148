"""LLEP, least-loaded expert parallelism (SalesforceAIResearch/LeastLoadedEP 0349746; arXiv 2601.17111).

    limit = floor(factor * floor(total / G));   load of a device = what it was given, and its own experts to come
    the experts, the heaviest first:  the home keeps what fits below the limit
        the rest goes to the least loaded other device, up to the limit, at least ``min_tokens`` at a time unless it is
        all there is; where nobody has that room, all that is left goes to the least loaded one, whatever its load

Ties fall to the lower index. A home may keep nothing of an expert. What is left over after a home that kept nothing
goes to the device that was the least loaded when its expert's turn came, as there. It knows no limit of copies, and
declares "ignores slots". With ``ratio`` all stays at home while the fullest home is below that many times the mean
(there an environment variable, off unless set).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from equipoise.reference.planning.no_copies import at_home

Integers = npt.NDArray[np.int64]


class LLEP:
    """LLEP's planner. Cost: O(copies G)."""

    capabilities = frozenset({"ignores slots", "approximate"})

    def __init__(self, factor: float = 1.1, min_tokens: int = 1024, ratio: float | None = None) -> None:
        self.factor, self.min_tokens, self.ratio = factor, min_tokens, ratio

    def __call__(self, load: Integers, home: Integers, slots: Integers) -> Integers:
        """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed)."""
        split = at_home(load, home, len(slots))
        tokens, held = split.sum(axis=1), split.sum(axis=0)
        total, devices = int(held.sum()), len(held)
        calm = self.ratio is not None and held.max() * devices < self.ratio * total
        if devices == 1 or calm or not total:
            return split
        limit = max(1, int(self.factor * (total // devices)) if total >= devices else total)
        for expert in np.argsort(-tokens, kind="stable"):
            source, left = home[expert], int(tokens[expert])
            held[source] -= left
            kept = int(np.clip(limit - held[source], 0, left))
            held[source] += kept
            split[expert, source] = kept
            left, first = left - kept, None
            while left:
                others = held.copy()
                others[source] = np.iinfo(np.int64).max
                device = int(others.argmin())
                first = device if kept or first is None else first
                chunk = min(left, limit - int(held[device]))
                if chunk <= 0 or (chunk < self.min_tokens and chunk < left):
                    device, chunk = first, left
                split[expert, device] += chunk
                held[device] += chunk
                left -= chunk
        return split
