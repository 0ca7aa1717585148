r"""LPLB (DeepSeek, 2025): five steps of affine scaling in float32.

With w = load / max load, replicated experts e, ratios x[e,g], slacks y[g] and peak M:

    min M + 1000 z   s.t.   sum_{g in H(e)} x[e,g] = 1,   sum_e w[e] x[e,g] + y[g] - M = -(w only g serves),   all >= 0

Column z makes x = 1 a feasible start. Each step solves ``(A X^2 A^T) u = A X^2 c`` by Cholesky, takes
``d = X (c - A^T u)`` and multiplies x by ``1 - 0.999 d / max(d)``. The result is used if max(d) < 0.1, 0 <= z < 1e-4
and no row is off by 0.05 or more; otherwise the replicas share evenly. The split is then what the ratios give in whole
tokens (largest remainder; LPLB's kernel spreads tokens by a hash). Columns x are replicas, those on the experts' own
devices first (``e // (E / G)``, else the first host), then the others, then the slacks, M and z; two replicas on one
device are two columns.

The released kernel's maximum runs over fewer entries: each of 32 lanes keeps only the last entry it has seen, so that
the order of the columns counts. ``lanes=32`` reproduces that; the default takes the maximum that is meant. SGLang's
`--ep-dispatch-algorithm lp` is another program, :mod:`equipoise.reference.scheduling.sglang_lp`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


class LPLB:
    """LPLB's scheduler.

    ``accepted`` tells whether the last call's solution passed its own test, ``shares`` ``[E, G]`` what it planned.
    """

    capabilities = frozenset({"approximate", "counts replicas"})

    def __init__(self, steps: int = 5, lanes: int | None = None) -> None:
        self.steps = steps
        self.lanes = lanes
        self.accepted: bool | None = None
        self.shares: npt.NDArray[np.float32] | None = None

    def __call__(self, load: npt.NDArray[Any], hosts: npt.NDArray[Any]) -> Integers:
        """Return ``split[E, G]`` for ``load[E]`` (or ``[G, E]``, summed) and replicas ``hosts[E, G]``."""
        load = np.asarray(load, np.int64)
        load = load if load.ndim == 1 else load.sum(axis=0)
        self.shares = self.ratios(load, hosts)
        return shares(load, self.shares)

    def ratios(self, load: Integers, hosts: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
        """Return ``[E, G]``: the share of each expert that each host serves."""
        hosts = hosts.astype(np.int64)
        even: npt.NDArray[np.float32] = hosts.astype(np.float32) / np.maximum(1, hosts.sum(axis=1, keepdims=True))
        even = even.astype(np.float32)
        replicated = np.flatnonzero(hosts.sum(axis=1) > 1)
        if not len(replicated) or not load.any():
            return even
        matrix, right, cost, pair = _program(load, hosts, replicated)
        x = affine_scaling(matrix, right, cost, self.steps, self.lanes)
        self.accepted = x is not None
        if x is not None:
            even[replicated] = 0
            np.add.at(even, (pair[:, 0], pair[:, 1]), np.maximum(0, x[: len(pair)]))
        return even


def shares(load: Integers, weight: npt.NDArray[np.floating[Any]]) -> Integers:
    """Split ``load[E]`` in proportion to ``weight[E, G] >= 0`` into whole tokens, by largest remainder."""
    total = weight.sum(axis=1, keepdims=True, dtype=np.float64)
    exact = np.divide(weight, total, out=np.zeros(weight.shape), where=total > 0) * load[:, None]
    whole = np.floor(exact + 1e-9).astype(np.int64)
    left = np.where(total[:, 0] > 0, load - whole.sum(axis=1), 0)
    rank = np.argsort(np.argsort(np.where(weight > 0, whole - exact, np.inf), axis=1, kind="stable"), axis=1)
    rounded_up: Integers = whole + (rank < left[:, None])
    return rounded_up


def affine_scaling(
    matrix: npt.NDArray[np.float32],
    right: npt.NDArray[np.float32],
    cost: npt.NDArray[np.float32],
    steps: int,
    lanes: int | None,
) -> npt.NDArray[np.float32] | None:
    """Iterate from x = 1; None if LPLB would refuse the result."""
    x = np.ones(len(cost), np.float32)
    largest = np.float32(np.inf)
    for _ in range(steps):
        scaled = matrix * (x * x)
        try:
            factor = np.linalg.cholesky(scaled @ matrix.T)
        except np.linalg.LinAlgError:
            return None
        dual = np.linalg.solve(factor.T, np.linalg.solve(factor, scaled @ cost))
        direction = x * (cost - matrix.T @ dual)
        seen = (
            direction if lanes is None else np.array([direction[lane::lanes][-1] for lane in range(min(lanes, len(x)))])
        )
        largest = seen.max()
        if not largest > 0:
            return None
        x = (x * (1 - np.float32(0.999) / largest * direction)).astype(np.float32)
    off = np.abs(matrix @ x - right).max()
    return x if largest < 0.1 and 0 <= x[-1] < 1e-4 and off < 0.05 else None


def topology(name: str, rows: int = 4, columns: int = 4) -> Integers:
    """Return LPLB's ``[G, R]`` map: redundant slot k of device g copies slot k of device ``topology[g, k]``.

    ``ring`` (8 devices, 1 slot), ``cube`` (8, 2: a 4-cycle and the opposite face), ``hypercube`` (16, 2: a 4-cycle and
    the next quad) or ``torus`` (rows * columns, 2: next row and next column).
    """
    quad = np.arange(16) // 4 * 4 + (np.arange(16) - 1) % 4
    if name == "ring":
        return (np.arange(8)[:, None] + 1) % 8
    if name == "cube":
        opposite = np.where(np.arange(8) < 4, np.arange(8) ^ 6, np.arange(8) - 4)
        return np.stack([quad[:8], opposite], axis=1)
    if name == "hypercube":
        return np.stack([quad, (np.arange(16) - 4) % 16], axis=1)
    if name == "torus":
        row, column = np.divmod(np.arange(rows * columns), columns)
        return np.stack([(row + 1) % rows * columns + column, row * columns + (column + 1) % columns], axis=1)
    raise ValueError(f"topology is {name!r}; allowed: ring, cube, hypercube, torus")


def topology_hosts(copies: Integers, experts_per_device: int) -> npt.NDArray[np.bool_]:
    """Return ``hosts[E, G]`` where device g owns experts ``g*n .. g*n+n-1`` and copies by ``copies[G, R]``, R <= n."""
    devices, redundant = copies.shape
    hosts = np.repeat(np.eye(devices, dtype=bool), experts_per_device, axis=0)
    for device, slot in np.ndindex(devices, redundant):
        hosts[copies[device, slot] * experts_per_device + slot, device] = True
    return hosts


def _program(
    load: Integers, hosts: Integers, replicated: npt.NDArray[np.intp]
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.float32], npt.NDArray[np.intp]]:
    devices = hosts.shape[1]
    weight = (load / load.max()).astype(np.float32)
    held = hosts[replicated]
    row, device = (np.repeat(index, held[held > 0]) for index in np.nonzero(held))
    own = np.minimum(replicated // max(1, len(hosts) // devices), devices - 1)
    own = np.where(hosts[replicated, own] > 0, own, np.argmax(held > 0, axis=1))
    _, first = np.unique(row * devices + device, return_index=True)
    original = np.isin(np.arange(len(row)), first) & (device == own[row])
    order = np.argsort(~original, kind="stable")
    row, device = row[order], device[order]
    pair = np.stack([replicated[row], device], axis=1)
    count = len(pair)
    matrix = np.zeros((devices + len(replicated), count + devices + 2), np.float32)
    matrix[device, np.arange(count)] = weight[pair[:, 0]]
    matrix[devices + row, np.arange(count)] = 1
    matrix[:devices, count : count + devices] = np.eye(devices)
    matrix[:devices, -2] = -1
    alone = np.where(hosts.sum(axis=1) == 1, weight, 0).astype(np.float32)
    right = np.concatenate([-(alone @ (hosts > 0)), np.ones(len(replicated))]).astype(np.float32)
    matrix[:, -1] = right - matrix.sum(axis=1)
    cost = np.zeros(matrix.shape[1], np.float32)
    cost[-2:] = 1, 1000
    return matrix, right, cost, pair
