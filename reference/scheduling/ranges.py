"""Routing by ranges (MicroMoE, arXiv 2511.16947, Algorithm 1): from a split to who sends which tokens where.

The tokens of an expert are laid out in a row, source device after source device; so are the places that the split
gives to its replicas, device after device. A range of tokens goes to the range of places below it. Before that, tokens
stay where they are as far as the split has room for them (local pass); in the node-aware form ranges are then laid out
inside every node, and only what is left crosses nodes.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]


def route_by_ranges(source_load: Integers, split: Integers, num_nodes: int = 1) -> Integers:
    """Return ``flows[G, E, G]``: tokens from source device to expert to serving device; O(E G) ranges.

    Parameters
    ----------
    source_load
        ``[G, E]`` tokens per expert that start on each device.
    split
        ``[E, G]`` tokens of each expert that each device serves; row sums equal the column sums of ``source_load``.
    num_nodes
        Nodes are contiguous blocks of G / num_nodes devices; 1 is the paper's plain form.
    """
    devices, experts = source_load.shape
    if (source_load.sum(axis=0) != split.sum(axis=1)).any():
        raise ValueError("the split does not serve exactly the tokens there are")
    flows = np.zeros((devices, experts, devices), np.int64)
    each = np.arange(devices)
    node = each // (devices // num_nodes)
    for expert in range(experts):
        local = np.minimum(source_load[:, expert], split[expert])
        flows[each, expert, each] = local
        tokens, places = source_load[:, expert] - local, split[expert] - local
        for members in (each[node == one] for one in range(num_nodes if num_nodes > 1 else 0)):
            inside = _overlaps(tokens[members], places[members])
            flows[np.ix_(members, [expert], members)] += inside[:, None, :]
            tokens[members] -= inside.sum(axis=1)
            places[members] -= inside.sum(axis=0)
        flows[:, expert] += _overlaps(tokens, places)
    return flows


def destinations(flows: Integers, source: int, experts: Integers) -> Integers:
    """Return the device that serves each token of one source device.

    Parameters
    ----------
    flows
        ``[G, E, G]``, as above.
    source
        The device.
    experts
        Any shape: the expert of every (token, choice) on that device, -1 for none (stays -1). The tokens of an expert
        go to their own device first, then to the others in ascending order, in the order in which they stand.
    """
    served = np.full(experts.shape, -1, np.int64)
    for expert in np.unique(experts[experts >= 0]):
        where = experts == expert
        order = np.argsort(np.arange(flows.shape[2]) != source, kind="stable")
        targets = np.repeat(order, flows[source, expert, order])
        if len(targets) != where.sum():
            raise ValueError(f"flows plan {len(targets)} tokens of expert {expert}, there are {where.sum()}")
        served[where] = targets
    return served


def _overlaps(tokens: Integers, places: Integers) -> Integers:
    """``[G, G]``: how far range s of the tokens overlaps range g of the places, both laid end to end."""
    token_ends, place_ends = np.cumsum(tokens), np.cumsum(places)
    start = np.maximum((token_ends - tokens)[:, None], (place_ends - places)[None, :])
    stop = np.minimum(token_ends[:, None], place_ends[None, :])
    overlap: Integers = np.maximum(0, stop - start)
    return overlap
