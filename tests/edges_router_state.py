"""Edges of the checks of state: how a bias moves, what evaluation leaves alone, what starts over."""

from typing import ClassVar

import numpy as np

from edges import Edge, script
from miniatures import Kind
from routings import batches, case, weighted

NAN = float("nan")
NUMBERS, MOVES = "router_bias_is_one_finite_number_per_expert", "router_bias_moves_apart"
STEPS, ONCE = "router_bias_holds_its_own_steps", "router_bias_moves_once_a_call"
LOWERS, WEIGHTS = "router_overload_lowers_the_bias", "router_weights_do_not_depend_on_the_bias"
EVALUATION, AFRESH = "router_evaluation_leaves_the_state_alone", "router_bias_starts_over"
LOADS = "router_loads_are_counted_once"

ONE = case([[0.75, 0.25]] * 3)  # all three prefer expert 0
TWICE = batches([[0.75, 0.25]] * 3, [[0.75, 0.25]] * 3)
FIRST, SECOND = [[0]] * 3, [[1]] * 3

NUMBER_EDGES = [
    Edge(NUMBERS, TWICE, script(FIRST, bias=[[0, 0], [0, 1], [1, 0]]), script(FIRST, bias=[[0, 0], [0, 0], [0, NAN]])),
    Edge(
        NUMBERS, TWICE, script(FIRST, bias=[None, [0, 0], [1, 0], [NAN, 0]]), script(FIRST, bias=[[0]]), "no array of"
    ),
    Edge(NUMBERS, TWICE, None, FIRST, "its bias is no array of E numbers"),
    Edge(NUMBERS, TWICE, None, script(FIRST, bias=[[0, np.inf]]), "its bias is [ 0. inf]"),
]

THREE = case([[0.75, 0.5, 0.25]] * 2 + [[0.5, 0.75, 0.25]])  # loads 2, 1, 0
TO_TWO = [[0], [0], [1]]


def still(calls, then):
    """A bias that moves with the call after these."""
    return [[0] * len(then)] * (calls + 1) + [then]


MOVE_EDGES = [
    Edge(
        MOVES,
        ONE,
        script(FIRST, bias=still(1, [0, 0.1])),
        script(FIRST, bias=still(1, [0.1, 0])),
        "expert 0 has 3 tokens and expert 1 0, but after 2 calls the bias is 0.1 and 0",
    ),
    Edge(
        MOVES,
        ONE,
        script(FIRST, bias=still(99, [0, 1])),
        script(FIRST, bias=still(100, [0, 1])),
        "the loads are [3, 0], and after 100 calls the bias is the same for all experts",
    ),
    Edge(MOVES, ONE, script(FIRST, bias=[[0, 0], [0, 1], [1, 0]])),
    Edge(MOVES, ONE, FIRST),
    Edge(
        MOVES, THREE, script(TO_TWO, bias=still(0, [0, 0, 1])), script(TO_TWO, bias=still(0, [0, 1, 0])), "but after 1"
    ),
    Edge(MOVES, ONE, script(SECOND, bias=still(0, [0, 1])), script(SECOND, bias=still(0, [1, 0])), "expert 0 has 3"),
    Edge(
        MOVES,
        ONE,
        script(SECOND, bias=still(0, [1, 0])),
        script(SECOND, bias=still(0, [0, 1])),
        "expert 1 has 3 tokens and expert 0 0, but after 1 calls",
        capabilities=("group limited",),
    ),
    Edge(MOVES, case([[0.75, 0.25]] * 2), script([[0], [1]], bias=still(0, [1, 0])), capabilities=("group limited",)),
]


def path(step, dtype, calls=16):
    """A bias that is moved by a step in every call, and rounded each time."""
    moved = [np.zeros(2)]
    for _ in range(calls):
        moved.append(rounded(moved[-1] + np.array([-1, 1]) * step, dtype))
    return script(FIRST, bias=moved)


def rounded(values, dtype):
    if dtype != "bfloat16":
        return values.astype(dtype).astype(np.float64)
    mantissas, exponents = np.frexp(values)
    return np.ldexp(np.round(mantissas * 2**8), exponents - 8)


STEP_EDGES = [
    Edge(
        STEPS, ONE, path(0.001, "float32"), path(0.001, "bfloat16"), "its bias has 8 bits, as bfloat16: steps of 0.001"
    ),
    Edge(STEPS, ONE, path(0.0021, "bfloat16"), path(0.0019, "bfloat16"), "has 8 bits"),  # 2^-9 is 0.00195
    Edge(STEPS, ONE, path(0.00026, "float16"), path(0.00023, "float16"), "11 bits, as float16"),  # 2^-12 is 0.00024
    Edge(STEPS, ONE, None, path(np.array([0, 0.001]), "bfloat16"), "8 bits, as bfloat16: steps of 0.001"),
    Edge(STEPS, ONE, path(2.0**-10, "bfloat16")),  # any number of bits holds multiples of that
    Edge(STEPS, ONE, script(FIRST, bias=[[0, 0]])),
    Edge(STEPS, ONE, FIRST),
    Edge(STEPS, ONE, script(FIRST, bias=[*path(0.001, "bfloat16", 15).shown["bias"], [NAN, 0]])),
    Edge(
        STEPS, ONE, path(0.001, "float32"), script(FIRST, *[FIRST] * 16, bias=path(0.001, "bfloat16", 8).shown["bias"])
    ),
]

