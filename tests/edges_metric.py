"""Edges of the checks of metrics and losses: loads ``[L, N]``, or logits and experts; answers are values."""

import math

import numpy as np

from edges import Edge
from equipoise.roles.metric import MetricCase
from miniatures import Kind

SMALL = 2e-5
JUST, BEYOND = 0.9 * SMALL, 1.1 * SMALL


def loads(*rows):
    return MetricCase.of_loads(np.array(rows))


def tokens(logits, experts):
    return MetricCase.of_tokens(np.array([logits], np.float32), np.array([experts]))


def balancedness(load):
    return load.mean(axis=1) / load.max(axis=1)


def switch(scores, experts, mask=None, normalised=False):
    """E times the sum over e of the share of assignments on e times e's mean score."""
    scores, experts = scores.reshape(-1, scores.shape[-1]), experts.reshape(-1, experts.shape[-1])
    if mask is not None:
        scores, experts = scores[mask.ravel()], experts[mask.ravel()]
    scores = scores.astype(float)
    if normalised:
        scores = scores / scores.sum(axis=1, keepdims=True)
    count = np.bincount(experts.ravel(), minlength=scores.shape[1])
    return scores.shape[1] * float(count @ scores.mean(axis=0)) / experts.size


def switch_gradient(scores, experts, gradient=False):
    """The same, and its derivative."""
    if not gradient:
        return switch(scores, experts)
    count = np.bincount(experts.ravel(), minlength=scores.shape[-1])
    return np.tile(scores.shape[-1] * count / (experts.size * len(scores)), (len(scores), 1))


def off_by(amount):
    """A metric of tokens whose value is off by so much."""
    return lambda scores, experts: switch(scores, experts) + amount


def times(factor):
    """A loss with this factor."""
    return lambda scores, experts: factor * switch(scores, experts)


def with_keywords(function):
    """A class of metrics that are called as the function is."""
    return type("WithKeywords", (Kind,), {"__call__": staticmethod(function)})


def gradient_times(factor):
    """A loss whose gradient is off by a factor."""

    def loss(scores, experts, gradient=False):
        return switch_gradient(scores, experts, gradient) * (factor if gradient else 1)

    return with_keywords(loss)


def of_best(scores, experts):
    """Counts where the scores alone send the tokens."""
    return switch(scores, np.argsort(-scores, axis=-1, kind="stable")[..., : experts.shape[-1]])


def load_of(experts, num_experts):
    return np.bincount(experts[experts >= 0].ravel(), minlength=num_experts)


def load_with_drops(experts, num_experts):
    return np.bincount(experts.ravel() % num_experts, minlength=num_experts)


def named_experts(scores, experts):
    return switch(scores, experts) + 0.1 * (experts == 0).any()


def first_row(load):
    return balancedness(load)[0]


def first_token(scores, experts):
    return switch(scores[:1], experts[:1])


def all_rows_as_one(load):
    return load.mean() / load.max()


def in_tokens(load):
    return balancedness(load) + (load.max() >= 1000) * 0.1


def summed(scores, experts):
    return switch(scores, experts) * len(scores)


def by_micro_batch(scores, experts):
    return float(np.mean([switch(one, other) for one, other in zip(scores, experts, strict=True)]))


def masked(scores, experts, mask=None):
    return switch(scores, experts, mask)


def mask_is_ignored(scores, experts, mask=None):
    return switch(scores, experts)


def mean_of_means(scores, experts, mask=None):
    if mask is None:
        return switch(scores, experts)
    kept = [(one[m], other[m]) for one, other, m in zip(scores, experts, mask, strict=True) if m.any()]
    return float(np.mean([switch(one, other) for one, other in kept]))


def wraps(load):
    return balancedness(load.astype(np.uint8) if load.dtype == np.uint8 else load) * (1 + (load.dtype == np.uint8))


def worse_in_float32(scores, experts):
    return switch(scores, experts) + 0.1 * (scores.dtype == np.float32)


def with_epsilon(scores, experts):
    return switch(scores / (scores.sum(axis=-1, keepdims=True) + 1e-20), experts)


def by_its_sum(scores, experts):
    return switch(scores, experts, normalised=True)


