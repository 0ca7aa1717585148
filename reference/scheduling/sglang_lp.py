r"""SGLang's linear program (`--ep-dispatch-algorithm lp`, SGLang 0.5): LPLB's steps on another program, then sampling.

With w = load / total, replicated experts e and replicas r of theirs, loads x[r], slacks y[g] and peak M:

    min M + 1000 z   s.t.   sum_{r of e} x[r] = w[e],   sum_{r on g} x[r] + y[g] - M = -(w only g serves),   all >= 0

from x = 1, where column z makes it feasible; steps, acceptance and Cholesky are LPLB's
(:func:`equipoise.reference.scheduling.lplb.affine_scaling`). If the result is refused every x is 0.5: the replicas
share evenly. LPLB has shares of an expert where this has loads, so that the paths from x = 1 differ, and the splits.

Every token then draws its replica with probability ``max(0, x[r]) / sum``: multinomial in all. The draws here are
NumPy's, from a seed; the kernel's own random numbers are not reproduced. An expert whose x are all 0 shares evenly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.reference.scheduling.lplb import affine_scaling

Integers = npt.NDArray[np.int64]
STEPS = 5


class SGLangLP:
    """SGLang's scheduler by linear program; ``shares`` ``[E, G]`` are the last call's probabilities."""

    capabilities = frozenset({"approximate", "counts replicas", "random"})

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.probabilities: npt.NDArray[np.float64] | None = None

    def __call__(self, load: npt.NDArray[Any], hosts: npt.NDArray[Any]) -> Integers:
        """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed) and replicas ``hosts[E, G]``."""
        load = np.asarray(load, np.int64)
        load = load if load.ndim == 1 else load.sum(axis=0)
        self.probabilities = probabilities(load, np.asarray(hosts).astype(np.int64))
        return np.stack([self.rng.multinomial(n, p) for n, p in zip(load, self.probabilities, strict=True)])


def probabilities(load: Integers, hosts: Integers) -> npt.NDArray[np.float64]:
    """Return ``[E, G]``: with which probability a token of each expert goes to each device."""
    planned = hosts.astype(np.float64)
    replicated = np.flatnonzero(hosts.sum(axis=1) > 1)
    if len(replicated):
        x, row, device = planned_loads(load, hosts, replicated)
        if x is not None:
            drawn = np.zeros((len(replicated), hosts.shape[1]))
            np.add.at(drawn, (row, device), np.maximum(0, x[: len(row)]))
            some = drawn.any(axis=1)
            planned[replicated[some]] = drawn[some]
    shares: npt.NDArray[np.float64] = planned / np.maximum(planned.sum(axis=1, keepdims=True), 1e-300)
    return shares


def planned_loads(
    load: Integers, hosts: Integers, replicated: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.float32] | None, npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Solve the program; return x or None, and row and device of each replica, device by device as slots are."""
    devices = hosts.shape[1]
    weight = (load / max(1, int(load.sum()))).astype(np.float32)
    device, row = (
        np.repeat(index, hosts[replicated].T[hosts[replicated].T > 0]) for index in np.nonzero(hosts[replicated].T)
    )
    count, rows = len(row), len(replicated)
    matrix = np.zeros((rows + devices, count + devices + 2), np.float32)
    matrix[row, np.arange(count)] = 1
    matrix[rows + device, np.arange(count)] = 1
    matrix[rows:, count : count + devices] = np.eye(devices)
    matrix[rows:, -2] = -1
    alone = np.where(hosts.sum(axis=1) == 1, weight, 0).astype(np.float32)
    right = np.concatenate([weight[replicated], -(alone @ (hosts > 0))]).astype(np.float32)
    matrix[:, -1] = right - matrix.sum(axis=1)
    cost = np.zeros(matrix.shape[1], np.float32)
    cost[-2:] = 1, 1000
    return affine_scaling(matrix, right, cost, STEPS, None), row, device
