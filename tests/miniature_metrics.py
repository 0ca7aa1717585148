"""Deliberately faulty metrics, each a few lines with one defect; ``FAULTY`` names the check that must catch it."""

from __future__ import annotations

import numpy as np

from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)

DECLARES = frozenset({"max-vio"})
"""What the kinds of miniatures compute."""


def violation(load):
    mean = np.maximum(load.mean(axis=1), 1e-30)
    return (load.max(axis=1) - mean) / mean * (load.max(axis=1) > 0)


ANSWERS = violation, lambda load: violation(load) + 1
"""What a metric should answer, and something else."""


def computes(*names):
    """A decorator that says what a function computes."""

    def declare(function):
        function.capabilities = names
        return function

    return declare


def softmax(logits):
    grown = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return grown / grown.sum(axis=-1, keepdims=True)


def frequency(scores, experts):
    """E / (K T) times the tokens of every expert."""
    load = np.bincount(np.ravel(experts), minlength=scores.shape[-1])
    return load * (scores.shape[-1] / experts.size)


def balance(scores, experts):
    return float(frequency(scores, experts) @ scores.reshape(-1, scores.shape[-1]).mean(axis=0))


def best(scores, experts):
    """The experts of the largest scores, as many as given."""
    return np.argsort(-scores, axis=-1)[..., : experts.shape[-1]]


# --- faulty: the value


@faulty("metric_value_is_exact")
@computes("cv")
def sample_deviation(load):
    """Loads are no sample: divided by N - 1, a deviation is too large, and infinite for one rank."""
    many = load.shape[1] > 1
    return load.std(axis=1, ddof=1 if many else 0) / np.maximum(load.mean(axis=1), 1e-30)


@faulty("metric_value_is_exact")
@computes("balancedness")
def median_over_the_largest(load):
    return np.median(load, axis=1) / np.maximum(load.max(axis=1), 1)


@faulty("metric_value_is_exact")
@computes("max-vio")
def second_largest(load):
    return np.sort(load, axis=1)[:, -2:][:, 0] / np.maximum(load.mean(axis=1), 1e-30) - 1


@faulty("metric_value_is_exact")
@computes("z-loss")
def largest_logit_for_the_sum(logits):
    return float(np.mean(logits.max(axis=1) ** 2))


@faulty("metric_value_is_exact")
@computes("z-loss")
def square_of_the_mean(logits):
    return float(np.mean(np.logaddexp.reduce(logits, axis=1)) ** 2)


@faulty("metric_value_is_exact")
@computes("sequence-loss")
def sequence_loss_of_the_batch(scores, experts):
    """Sequences are counted together."""
    return balance(scores / scores.sum(axis=-1, keepdims=True), experts)


@faulty("metric_value_is_exact")
@computes("aux-loss")
def scores_of_the_chosen_alone(scores, experts):
    kept = np.zeros_like(scores)
    np.put_along_axis(kept, experts, np.take_along_axis(scores, experts, axis=1), axis=1)
    return balance(kept, experts)


@faulty("metric_is_exact_for_large_loads")
@computes("balancedness")
def sums_in_32_bits(load):
    sums = load.sum(axis=1, dtype=np.int32).astype(np.float64)
    return sums / load.shape[1] / np.maximum(load.max(axis=1), 1)


@faulty("metric_counts_the_experts_it_is_given")
@computes("aux-loss")
def counts_the_best_scores(scores, experts):
    """Without the bias that chose."""
    return balance(scores, best(scores, experts))


@faulty("metric_leaves_out_what_is_dropped")
@computes("expert-load")
def nobody_is_the_last_expert(experts, num_experts):
    load = np.zeros(num_experts, np.int64)
    np.add.at(load, experts.ravel(), 1)
    return load


@faulty("metric_leaves_out_what_is_dropped")
@computes("dropped")
def tokens_without_any_expert(experts):
    return float((experts < 0).all(axis=1).mean()) + 0.5 * float(
        (experts[:, 1:] < 0).mean() if experts[0, 1:].size else 0
    )


@faulty("metric_stays_within_its_bounds")
@computes("balancedness")
def upside_down(load):
    """Max over mean, logged as balancedness."""
    return load.max(axis=1) / np.maximum(load.mean(axis=1), 1e-30)


