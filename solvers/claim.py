"""What an engine says before anybody believes it, and what is made of it before the check has decided."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from equipoise.certificates.certificate import Certificate

ClaimStatus = Literal["optimal", "feasible", "infeasible", "time limit", "failed"]


@dataclass(frozen=True)
class Claim:
    """An engine's raw answer to a problem of any kind.

    Attributes
    ----------
    status
        As the engine reports it, in the words of this project.
    objective
        As the engine reports it, in units of the problem; what agreement tests compare.
    answer
        None without one; else ``weights[real tokens, E]`` (booleans, or floats in [0, 1] from an LP) of a routing
        problem, ``split[E, G]`` of a scheduling or communication problem, ``flows[G, E, G]`` of a traffic problem,
        ``counts[E, G]`` (slots of each device that hold each expert) of a placement problem, ``copies[E, G]`` of a
        replication problem; of a migration problem what a placement problem has.
    duals
        What the engine knows of a proof: dual values of the capacities ``[E]`` in units of the scores (of limits
        after them); the devices ``[G]`` that prove a peak, as booleans; the multipliers ``[3, G]`` of the loads, of
        what devices send and of what they receive; the weights of devices, slots, experts and all copies of a
        replication problem, of devices, slots and moves of a migration problem. They bound the optimum even when time
        runs out.
    message
        The engine's own message.
    denominator
        Of a ``split`` in integers: tokens are counted in units of ``1 / denominator``.
    cross_checked
        Whether independent engines claim exactly this.
    proof
        ``(experts[real tokens, K], prices[E])`` on the problem's own grid, from an engine whose answer comes with its
        proof; only the check decides whether it is one.
    """

    status: ClaimStatus
    objective: Fraction | None = None
    answer: npt.NDArray[Any] | None = None
    duals: npt.NDArray[Any] | None = None
    message: str = ""
    denominator: int = 1
    cross_checked: bool = False
    proof: tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]] | None = None


@dataclass(frozen=True)
class Candidate:
    """A mended claim with the certificate that is to prove it.

    Attributes
    ----------
    certificate
        Proves at least a bound, also where there is no answer; None where nothing can be said.
    answer
        The answer by its name in :class:`equipoise.Solution`; empty: the certificate bounds the optimum of a problem
        without a known answer.
    repairs
        What was mended, or why an answer was refused.
    infeasible
        Whether what is to be proved is that the problem has no answer.
    """

    certificate: Certificate | None
    answer: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)
    repairs: tuple[str, ...] = ()
    infeasible: bool = False
