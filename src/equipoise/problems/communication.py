"""Communication-aware scheduling: the fullest device and the busiest link together."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.arrays import frozen
from equipoise.errors import InvalidProblem
from equipoise.problems.scheduling import SchedulingProblem

Integers = npt.NDArray[np.int64]

READINGS = ("physical", "printed")


@dataclass(frozen=True, eq=False, init=False)
class CommunicationProblem:
    r"""Split the load so that computation plus communication is least.

    .. math:: \min \max_g \sum_e x_{eg} + \alpha \max_g \max(\text{send}_g, \text{recv}_g), \quad
              \text{local}_g = \sum_e \min(x_{eg}, \text{source}_{ge}), \quad
              \text{recv}_g = \sum_e x_{eg} - \text{local}_g

    Source: MicroMoE, arXiv 2511.16947, appendix. Physically ``send_g`` is all that starts on g minus ``local_g``; as
    printed it omits tokens of experts that g does not host. Both are offered.

    Parameters
    ----------
    source_load, hosts
        Array-like, shapes (G, E) and (E, G), as in :class:`equipoise.SchedulingProblem`.
    alpha
        Weight of the communication, not negative: a number, or a fraction such as ``"1/4"``.
    reading
        "physical" or "printed".
    fractional
        Whether tokens may be divided (a linear program) or not (an integer program).

    Raises
    ------
    InvalidProblem
        Naming the argument, what was given and what is allowed.
    """

    source_load: Integers
    hosts: npt.NDArray[np.bool_]
    alpha: Fraction
    reading: str
    fractional: bool

    def __init__(
        self,
        source_load: npt.ArrayLike,
        hosts: npt.ArrayLike,
        alpha: Fraction | float | str,
        reading: str = "physical",
        fractional: bool = False,
    ) -> None:
        schedule = SchedulingProblem(source_load=source_load, hosts=hosts)
        if reading not in READINGS:
            raise InvalidProblem("reading", repr(reading)[:80], " or ".join(map(repr, READINGS)))
        try:
            weight = Fraction(alpha)
        except (TypeError, ValueError, OverflowError, ZeroDivisionError):
            weight = Fraction(-1)
        if not 0 <= weight <= 2**20:
            raise InvalidProblem("alpha", repr(alpha)[:80], "a number or fraction, 0 to 2^20")
        fields = (schedule.source_load, schedule.hosts, weight, reading, bool(fractional))
        for name, value in zip(type(self).__dataclass_fields__, fields, strict=True):
            object.__setattr__(self, name, value)

    @property
    def load(self) -> Integers:
        """``[E]`` tokens per expert."""
        return frozen(self.source_load.sum(axis=0))

    @property
    def size(self) -> int:
        """Number of unknowns x[e, g]."""
        return int(self.hosts.sum())

    @property
    def may_send(self) -> list[int]:
        """``[G]`` tokens that count as sent unless they stay, by the chosen reading."""
        counted = self.source_load if self.reading == "physical" else self.source_load * self.hosts.T
        return [sum(row) for row in counted.tolist()]

    def value(self, split: Integers, denominator: int = 1) -> Fraction:
        """Objective of ``split / denominator``, exactly."""
        source = self.source_load.astype(object) * denominator
        held = split.astype(object)
        local = np.minimum(held, source.T).sum(axis=0)
        receive = held.sum(axis=0) - local
        send = np.array(self.may_send, object) * denominator - local
        busiest = max(max(send), max(receive))
        return (Fraction(int(max(held.sum(axis=0)))) + self.alpha * int(busiest)) / denominator

    def __repr__(self) -> str:
        experts, devices = self.hosts.shape
        form = ", fractional=True" * self.fractional
        return f"CommunicationProblem(E={experts}, G={devices}, alpha={self.alpha}, reading={self.reading!r}{form})"