SKEW = case([[0.75, 0.5, 0.25]] * 3)  # loads 3, 0, 0: two and once one from the mean
TO_FIRST = [[0]] * 3


def moved(bias, rate=0.01, start=(0, 0, 0), answer=TO_FIRST, **shown):
    return script(answer, rate=[rate], bias=[start, bias], **shown)


TEN = case([[0.5, 0.4, 0.3, 0.2, 0.1]] * 10)
HALVES = [[0]] * 5 + [[1]] * 5  # loads 5, 5, 0, 0, 0: three and two from the mean
NO_RATE, NO_LOADS, NO_BIAS = "silent: shows no rate", "silent: has no loads", "silent: shows no bias that starts at"
ONCE_EDGES = [
    Edge(
        ONCE,
        SKEW,
        moved([-0.01, 0.01, 0.01]),
        moved([-0.02, 0.02, 0.02]),
        "its rate is 0.01, and in one call the bias moves by 0.02: 2 times as far",
    ),
    Edge(ONCE, SKEW, moved([-0.05, 0.05, 0.05]), moved([-0.04, 0.04, 0.04]), "4 times as far"),
    Edge(ONCE, SKEW, moved([-0.02, 0.01, 0.01]), moved([0, 0.02, 0.02]), "2 times as far"),
    Edge(ONCE, SKEW, moved([0, 0, 0])),
    Edge(ONCE, SKEW, moved([0, 0, 0], 0.5), moved([-0.02, 0, 0]), "2 times as far"),
    Edge(ONCE, SKEW, moved([-0.0201, 0.0201, 0.0201])),
    Edge(ONCE, SKEW, None, script(TO_FIRST, bias=[[0, 0, 0], [-1, 1, 1]]), NO_RATE),
    Edge(ONCE, SKEW, None, moved([-1, 1, 1], 0), NO_RATE),
    Edge(ONCE, SKEW, None, moved([-1, 1, 1], -0.5), NO_RATE),
    Edge(ONCE, SKEW, None, moved([-2, 2, 2], True), NO_RATE),
    Edge(ONCE, SKEW, None, moved([-2, 2, 2], 1), "2 times as far"),
    Edge(ONCE, SKEW, None, moved([-2, 2, 2], [1]), "2 times as far"),
    Edge(ONCE, SKEW, None, moved([-2, 2, 2], [1, 1]), NO_RATE),
    Edge(ONCE, SKEW, None, moved([-0.04, 0.04, 0.04], None, gamma=[0.02]), "its rate is 0.02"),
    Edge(ONCE, SKEW, None, moved([-0.02, 0.02, 0.02], start=(0, 0.5, 0)), NO_BIAS),
    Edge(ONCE, SKEW, None, script(TO_FIRST, rate=[0.01]), NO_BIAS),
    Edge(ONCE, SKEW, None, moved([-0.02, 0.02, 0.02], start=None), "2 times as far"),
    Edge(ONCE, SKEW, script(TO_FIRST, rate=[1], bias=[[0] * 3, [-1, 1, 1], [-2, 2, 2]])),
    Edge(ONCE, SKEW, None, moved([-0.02, 0, 0.02], answer=[[0], [1], [2]]), NO_LOADS),
    Edge(ONCE, THREE, None, moved([-0.02, 0, 0.02], answer=TO_TWO), NO_LOADS),
    Edge(ONCE, TEN, None, moved([-0.02, -0.02, 0.02, 0.02, 0.02], start=[0] * 5, answer=HALVES), NO_LOADS),
]

LOWER_EDGES = [
    Edge(
        LOWERS, ONE, script(FIRST, bias=[[0, 0], [0, 0], [1, 0]]), script(FIRST, bias=[[0, 0], [0.1, 0]]), "becomes 0.1"
    ),
    Edge(
        LOWERS, ONE, script(FIRST, bias=[[0, 0], [1e-13, 0]]), script(FIRST, bias=[[0, 0], [1e-9, 0]]), "becomes 1e-09"
    ),
    Edge(LOWERS, ONE, script(SECOND, bias=[[1, 0]])),
    Edge(LOWERS, ONE, FIRST),
    Edge(LOWERS, THREE, script(TO_TWO, bias=[[0, 1, 0]]), script(TO_TWO, bias=[[1, 1, 0]]), "0 wants 2 tokens and exp"),
]

