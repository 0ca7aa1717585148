"""The sizes of a router that is made for one E and one K: by what it keeps under the usual names, or by asking."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from equipoise.balancers.adapters.by_size import EXPERTS
from equipoise.balancers.adapters.modules import TOP_K
from equipoise.errors import TargetError
from equipoise.roles.router import NO_ROUTING

if TYPE_CHECKING:
    from equipoise.balancers.balancer import Balancer

Sizes = tuple[int, int]

USUAL_EXPERTS = (64, 8, 128, 256, 16, 32, 60, 72, 96, 160, 192, 320, 384, 512)
USUAL_TOP_K = (8, 2, 1, 4, 6, 3, 5, 7, 9, 10, 12, 16, 22)
"""What published models have, the most frequent first."""

KINDS = ("raises", NO_ROUTING)
"""What a router does with sizes that it is not made for."""


def fixed_sizes(balancer: Balancer) -> tuple[Sizes, int, str] | None:
    """Return the sizes that a router alone is to be asked for, how many others it refused, and its first refusal.

    None unless it raises, or gives no routing, at all the small sizes that every router is tried at, and answers at
    these: E and K that it keeps, or, where it raises on purpose, the first of the usual sizes that it takes.
    """
    cases = sorted(balancer.role.boundaries.values(), key=lambda case: case.size)
    said, on_purpose = [], True
    for case in cases:
        if not (calls := balancer.calls(case)) or not balancer.takes(*calls[0]):
            continue
        error = _refusal(balancer, *calls[0])
        if error is None or error.kind not in KINDS:
            return None
        said.append(str(error))
        on_purpose &= error.on_purpose
    if not said:
        return None
    for experts, top_k in [*_kept(balancer), *(product(USUAL_EXPERTS, USUAL_TOP_K) if on_purpose else ())]:
        if not 1 <= top_k <= experts:
            continue
        scores = np.random.RandomState(experts).permutation(4 * experts).reshape(4, experts) + 1.0
        error = _refusal(balancer, (scores / (4 * experts + 1)).astype(np.float32), top_k)
        if error is None:
            return (experts, top_k), len(said), said[0]
        if error.kind not in KINDS:
            return None
        said.append(str(error))
    return None


def _kept(balancer: Balancer) -> Iterator[Sizes]:
    """Yield the sizes that it keeps: numbers under the usual names, and the length of its bias."""
    kept = {name: balancer.attribute(name) for name in (*sorted(EXPERTS), *TOP_K)}
    number = {name: one for name, one in kept.items() if isinstance(one, int) and not isinstance(one, bool)}
    experts = [number[name] for name in sorted(EXPERTS) if name in number]
    bias = balancer.attribute("bias")
    experts += [len(bias)] if isinstance(bias, np.ndarray) and bias.ndim == 1 else []
    yield from product(dict.fromkeys(experts), [number[name] for name in TOP_K if name in number] or USUAL_TOP_K)


def _refusal(balancer: Balancer, *arguments: object) -> TargetError | None:
    """Return what a fresh one raises, None where it answers."""
    try:
        balancer.fresh()
        balancer.ask(*arguments)
    except TargetError as error:
        return error
    return None