def softmax_loss(logits, experts):
    grown = np.exp(logits.astype(float) - logits.max(axis=-1, keepdims=True))
    return switch(grown / grown.sum(axis=-1, keepdims=True), experts)


def overflowing(logits, experts):
    with np.errstate(all="ignore"):
        grown = np.exp(logits.astype(np.float32))
        return switch(np.nan_to_num(grown / grown.sum(axis=-1, keepdims=True)), experts)


@with_keywords
def gradient_is_not_finite(scores, experts, gradient=False):
    return np.full(scores.shape, np.nan) if gradient else switch(scores, experts)


class GradientRightOnce(Kind):
    def __call__(self, scores, experts, gradient=False):
        self.calls += 1
        return switch_gradient(scores, experts, gradient) * (self.calls == 1)


def softmax(logits):
    grown = np.exp(logits.astype(float) - logits.max(axis=-1, keepdims=True))
    return grown / grown.sum(axis=-1, keepdims=True)


def raised(amount, of_logits=False):
    """A loss whose gradient is right but for the same amount at all experts of a token."""

    def loss(values, experts, gradient=False):
        if not of_logits:
            return switch_gradient(values, experts, gradient) + amount * gradient
        scores = softmax(values)
        slope = switch_gradient(scores, experts, gradient)
        return scores * (slope - (slope * scores).sum(axis=-1, keepdims=True)) + amount if gradient else slope

    return with_keywords(loss)


def z_raised(amount):
    """A z-loss, and the same of its gradient."""

    def loss(logits, gradient=False):
        sums = np.log(np.exp(logits.astype(float)).sum(axis=-1, keepdims=True))
        return 2 * sums * softmax(logits) / len(logits) + amount if gradient else float((sums**2).mean())

    return with_keywords(loss)


def z_loss(logits):
    return float((np.log(np.exp(logits.astype(float)).sum(axis=-1)) ** 2).mean())


def worse_in_int32(load):
    return balancedness(load) - 0.1 * (load.dtype == np.int32)


@with_keywords
def gradient_is_a_list(scores, experts, gradient=False):
    return [1.0] if gradient else switch(scores, experts)


class RightOnce(Kind):
    def answer(self, load):
        return balancedness(load) * (self.calls == 1)


PAIR = loads([4, 2])
ROWS = loads([4, 2], [2, 2])
TWO = tokens([[0.5, -0.5], [1.0, 0.0]], [[0], [1]])
DIFFERENT = tokens([[2.0, 0.0, 1.0], [1.0, 0.5, 0.25]], [[0], [1]])
SEVERAL = MetricCase.of_tokens(
    np.array([[[1.0, 0.0], [0.5, 0.0]], [[0.0, 2.0], [0.0, 1.0]]], np.float32), np.array([[[0], [0]], [[0], [1]]])
)
THREE = MetricCase.of_tokens(np.tile(SEVERAL.logits, (2, 1, 1))[:3], np.tile(SEVERAL.experts, (2, 1, 1))[:3])
ELSEWHERE = tokens([[2.0, 0.0], [1.0, 0.0]], [[1], [1]])
DROPS = tokens([[2.0, 0.0], [1.0, 0.0]], [[-1], [0]])
HUGE = loads([2**44, 2**43])
MANY = MetricCase.of_tokens(
    np.array([[[1.0, 0.0]] * 2 + [[0.0, 1.0]] * 2 + [[2.0, 0.0]] * 2], np.float32),
    np.array([[[0]] * 2 + [[1]] * 2 + [[0]] * 2]),
)
BALANCED = tokens([[0.0, 0.0], [0.0, 0.0]], [[0], [1]])
BOTH = tokens([[0.0, 0.0]], [[0, 1]])
COLLAPSED = tokens([[24.0, -24.0], [24.0, -24.0]], [[0], [0]])
GRADIENT = "metric_gradient_is_that_of_its_formula"
EXACT, BOUNDS = "metric_value_is_exact", "metric_stays_within_its_bounds"
BALANCE, COLLAPSE = "metric_knows_balance", "metric_knows_collapse"


