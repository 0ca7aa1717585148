"""A role that Equipoise does not know: halving experts, so that both halves carry about the same load.

A *halver* is called as ``halver(load[E])`` for an even E and returns a mask ``[E]`` that is true for one half of the
experts. The optimum is found by trying all halves.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations

import numpy as np

from equipoise.audits.measures import Measure, Row, relative
from equipoise.audits.role_audit import Option, RoleAudit
from equipoise.errors import TargetError
from equipoise.roles.role import Case, Role


@dataclass(frozen=True, eq=False)
class Experts(Case):
    """A load ``[E]``."""

    AXES = {"load": ("E",)}  # noqa: RUF012

    load: np.ndarray

    def calls(self):
        """Return the one call."""
        return [(self.load,)]


def read(returned, load):
    """Return the mask of one half."""
    mask = np.asarray(returned)
    if mask.dtype != bool or mask.shape != load.shape or 2 * mask.sum() != len(load):
        raise TargetError(f"it returned {mask.dtype} of shape {mask.shape}; allowed: one half", "gives no half")
    return mask


def judge(contenders, unit, options, shared):
    """Compare the larger half with the least that it can be."""
    [instance] = unit
    load = instance.total // options["lot"]
    halves = combinations(range(len(load)), len(load) // 2)
    best = min(max(part := int(load[list(half)].sum()), int(load.sum()) - part) for half in halves)
    return [_row(one, instance, load, best) for one in contenders]


def _row(contender, instance, load, best):
    row = Row(contender.name, instance.name, {"experts": len(load)})
    try:
        half = contender.ask(load)
    except TargetError as error:
        return replace(row, error=str(error), kind=error.kind)
    peak = max(int(load[half].sum()), int(load[~half].sum()))
    mean = Fraction(int(load.sum()), 2)
    values = {"beyond": relative(peak, best), "peak": peak, "mean": mean, "imbalance": float(peak / mean)}
    return replace(row, values=values, compared_with="all halves", evidence={"halves": "certified"})


def alternating(load):
    """Every other expert, by load."""
    half = np.zeros(len(load), bool)
    half[np.argsort(-load)[::2]] = True
    return half


def first(load):
    """The first half of the experts."""
    return np.arange(len(load)) < len(load) // 2


def breaks(load):
    """No half at all."""
    return load > load.mean() + load.max()


AUDIT = RoleAudit(
    role="halver",
    data="loads",
    measures=(
        Measure("beyond", "share", title="beyond", words="the larger half over the least that it can be"),
        Measure("peak", "tokens", aggregates=()),
        Measure("mean", "tokens", "neither", ()),
        Measure("imbalance", "ratio", aggregates=()),
    ),
    judge=judge,
    units=lambda instances, options: [[instance] for instance in instances],
    options=(Option("lot", int, "Tokens that move together.", 1, least=1),),
)

ROLE = Role(
    name="halver",
    home=__name__,
    arguments=("load",),
    answer="half",
    noun="half",
    read=read,
    case=Experts,
    boundaries={},
    telltales=frozenset(),
    audit=__name__,
)