@faulty("metric_stays_within_its_bounds")
@computes("min-vio")
def without_its_sign(load):
    return 1 - load.min(axis=1) / np.maximum(load.mean(axis=1), 1e-30)


@faulty("metric_is_finite_without_load")
@computes("imbalance")
def divides_by_no_load(load):
    with np.errstate(invalid="ignore"):
        return load.max(axis=1) / load.mean(axis=1)


@faulty("metric_is_finite_without_load")
@computes("balancedness")
def nothing_over_next_to_nothing(load):
    """A floor under the denominator alone: no load is worse than any balance."""
    return np.where(load.any(axis=1), load.mean(axis=1), 1) / np.maximum(load.max(axis=1), 1e-6)


@faulty("metric_knows_balance")
@computes("aux-loss")
def counts_k_times(scores, experts):
    """Transformers issue 43775."""
    return balance(scores, experts) * experts.shape[1]


@faulty("metric_knows_balance")
@computes("global-loss")
def mean_over_experts(scores, experts):
    """1 / E at balance."""
    return balance(scores, experts) / scores.shape[-1]


@faulty("metric_knows_collapse")
@computes("aux-loss", "logits")
def softmax_twice(logits, experts):
    """Transformers issue 45120."""
    return balance(softmax(softmax(logits)), experts)


@faulty("metric_knows_collapse")
@computes("max-vio")
def clipped(load):
    return np.minimum(violation(load), 10)


# --- faulty: what should not matter


@faulty("metric_treats_experts_alike")
@computes("imbalance")
def without_the_shared_expert(load):
    own = load[:, 1:] if load.shape[1] > 1 else load
    return own.max(axis=1) / np.maximum(own.mean(axis=1), 1e-30)


@faulty("metric_treats_rows_alike")
@computes("imbalance")
def average_that_forgets(load):
    """The last layer counts as much as all before it."""
    average = 0.0
    for row in load:
        now = row.max() / max(row.mean(), 1e-30)
        average = now if average == 0 else 0.5 * average + 0.5 * now
    return average


@faulty("metric_treats_rows_alike")
@computes("aux-loss")
def without_the_last_token(scores, experts):
    """Off by one, where labels are shifted."""
    return balance(scores[:-1], experts[:-1]) if len(scores) > 1 else balance(scores, experts)


@faulty("metric_takes_every_row_by_itself")
@computes("balancedness")
def over_the_layers(load):
    """vLLM: mean and max along the wrong axis (PRs 36305, 39178)."""
    return float(load.mean(axis=0).sum() / np.maximum(load.max(axis=0).sum(), 1))


@faulty("metric_takes_every_row_by_itself")
@computes("max-vio")
def of_all_layers_together(load):
    """The largest of any layer over the mean of all, though not said to be pooled."""
    return float(load.max() / max(load.mean(), 1e-30)) - 1


@faulty("metric_ignores_how_often_loads_are_counted")
@computes("balancedness")
def one_token_more(load):
    return (load.mean(axis=1) + 1) / (load.max(axis=1) + 1)


@faulty("metric_counts_every_token_once")
@computes("expert-load")
def once_for_every_rank(experts, num_experts):
    """Every rank has all tokens, and they are summed over the ranks (vLLM PR 22167)."""
    load = np.bincount(experts[experts >= 0], minlength=num_experts)
    return load * len(experts)


@faulty("metric_counts_every_token_once")
@computes("aux-loss")
def over_the_tokens_of_a_full_batch(scores, experts):
    """The denominator is a constant: the loss of half a batch is a quarter."""
    return balance(scores, experts) * min(1.0, len(scores) / 3)


@faulty("metric_ignores_how_tokens_are_cut")
@computes("global-loss")
def mean_of_micro_batches(scores, experts):
    """The loss of every micro-batch by itself (Megatron-LM issue 5798)."""
    return float(np.mean([balance(*part) for part in zip(scores, experts, strict=True)]))


@faulty("metric_ignores_padding")
@computes("aux-loss")
def padding_is_counted(scores, experts, mask=None):
    """Megatron-LM issue 1617: padding pins the loss."""
    real = np.ones(len(scores), bool) if mask is None else mask
    return float(frequency(scores, experts) @ scores[real].mean(axis=0))