def between(kind, case, low, high, slack, more=(), says="its value is"):
    """Edges at both ends of what a kind can be."""
    just, beyond = 0.9 * slack, 1.1 * slack
    kinds = (kind, *more)
    found = [Edge(BOUNDS, case, low - just, low - beyond, says, kinds)]
    return [*found, Edge(BOUNDS, case, high + just, high + beyond, says, kinds)] if high < math.inf else found


FIVE = loads([1, 2, 3, 4, 5])
OF_BALANCEDNESS, OF_AUX, OF_LOAD = ("balancedness",), ("aux-loss",), ("expert-load",)
EDGES = [
    Edge(EXACT, PAIR, 0.75 + JUST, 0.75 - BEYOND, "here it is 0.749978, not 0.75", OF_BALANCEDNESS),
    Edge(EXACT, loads([9, 0, 0]), 3 + 3 * JUST, 3 + 3 * BEYOND, "not 3", ("imbalance",)),
    Edge(EXACT, PAIR, RightOnce, None, "", OF_BALANCEDNESS),
    Edge(EXACT, ROWS, 0.875, 0.75, "not 0.875", OF_BALANCEDNESS),
    Edge(EXACT, ROWS, [0.75, 1.0], [1.0, 0.75], "it is [1, 0.75], not [0.75, 1]", OF_BALANCEDNESS),
    Edge(
        EXACT, ROWS, None, [0.75, 1.0, 1.0], "returns 3 numbers; allowed: one number or 2, one a row", OF_BALANCEDNESS
    ),
    Edge(EXACT, TWO, off_by(JUST), off_by(BEYOND), "here it is", OF_AUX),
    Edge(EXACT, TWO, None, lambda *given: [1.0, 1.0], "returns 2 numbers; allowed: one number", OF_AUX),
    Edge(EXACT, TWO, times(7), None, "", ("aux-loss", "scaled")),
    Edge(EXACT, TWO, None, times(7), "here it is", OF_AUX),
    Edge(EXACT, TWO, None, lambda scores, experts: 7 * switch(scores, experts) + 1, "", ("aux-loss", "scaled")),
    Edge("metric_is_exact_for_large_loads", HUGE, 0.75, 0.7, "for loads this large", OF_BALANCEDNESS),
    Edge("metric_counts_the_experts_it_is_given", ELSEWHERE, switch, of_best, "where tokens are not at", OF_AUX),
    Edge("metric_leaves_out_what_is_dropped", DROPS, load_of, load_with_drops, "are dropped", OF_LOAD),
    *between("balancedness", PAIR, 0.5, 1.0, SMALL),
    *between("imbalance", PAIR, 1.0, 2.0, 2 * SMALL),
    *between("max-vio", FIVE, 0.0, 4.0, 4 * SMALL),
    *between("min-vio", FIVE, -1.0, 0.0, SMALL),
    *between("cv", FIVE, 0.0, 2.0, 2 * SMALL, says="every cv is between 0 and 2"),
    *between("expert-load", TWO, 0.0, 2.0, 2 * SMALL),
    *between("dropped", TWO, 0.0, 1.0, SMALL),
    *between("aux-loss", TWO, 0.0, 2.0, 2 * SMALL),
    *between("aux-loss", BOTH, 0.0, 1.0, SMALL),
    *between("aux-loss", BOTH, 0.0, 2.0, 2 * SMALL, ("counts K times",)),
    *between("z-loss", TWO, 0.0, math.inf, SMALL, says="every z-loss is at least 0"),
    Edge(BOUNDS, PAIR, None, [0.75, 1.1], "its value is 1.1", OF_BALANCEDNESS),
    Edge("metric_is_finite_without_load", loads([0, 0]), -JUST, -BEYOND, "between 0 and 1", OF_BALANCEDNESS),
    Edge("metric_is_finite_without_load", loads([0, 0]), 1.0, math.nan, "", OF_BALANCEDNESS),
    Edge("metric_is_finite_without_load", loads([0, 0]), -1.0, -1.1, "between -1 and 0", ("min-vio",)),
    Edge("metric_is_finite_without_load", loads([0, 0]), 1 + JUST, 1.1, "", OF_BALANCEDNESS),
    Edge(BALANCE, loads([3, 3]), 1 + JUST, 1 + BEYOND, "at perfect balance it is 1.00002, not 1", OF_BALANCEDNESS),
    Edge(BALANCE, loads([3, 3]), 1.0, 0.0, "not 1", ("imbalance",)),
    Edge(BALANCE, loads([3, 3]), 0.0, 1.0, "not 0", ("max-vio",)),
    Edge(BALANCE, loads([3, 3]), 0.0, 1.0, "not 0", ("min-vio",)),
    Edge(BALANCE, loads([3, 3]), 0.0, 1.0, "not 0", ("cv",)),
    Edge(BALANCE, BALANCED, 1.0, 2.0, "not 1", OF_AUX),
    Edge(BALANCE, BALANCED, 1.0, 2.0, "not 1", ("sequence-loss",)),
    Edge(BALANCE, BALANCED, 1.0, 2.0, "not 1", ("global-loss",)),
    Edge(BALANCE, BOTH, 2.0, 1.0, "not 2", ("aux-loss", "counts K times")),
    Edge(BALANCE, BALANCED, math.log(2) ** 2, 1.0, "not 0.480453", ("z-loss",)),
    Edge(COLLAPSE, loads([6, 0, 0]), 1 / 3, 1.0, "not 0.333333", OF_BALANCEDNESS),
    Edge(COLLAPSE, loads([6, 0, 0]), 3.0, 1.0, "not 3", ("imbalance",)),
    Edge(COLLAPSE, loads([6, 0, 0]), 2.0, 3.0, "not 2", ("max-vio",)),
    Edge(COLLAPSE, loads([6, 0, 0]), -1.0, 0.0, "not -1", ("min-vio",)),
    Edge(COLLAPSE, loads([6]), 0.0, -1.0, "not 0", ("min-vio",)),
    Edge(COLLAPSE, loads([6, 0, 0, 0, 0]), 2.0, 1.0, "not 2", ("cv",)),
    Edge(COLLAPSE, COLLAPSED, 2.0, 1.0, "with all load in one place it is 1, not 2", OF_AUX),
    Edge(COLLAPSE, COLLAPSED, 24.0**2, 25.0**2, "not 576", ("z-loss",)),
    Edge("metric_treats_experts_alike", PAIR, balancedness, lambda load: load[0, 0] / load.max(), "", OF_BALANCEDNESS),
    Edge("metric_treats_experts_alike", DIFFERENT, switch, named_experts, "with the experts reversed", OF_AUX),
    Edge("metric_treats_experts_alike", TWO, load_of, lambda experts, num: np.arange(num), "reversed", OF_LOAD),
    Edge("metric_treats_rows_alike", ROWS, balancedness, first_row, "with the rows reversed", OF_BALANCEDNESS),
    Edge("metric_treats_rows_alike", DIFFERENT, switch, first_token, "with the tokens reversed", OF_AUX),
    Edge("metric_treats_rows_alike", ROWS, lambda load: balancedness(load).mean(), None, "", OF_BALANCEDNESS),
    Edge(
        "metric_takes_every_row_by_itself", ROWS, balancedness, all_rows_as_one, "of 2 rows together", OF_BALANCEDNESS
    ),
    Edge(
        "metric_takes_every_row_by_itself", ROWS, lambda load: balancedness(load).mean(), first_row, "", OF_BALANCEDNESS
    ),
    Edge("metric_ignores_how_often_loads_are_counted", PAIR, balancedness, in_tokens, "1000 times", OF_BALANCEDNESS),
    Edge("metric_counts_every_token_once", TWO, switch, summed, "with every token there twice", OF_AUX),
    Edge("metric_counts_every_token_once", TWO, load_of, lambda experts, num: np.ones(num), "twice", OF_LOAD),
    Edge("metric_ignores_how_tokens_are_cut", SEVERAL, switch, by_micro_batch, "all in one part", ("global-loss",)),
    Edge(
        "metric_ignores_padding",
        TWO,
        with_keywords(masked),
        with_keywords(mask_is_ignored),
        "with 1 tokens of padding",
        ("aux-loss", "takes mask"),
    ),
    Edge(
        "metric_ignores_how_micro_batches_fill",
        THREE,
        with_keywords(masked),
        with_keywords(mean_of_means),
        "tokens in the micro-batches",
        ("global-loss", "takes mask"),
    ),
    Edge("metric_ignores_the_number_type", loads([255, 3]), balancedness, wraps, "given uint8", OF_BALANCEDNESS),
    Edge("metric_ignores_the_number_type", loads([256, 3]), wraps, None, "", OF_BALANCEDNESS),
    Edge("metric_ignores_the_number_type", TWO, switch, worse_in_float32, "given int32", OF_AUX),
    Edge("metric_cannot_be_lowered_by_small_scores", TWO, switch, with_epsilon, "for scores of 1e-24", OF_AUX),
    Edge("metric_cannot_be_lowered_by_small_scores", TWO, by_its_sum, None, "", OF_AUX),
    Edge("metric_cannot_be_lowered_by_small_scores", TWO, by_its_sum, switch, "", ("sequence-loss",)),
    Edge("metric_ignores_shifted_logits", TWO, softmax_loss, overflowing, "with 1000 added", ("aux-loss", "logits")),
    Edge(
        "metric_is_exact_at_production_size", ROWS, [0.75, 1.0009], [0.75, 1.0011], "of row 1 among 2", OF_BALANCEDNESS
    ),
    Edge("metric_is_exact_at_production_size", ROWS, 0.8759, 0.8761, "of all rows among 2 of 2", OF_BALANCEDNESS),
    Edge("metric_counts_thousands_of_tokens_as_few", MANY, off_by(9e-4), off_by(2e-3), "of 6 tokens", OF_AUX),
    Edge("metric_counts_thousands_of_tokens_as_few", MANY, load_of, lambda *given: [4, 1], "1 has 2 ass", OF_LOAD),
    Edge("metric_falls_as_its_formula_does", DIFFERENT, switch, lambda *given: 1.0, "its slope along", OF_AUX),
    Edge("metric_falls_as_its_formula_does", DIFFERENT, times(1.009), times(1.011), "its slope along", OF_AUX),
    Edge("metric_falls_as_its_formula_does", DIFFERENT, times(0.991), times(0.989), "its slope along", OF_AUX),
    Edge("metric_sends_a_gradient", DIFFERENT, gradient_times(1e-9), gradient_times(0.0), "gradient is zero", OF_AUX),
    Edge("metric_sends_a_gradient", BALANCED, gradient_times(0.0), None, "", OF_AUX),
    Edge("metric_gradient_is_that_of_its_formula", DIFFERENT, gradient_times(1.009), gradient_times(1.011), "", OF_AUX),
    Edge(
        "metric_gradient_is_that_of_its_value",
        DIFFERENT,
        gradient_times(1.0),
        gradient_times(1.02),
        "the gradient",
        OF_AUX,
    ),
    Edge(
        "metric_gradient_is_that_of_its_value", DIFFERENT, None, gradient_is_a_list, "its gradient is of shape", OF_AUX
    ),
    Edge(GRADIENT, DIFFERENT, GradientRightOnce, gradient_is_not_finite, "its gradient is not finite", OF_AUX),
    Edge(GRADIENT, DIFFERENT, raised(0.3), None, "", OF_AUX),
    Edge(GRADIENT, DIFFERENT, raised(0.0, True), raised(0.3, True), "the gradient is", ("aux-loss", "logits")),
    Edge(GRADIENT, DIFFERENT, z_raised(0.0), z_raised(0.3), "the gradient is", ("z-loss",)),
    Edge("metric_ignores_the_number_type", TWO, z_loss, None, "", ("z-loss",)),
    Edge("metric_ignores_the_number_type", HUGE, balancedness, None, "", OF_BALANCEDNESS),
    Edge("metric_ignores_the_number_type", loads([2**31, 2**30]), worse_in_int32, None, "", OF_BALANCEDNESS),
    Edge("metric_ignores_the_number_type", loads([2**31 - 1, 5]), None, worse_in_int32, "int32", OF_BALANCEDNESS),
    Edge("metric_treats_rows_alike", SEVERAL, switch, None, "", OF_AUX),
    Edge("metric_is_exact_at_production_size", ROWS, None, [0.7, 1.0], "of row 0 among 2", OF_BALANCEDNESS),
    Edge("metric_falls_as_its_formula_does", DIFFERENT, z_loss, None, "", ("z-loss",)),
]
