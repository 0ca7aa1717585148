"""Edges of the checks of predictors: a history ``[S, E]`` and a horizon; answers are the forecast ``[horizon, E]``."""

import numpy as np

from edges import Edge
from equipoise.roles.predictor import PredictorCase
from miniatures import Kind


def case(history, horizon=1):
    return PredictorCase(np.array(history), horizon)


def last(history, horizon):
    return np.tile(history[-1:].astype(float), (horizon, 1))


def plus_one(history, horizon):
    return last(history, horizon) + 1


def first_gets_more(history, horizon):
    return last(history, horizon) + np.arange(history.shape[1])[::-1]


def doubled_in_its_own_type(history, horizon):
    return np.tile((history[-1:] * 2 // 2).astype(float), (horizon, 1))


def bytes_are_worse(history, horizon):
    return last(history, horizon) + (history.dtype == np.uint8)


def knows_the_horizon(history, horizon):
    return last(history, horizon) + np.arange(horizon)[:, None] / horizon


def last_is_twice_as_far(history, horizon):
    """Wrong only in the last step before the shorter horizon ends, where it is asked for 2 h + 1 steps."""
    given = last(history, horizon)
    if horizon == 7:
        given[2] += 1
    return given


def last_but_one(history, horizon):
    return last(history[:-1] if len(history) > 1 else history, horizon)


def largest(history, horizon):
    return np.tile(history.max(axis=0).astype(float), (horizon, 1))


def smallest(history, horizon):
    return np.tile(history.min(axis=0).astype(float), (horizon, 1))


class RightOnce(Kind):
    def answer(self, history, horizon):
        return last(history, horizon) * (self.calls == 1)


class KnowsWhatItWasTaught(Kind):
    taught = False

    def train(self, series):
        self.taught = True

    def answer(self, history, horizon):
        return last(history, horizon) * self.taught


NOISE = 1e-6
STEADY = case([[5, 3], [5, 3]], 2)
WORST = "predictor_is_no_worse_than_the_last_step"
SHARES = case([[8, 2], [6, 4], [6, 4]])  # the last step is right, the mean of both is off by 2 of 10
TURNS = "predictor_turns_no_trend_around"
TREND = case([[10, 2, 3], [5, 7, 3]], 2)
NEWEST = "predictor_sees_the_newest_step"
TOTAL = "predictor_conserves_the_total"
FAR = "predictor_stays_within_the_total_far_ahead"

EDGES = [
    Edge("predictor_takes_a_history_of_one_step", case([[5, 3]]), [[5.0, 3.0]], [[5.0, np.nan]]),
    Edge("predictor_forecasts_no_load_after_none", case([[0, 0]]), [[0.9 * NOISE, 0]], [[0, 1.1 * NOISE]], "not 0"),
    Edge("predictor_forecasts_no_negative_load", case([[5, 1], [1, 5]]), [[0.0, 6.0]], [[-1.0, 7.0]]),
    Edge("predictor_keeps_a_constant_series", STEADY, RightOnce),
    Edge("predictor_keeps_a_constant_series", STEADY, KnowsWhatItWasTaught),
    Edge(
        "predictor_keeps_a_constant_series",
        STEADY,
        [[5, 3], [5, 3 + 4.9 * NOISE]],
        [[5, 3], [5, 3 - 5.1 * NOISE]],
        "the load of expert 1 in step 1",
    ),
    Edge("predictor_keeps_a_constant_series_at_production_size", STEADY, last, plus_one, "the load of expert 0"),
    Edge(
        "predictor_treats_experts_alike_at_production_size",
        case([[5, 3, 5, 3, 5, 3]]),
        [[5, 3, 5, 3, 5 + 4.9 * NOISE, 3]],
        [[5, 3, 5, 3, 5, 3 + 5.1 * NOISE]],
        "the load of expert 5",
    ),
    Edge(
        TOTAL,
        STEADY,
        [[5, 3], [5, 3 + 7.9 * NOISE]],
        [[5, 3], [5, 3 - 8.1 * NOISE]],
        "step 1 of the forecast has 7.99999 tokens; every step so far had 8",
    ),
    Edge("predictor_gives_idle_experts_no_load", case([[5, 0]]), [[2, 4.9 * NOISE]], [[5, 5.1 * NOISE]], "expert 1"),
    Edge(FAR, case([[8, 0], [0, 8]], 2), [[8, 0], [8 + 7e-6, 0]]),
    Edge(FAR, case([[8, 0], [0, 8]], 2), [[8, 4], [1, 1]], [[8, 0], [8.1, 0]], "8.1 tokens", ("changes totals",)),
    Edge(FAR, case([[8, 0], [0, 8]], 2), [[4, 4], [2, 6]], [[4, 4], [8, 1]], "step 1 of the forecast has 9 tokens"),
    Edge(FAR, case([[8, 0], [0, 8]], 2), None, [[4, 4], [2, 1]], "step 1 of the forecast has 3 tokens"),
    Edge(WORST, SHARES, [[7.0999, 2.9001]], [[7.1001, 2.8999]], "last steps: 20.00%; the mean: 20.00%"),
    Edge(WORST, case([[6, 4], [6, 4]]), [[6, 4]], [[6 + 1e-7, 4]], "last steps: 0.00%"),
    Edge(WORST, SHARES, [[7.8059, 2.1941]], [[7.8060, 2.1940]], "the noise floor: 24.08%", max_gap=0.5),
    Edge(TURNS, TREND, [[10, 2, 3], [10, 2, 3]], [[5, 7, 3], [10.1, 7, 3]], "with 10.1 in step 1"),
    Edge(TURNS, TREND, [[10 + 9e-6, 2, 3], [0, 9, 3]], [[10 + 11e-6, 7, 3], [0, 9, 3]], "expert 0 falls at every step"),
    Edge(
        TURNS, TREND, [[5, 2 - 6e-6, 3], [0, 9, 3]], [[5, 2 - 8e-6, 3], [0, 9, 3]], "from 2 to 7, and is forecast below"
    ),
    Edge(TURNS, case([[1, 0], [0, 1]]), [[1 + 9e-7, 0]], [[1 + 11e-7, 0]], "above both"),
    Edge(TURNS, case([[1, 1], [1, 1]]), [[9, 0]]),
    Edge(NEWEST, case([[4, 4], [6, 2]]), last, last_but_one, "and more tokens in place of the last do not matter"),
    Edge(NEWEST, case([[4, 4], [6, 2]]), None, largest, "and fewer tokens in place of the last do not matter"),
    Edge(NEWEST, case([[6, 6], [4, 4]]), largest, last_but_one, capabilities=("changes totals",)),
    Edge(NEWEST, case([[4, 4], [6, 6]]), smallest, capabilities=("changes totals",)),
    Edge(NEWEST, case([[4, 4], [6, 6]]), None, smallest, "more tokens"),
    Edge(NEWEST, case([[4, 4], [0, 0]]), largest),
    Edge("predictor_scales_with_the_loads", STEADY, last, plus_one, "1024 times the tokens, divided again"),
    Edge("predictor_treats_experts_alike", STEADY, last, first_gets_more, "in reverse order"),
    Edge("predictor_ignores_the_number_type", case([[200, 3]]), last, doubled_in_its_own_type, "given as uint8"),
    Edge("predictor_ignores_the_number_type", case([[255, 3]]), None, bytes_are_worse, "given as uint8"),
    Edge("predictor_ignores_the_number_type", case([[256, 3]]), bytes_are_worse),
    Edge("predictor_forecasts_further_without_second_thoughts", STEADY, last, knows_the_horizon, "asked for 5 steps"),
    Edge("predictor_forecasts_further_without_second_thoughts", case([[5, 3]], 3), None, last_is_twice_as_far, "for 7"),
]