@faulty("metric_ignores_padding")
@computes("z-loss")
def padding_in_the_denominator(logits, mask=None):
    real = np.ones(len(logits), bool) if mask is None else mask
    return float(np.sum(np.logaddexp.reduce(logits, axis=1)[real] ** 2) / len(logits))


@faulty("metric_ignores_how_micro_batches_fill")
@computes("global-loss")
def counts_of_all_and_means_of_means(scores, experts, mask=None):
    """Counts over all micro-batches, the scores averaged in each and then over them (Megatron-LM issue 7213)."""
    real = np.ones(scores.shape[:2], bool) if mask is None else mask
    means = [scores[b][real[b]].mean(axis=0) for b in range(len(scores)) if real[b].any()]
    return float(frequency(scores, experts[real]) @ np.mean(means, axis=0))


@faulty("metric_ignores_the_number_type")
@computes("max-vio")
def sums_in_the_given_type(load):
    mean = np.maximum(load.sum(axis=1, dtype=load.dtype) / load.shape[1], 1e-30)
    return (load.max(axis=1) - mean) / mean * (load.max(axis=1) > 0)


@faulty("metric_cannot_be_lowered_by_small_scores")
@computes("sequence-loss")
def epsilon_beside_the_sum(scores, experts):
    """Megatron-LM issue 1545."""
    shares = scores / (scores.sum(axis=-1, keepdims=True) + 1e-20)
    return float(np.mean([balance(*part) for part in zip(shares, experts, strict=True)]))


@faulty("metric_cannot_be_lowered_by_small_scores")
@computes("aux-loss")
def sums_that_are_clipped(scores, experts):
    return balance(scores / np.maximum(scores.sum(axis=-1, keepdims=True), 1e-12), experts)


@faulty("metric_ignores_shifted_logits")
@computes("aux-loss", "logits")
def exponentials_as_they_are(logits, experts):
    with np.errstate(all="ignore"):
        grown = np.exp(logits.astype(np.float32))
        return balance(grown / grown.sum(axis=1, keepdims=True), experts)


# --- faulty: what training sees


@faulty("metric_falls_as_its_formula_does")
@computes("aux-loss")
def of_counts_alone(scores, experts):
    """The square of the counts: nothing to differentiate."""
    return float((frequency(scores, experts) ** 2).mean())


@faulty("metric_falls_as_its_formula_does")
@computes("global-loss")
def rounded_for_the_log(scores, experts):
    return round(balance(scores, experts), 1)


def with_gradient(slopes, *also):
    """A balance loss whose gradient is ``slopes(frequencies, scores, experts)``."""

    def loss(scores, experts, gradient=False):
        return slopes(frequency(scores, experts), scores, experts) if gradient else balance(scores, experts)

    return computes("aux-loss", *also)(loss)


def _named(name, check, slopes):
    loss = with_gradient(slopes)
    loss.__name__ = loss.__qualname__ = name
    globals()[name] = faulty(check)(loss)


_named("cut_off_from_the_graph", "metric_sends_a_gradient", lambda f, scores, experts: np.zeros(scores.shape))
"""NeMo-Automodel issue 1408."""
_named(
    "the_same_for_every_expert",
    "metric_sends_a_gradient",
    lambda f, scores, experts: np.ones(scores.shape) / scores.shape[0],
)
_named(
    "not_over_the_tokens",
    "metric_gradient_is_that_of_its_formula",
    lambda f, scores, experts: np.tile(f, (len(scores), 1)),
)
_named(
    "the_other_way",
    "metric_gradient_is_that_of_its_formula",
    lambda f, scores, experts: -np.tile(f, (len(scores), 1)) / len(scores),
)
_named(
    "gradient_of_other_counts",
    "metric_gradient_is_that_of_its_value",
    lambda f, scores, experts: np.tile(frequency(scores, best(scores, experts)), (len(scores), 1)) / len(scores),
)


# --- faulty: state


@faulty("metric_remembers_nothing")
class AveragesItsCalls:
    """A moving average that nobody can reset."""

    capabilities = ("imbalance",)
    average = None

    def __call__(self, load):
        now = load.max(axis=1).mean() / max(load.mean(), 1e-30) if len(load) == 1 else np.mean(violation(load) + 1)
        self.average = now if self.average is None else 0.9 * self.average + 0.1 * now
        return self.average
