"""LPLB's and SGLang's probabilities per replica, as a scheduler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy
from equipoise.balancers.adapters.forms import Form, ToTensor, as_given, to_tensor_of
from equipoise.errors import InvalidProblem, TargetError
from equipoise.reference.scheduling.lplb import shares
from equipoise.roles.placer import Integers


class LplbProbabilities:
    """A scheduler from ``solve(load[E]) -> log2phy_prob[E, X]`` and the table ``log2phy[E, X]`` (-1 padded).

    The split is what the probabilities give in whole tokens, by largest remainder; a row without any probability
    shares evenly, as SGLang's dispatch does.
    """

    def __init__(
        self, solve: Callable[..., Any], log2phy: Any, slots_per_device: int, to_tensor: ToTensor = as_given
    ) -> None:
        self.solve = solve
        self.log2phy = np.asarray(log2phy)
        self.slots_per_device = slots_per_device
        self.to_tensor = to_tensor

    def __call__(self, load: npt.NDArray[Any], hosts: npt.NDArray[Any]) -> Integers:
        """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed)."""
        load = np.asarray(load, np.int64)
        load = load if load.ndim == 1 else load.sum(axis=0)
        try:
            chances = as_numpy(self.solve(self.to_tensor(load.copy())), "log2phy_prob")
        except InvalidProblem as error:
            raise TargetError(f"it returned {error.given}") from error
        sound = chances.dtype.kind in "fiu" and chances.shape == self.log2phy.shape
        if not sound or not np.isfinite(chances).all() or (chances < 0).any():
            raise TargetError(f"it returned no probabilities of shape {self.log2phy.shape}")
        used = self.log2phy >= 0
        chances = np.where(used, chances, 0).astype(np.float64)
        chances[chances.sum(axis=1) == 0] = 1
        weight = np.zeros(hosts.shape)
        expert, replica = np.nonzero(used)
        np.add.at(weight, (expert, self.log2phy[expert, replica] // self.slots_per_device), chances[expert, replica])
        if (weight[hosts == 0] > 0).any():
            raise TargetError("log2phy has replicas on devices that do not host the expert")
        return shares(load, weight)


class LplbFunction:
    """A scheduler from ``solve(load[E], log2phy[E, X]) -> log2phy_prob[E, X]``, for any placement.

    Every replica that ``hosts`` counts gets a slot; ``log2phy`` lists the slots of each expert, -1 padded.
    """

    capabilities = frozenset({"counts replicas"})

    def __init__(self, solve: Callable[..., Any], to_tensor: ToTensor = as_given) -> None:
        self.solve = solve
        self.to_tensor = to_tensor

    def __call__(self, load: npt.NDArray[Any], hosts: npt.NDArray[Any]) -> Integers:
        """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed)."""
        log2phy, width = slots_of(hosts)

        def solve(given: Any) -> Any:
            return self.solve(given, self.to_tensor(log2phy.copy()))

        return LplbProbabilities(solve, log2phy, width, self.to_tensor)(load, hosts)


def slots_of(hosts: npt.NDArray[Any]) -> tuple[Integers, int]:
    """Return ``log2phy[E, X]``, a slot for each of ``hosts[E, G]`` replicas (-1 padded), and how many a device has."""
    held = hosts.astype(np.int64)
    width = max(1, int(held.sum(axis=0).max()))
    device, expert = (np.repeat(index, held.T[held.T > 0]) for index in np.nonzero(held.T))
    slot = device * width + np.arange(len(device)) - np.searchsorted(device, device)
    log2phy = np.full((len(held), max(1, int(held.sum(axis=1).max()))), -1)
    for one, count in enumerate(held.sum(axis=1).tolist()):
        log2phy[one, :count] = slot[expert == one]
    return log2phy, width


FORM = Form(
    name="lplb",
    role="scheduler",
    example="solve(load, log2phy) -> log2phy_prob",
    recognises=lambda found, names: "log2phy" in names and "topk_ids" not in names and not isinstance(found, type),
    adapt=lambda found: LplbFunction(found, to_tensor_of(found)),
)
