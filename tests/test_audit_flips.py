"""The share of tokens that rounding moves, in audits of routers whose choice is the top K of scores plus bias."""

import numpy as np
import pytest

import equipoise
from equipoise import InvalidProblem, flip_margins
from equipoise.traces import Instance


@pytest.fixture(scope="module")
def batch():
    return np.random.default_rng(5).random((60, 8)).astype(np.float32)


def audited(router, batch, **options):
    return equipoise.audit(router, role="router", trace=[Instance("one", batch, 2, "run")], **options)


class Biased:
    """A router that adds a bias and then learns another, or the other way round."""

    def __init__(self, learns_first):
        self.learns_first, self.calls = learns_first, 0
        self.bias = None

    def reset(self):
        self.calls, self.bias = 0, None

    def learn(self, experts):
        self.calls += 1
        self.bias = np.linspace(0, 0.5, experts) * self.calls

    def __call__(self, scores, top_k):
        if self.learns_first:
            self.learn(scores.shape[1])
        bias = np.zeros(scores.shape[1]) if self.bias is None else self.bias
        chosen = np.argsort(-(scores + bias), axis=1, kind="stable")[:, :top_k]
        if not self.learns_first:
            self.learn(scores.shape[1])
        return chosen


def test_of_plain_top_k_it_is_what_flip_margins_says_of_the_scores(batch):
    for rounding in ("bf16", "fp16"):
        found = flip_margins(batch, 2, rounding=rounding)
        row = audited("topk", batch, rounding=rounding).rows[0]
        assert row.values["flips"] == found.flips.mean()
        assert row.values["unstable"] == 1 - found.stable.mean()
    assert audited("topk", batch).rows[0].values["flips"] == flip_margins(batch, 2).flips.mean() > 0


@pytest.mark.parametrize("learns_first", [True, False])
def test_the_bias_counts_that_the_router_chose_by_whenever_it_learns(batch, learns_first):
    row = audited(Biased(learns_first), batch, passes=3).rows[0]
    bias = np.linspace(0, 0.5, 8) * (3 if learns_first else 2)
    assert row.values["flips"] == flip_margins(batch, 2, bias).flips.mean()
    assert row.values["flips"] != flip_margins(batch, 2).flips.mean()


def test_a_choice_that_no_bias_makes_has_no_flips_and_no_column(batch):
    audit = audited(lambda scores, top_k: np.argsort(scores, axis=1)[:, :top_k], batch)
    assert audit.rows[0].values["flips"] is None
    assert "flips" not in [one.title for one in audit.columns]
    assert "flips" in [one.title for one in audited("topk", batch).columns]


def test_a_router_that_drops_has_none(batch):
    assert audited(lambda scores, top_k: np.full((len(scores), top_k), -1), batch).rows[0].values["flips"] is None


def test_an_unknown_type_is_refused_before_any_work(batch):
    asked = []
    with pytest.raises(InvalidProblem, match="rounding is 'int4'; allowed: bf16, fp16, fp32"):
        audited(lambda scores, top_k: asked.append(scores), batch, rounding="int4")
    assert not asked