THIRDS = weighted(FIRST, [[0.6], [0.7], [0.8]])
WEIGHT_EDGES = [
    Edge(
        WEIGHTS,
        ONE,
        script(*[THIRDS] * 51, weighted(FIRST, [[0.6], [0.6], [0.8]])),
        script(*[THIRDS] * 50, weighted(FIRST, [[0.6], [0.6], [0.8]])),
        "token 1 keeps its experts, but its weights go from [0.7] to [0.6] with the bias",
    ),
    Edge(WEIGHTS, ONE, script(THIRDS, weighted(FIRST, [[0.6], [0.700009], [0.8]]))),
    Edge(WEIGHTS, ONE, script(THIRDS, weighted([[0], [1], [0]], [[0.6], [0.1], [0.8]]))),
    Edge(
        WEIGHTS, ONE, script(THIRDS, FIRST), script(THIRDS, weighted([[1], [0], [0]], [[1], [0.7], [0.9]])), "token 2"
    ),
    Edge(WEIGHTS, ONE, script(FIRST, THIRDS)),
    Edge(
        WEIGHTS,
        case([[0.5, 0.25]], 2),
        None,
        script(weighted([[0, 1]], [[0.6, 0.4]]), weighted([[0, 1]], [[0.6, 0.3]])),
        "token 0",
    ),
]


class Trained(Kind):
    """Routes the second batch that it is trained on elsewhere; evaluation is to leave that alone."""

    learns, shows, made = 0, 0, 0

    def __init__(self):
        self.steps, self.bias = 0, np.zeros(2)

    def __call__(self, scores, top_k, training):
        if training:
            self.steps += 1
            return SECOND if self.steps >= 2 else FIRST
        self.steps += self.learns
        self.bias = self.bias + (self.made if self.steps == 0 else self.shows)
        assert scores[0, 0] < scores[0, 1], "evaluation is of other scores than training"
        return FIRST


class LearnsInEvaluation(Trained):
    learns = 1


class MovesItsBias(Trained):
    shows = 1


class MakesItsBias(Trained):
    made = 1


EVALUATION_EDGES = [
    Edge(EVALUATION, TWICE, Trained, LearnsInEvaluation, "evaluation in between changes how batch 1 is routed"),
    Edge(EVALUATION, TWICE, MakesItsBias, MovesItsBias, "evaluation before batch 2 moves the bias from"),
    Edge(EVALUATION, TWICE, lambda scores, top_k, training: FIRST),
    Edge(EVALUATION, ONE, MovesItsBias),
]


class Counts(Kind):
    """Its bias is the number of its calls."""

    def answer(self, *given):
        return FIRST

    @property
    def bias(self):
        return np.array([0.1, 0.2]) * self.calls


class Resets(Counts):
    resets = restores = True

    def reset(self):
        self.calls = 0 if self.resets else self.calls

    def state_dict(self):
        return {"calls": self.calls}

    def load_state_dict(self, state):
        self.calls = state["calls"] if self.restores else 0


class ResetsNothing(Resets):
    resets = False


class LosesItsState(Resets):
    restores = False


class LosesHalfOfItsState(Resets):
    """What is not saved has no part in it from the second call on."""

    since = 0

    def answer(self, *given):
        self.since = min(self.since + 1, 2)
        return FIRST

    def reset(self):
        self.calls = self.since = 0

    @property
    def bias(self):
        return super().bias * self.since


class Shared(Counts):
    """All routers count together."""

    total: ClassVar = [0]

    def answer(self, *given):
        self.total[0] += 1
        return FIRST

    @property
    def bias(self):
        return np.array([0.1, 0.2]) * self.total[0]


AFRESH_EDGES = [
    Edge(AFRESH, TWICE, Counts, Shared, "of a new router the bias after call 1 is"),
    Edge(AFRESH, TWICE, Resets, ResetsNothing, "after reset() the bias after call 1 is"),
    Edge(AFRESH, TWICE, Resets, LosesItsState, "after load_state_dict the bias after call 1 is"),
    Edge(AFRESH, TWICE, None, LosesHalfOfItsState, "after load_state_dict the bias after call 1 is"),
    Edge(AFRESH, TWICE, script(FIRST, bias=[[NAN, 0]])),
    Edge(AFRESH, TWICE, FIRST),
]

LOAD_EDGES = [
    Edge(LOADS, TWICE, script(FIRST, SECOND, load=[[0, 0], [3, 0], [0, 3]]), script(FIRST, load=[[0, 0], [6, 0]])),
    Edge(LOADS, TWICE, None, script(FIRST, load=[[0, 0], [3, 0], [6, 0]]), "its load is [6, 0], not [3, 0]"),
    Edge(
        LOADS,
        TWICE,
        script(FIRST, FIRST, SECOND, load=[[0, 0], [3, 0], [3, 0], [6, 3]]),
        FIRST,
        "its load is None, not",
    ),
]

EDGES = [
    *(NUMBER_EDGES + MOVE_EDGES + STEP_EDGES + ONCE_EDGES + LOWER_EDGES),
    *(WEIGHT_EDGES + EVALUATION_EDGES + AFRESH_EDGES + LOAD_EDGES),
]
