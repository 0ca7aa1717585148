"""The audit of schedulers with links: the excess is that of the exact problem, or a sentence says why not."""

from fractions import Fraction

import numpy as np
import pytest

from equipoise import CommunicationProblem, InvalidProblem, audit
from equipoise.traces import LoadInstance

LOAD = np.random.default_rng(1).integers(0, 30, (3, 6))


def by_alpha(alpha):
    """One instance, with a scheduler of the test's own that keeps its split."""
    found = []

    def mine(load, hosts):
        split = np.zeros(hosts.shape, np.int64)
        split[np.arange(len(hosts)), np.asarray(hosts, bool).argmax(axis=1)] = np.asarray(load).sum(axis=0)
        found.append((split, np.asarray(hosts, bool)))
        return split

    trace = [LoadInstance("one", LOAD)]
    rows = audit([mine], role="scheduler", trace=trace, devices=3, slots=9, alpha=alpha).rows
    return rows[0], found[-1] if found else None


@pytest.mark.parametrize("alpha", ["0", "1/2", "3"])
def test_link_cost_is_the_objective_of_the_split_and_never_below_the_bound(alpha):
    row, held = by_alpha(alpha)
    assert row.evidence["links"] in ("certified", "bounded", "cross-checked")
    assert row["link_excess"] == pytest.approx(float(row["link_cost"] / row["link_bound"]) - 1)
    assert row["link_excess"] >= 0
    if held is not None:
        split, hosts = held
        assert row["link_cost"] == CommunicationProblem(LOAD, hosts, Fraction(alpha)).value(split)


def test_without_alpha_links_are_not_compared():
    row, _ = by_alpha(None)
    assert "link_excess" not in row.values
    assert "links" not in row.evidence


def test_alpha_needs_sources_and_a_weight():
    with pytest.raises(InvalidProblem, match=r"--alpha is given with loads \[E\]"):
        audit(["even"], role="scheduler", trace=[LoadInstance("one", LOAD.sum(axis=0))], devices=3, slots=9, alpha="1")
    with pytest.raises(InvalidProblem, match="alpha"):
        by_alpha("heavy")
