"""From prices of the refined values back to prices of the grid.

Let ``value = v * M + noise`` with ``M = 2**shift`` and ``0 <= noise < H``. A top-K set under integer prices q' says
``q'[e] - q'[f] <= (v[e] - v[f]) * M + noise[e] - noise[f]`` for e inside and f outside. With an offset a such that no
residue ``(q'[f] + a) mod M`` is in the last H, adding less than H to ``q'[f] + a`` never reaches the next multiple of
M, hence ``Q = (q' + a) // M`` satisfies ``Q[e] - Q[f] <= v[e] - v[f]``: the same set is a top-K set of v under Q. E + 1
residues (one for the dump, whose price is 0) leave such an offset because ``M >= (E + 2) * H``. Prices of zero stay
zero since ``0 <= a < M``, and others do not become negative.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def rounded(price: npt.NDArray[Any], shift: int, mask: int) -> npt.NDArray[np.int64]:
    """Prices of the grid from refined ``price[E]``, which are non-negative."""
    if shift == 0:
        return price.astype(np.int64)
    scale, noise = 1 << shift, mask + 1
    residues = np.unique(np.append(price % scale, 0))
    gap = np.diff(np.append(residues, scale + residues[0]))
    widest = int(np.argmax(gap))
    assert gap[widest] >= noise
    offset = (scale - noise - int(residues[widest])) % scale
    return (price + offset) >> shift
