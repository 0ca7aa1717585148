"""Edges of the checks of gate weights; logarithms of whole numbers are logits that have shares one can see."""

import numpy as np

from edges import Edge, script
from equipoise.checks.router.weights import NORMALISED, OF_CHOSEN, RAW, SIGMOID, SOFTMAX
from equipoise.roles.router import UNIT
from routings import batches, case, weighted

NAN, INF = float("nan"), float("inf")
FINITE, ORDER = "router_weights_are_finite_and_not_negative", "router_weights_follow_the_scores"
FORMULA, OWN = "router_weights_follow_the_declared_formula", "router_weights_are_a_token_s_own"
CONSTANT, APART = "router_weights_at_k_1_depend_on_the_scores", "router_weights_tell_experts_far_apart"
GATE = case([[0.25, 0.5], [0.75, 0.5]], top_k=2)
NEGATIVE = case([[-3, -2], [-1, -2]], top_k=2)
BOTH = [[0, 1], [0, 1]]


def of_both(*rows):
    return weighted(BOTH, rows)


FINITE_EDGES = [
    Edge(FINITE, GATE, of_both([0, 0.5], [0.5, 1]), of_both([0, 0.5], [-0.001, 1]), "the weight of token 1 for ex"),
    Edge(FINITE, GATE, BOTH, of_both([0, 0.5], [0.5, NAN]), "the weight of token 1 for expert 1 is nan"),
    Edge(FINITE, GATE, script(of_both([0, 1], [0, 1]), of_both([-1, 1], [0, 1]))),
    Edge(FINITE, GATE, None, of_both([0, INF], [-1, 1]), "the weight of token 0 for expert 1 is inf"),
    Edge(FINITE, GATE, None, of_both([0, -1], [1, 1]), "the weight", capabilities=(RAW,)),
    Edge(FINITE, GATE, None, of_both([0, -1], [1, 1]), "the weight", capabilities=(UNIT,)),
    Edge(FINITE, NEGATIVE, of_both([-3, -2], [-1, -2]), of_both([-3, -2], [-1, INF]), "with float32 scores from -3 to"),
    Edge(FINITE, NEGATIVE, of_both([-3, -2], [-1, -2]), of_both([1, NAN], [1, 1]), "is nan", capabilities=(RAW,)),
    Edge(FINITE, NEGATIVE, of_both([-3, -2], [-1, -2]), capabilities=(RAW, "logits")),
    Edge(FINITE, NEGATIVE, of_both([0, 1], [1, 0]), of_both([0, 1], [1, -0.5]), "is -0.5", capabilities=("logits",)),
    Edge(FINITE, NEGATIVE, of_both([0, 1], [1, 0]), of_both([0, 1], [1, -0.5]), "is -0.5", capabilities=(SOFTMAX,)),
    Edge(FINITE, NEGATIVE, of_both([0, 1], [NAN, 0]), capabilities=(UNIT,)),
    Edge(FINITE, case([[-2, -2]], 2), None, weighted([[0, 1]], [[NAN, 0]]), "with float32 scores of -2 the weight"),
    Edge(
        FINITE,
        batches(GATE.scores, GATE.scores, top_k=2),
        script(of_both([0, 0], [0, 0])),
        script(of_both([0, 0], [0, 0]), of_both([0, 0], [0, -1])),
        "the weight of token 1 for expert 1",
    ),
]

CLOSE = case([[0.5, 0.5 + 2.0**-22]], top_k=2)
"""Scores closer than any order of weights need mind."""

ORDER_EDGES = [
    Edge(
        ORDER, GATE, of_both([0.5, 0.5], [0.6, 0.4]), of_both([0.5, 0.5], [0.4, 0.6]), "token 1 has scores [0.5, 0.75"
    ),
    Edge(ORDER, GATE, BOTH, of_both([0.5, 0.49999], [0.6, 0.4]), "token 0 has scores"),
    Edge(ORDER, GATE, of_both([0.5, 0.5 - 2.0**-22], [1, 0])),
    Edge(ORDER, GATE, script(of_both([0.5, 0.5], [1, 0]), of_both([1, 0], [1, 0]))),
    Edge(ORDER, CLOSE, weighted([[0, 1]], [[1, 0]])),
    Edge(ORDER, NEGATIVE, of_both([1, 0], [0, 1])),
    Edge(ORDER, NEGATIVE, of_both([0, 1], [1, 0]), of_both([1, 0], [1, 0]), "token 0", capabilities=("logits",)),
    Edge(ORDER, NEGATIVE, of_both([0, 1], [1, 0]), of_both([0, 1], [0, 1]), "token 1", capabilities=(SIGMOID,)),
    Edge(ORDER, GATE, of_both([0, 1], [1, 0]), of_both([0, 1], [0, 1]), "token 1", capabilities=("logits",)),
]

L3, L4 = float(np.log(3)), float(np.log(4))
LOGITS = case([[0, L3, L4]], top_k=2)  # shares 1, 3 and 4 of 8
ONE_ROW = case([[0.7, 0.3]], top_k=2)
HALF = np.float16([0.7, 0.3026, 0.3029])  # what float16 holds: 0.7002, 0.3027, 0.3030
ZERO = case([[0, 0]], top_k=2)
LITTLE = case([[2.0**-12, 2.0**-12]], top_k=2)
ENOUGH = case([[2.0**-11, 2.0**-11]], top_k=2)


def formula(given, allowed, refused, says, *declared, experts=(0, 1)):
    allowed = None if allowed is None else weighted([experts[: len(allowed)]], [allowed])
    refused = None if refused is None else weighted([experts[: len(refused)]], [refused])
    return Edge(FORMULA, given, allowed, refused, says, capabilities=declared)


TOP = (2, 1)
FORMULA_EDGES = [
    formula(ONE_ROW, [0.7, 0.3], [0.7, 0.2], "their formula gives [0.7, 0.3]", RAW),
    formula(ONE_ROW, [0.7, 0.30008], [0.7, 0.3001], "formula", RAW),  # up to 2^-13 of 0.7
    formula(case([[1, 0.5]], 2), [1, 0.5 + 2.0**-13], None, "", RAW),
    formula(ONE_ROW, HALF[[0, 1]], HALF[[0, 2]], "formula", RAW),  # up to 2^-8 of it
    formula(ONE_ROW, np.array([179, 82]) / 256, np.array([179, 83]) / 256, "formula", RAW),  # up to 2^-5 of it
    formula(ONE_ROW, [0.7, 0.3], [0.68, 0.2], "formula", UNIT, RAW),
    formula(ONE_ROW, [1.4, 0.6], [0.7, 0.3], "gives [1.4, 0.6]", RAW, "weights: scaled by 2"),
    formula(ONE_ROW, [4.2, 1.8], [1.4, 0.6], "gives [4.2, 1.8]", RAW, "weights: scaled by 2", "weights: scaled by 3"),
    formula(case([[-L3, L3]], 2), [0.25, 0.75], [0.25, 0.8], "gives [0.25, 0.75]", SIGMOID),
    formula(LOGITS, [0.5, 0.375], [0.57, 0.43], "gives [0.375, 0.5]", SOFTMAX, experts=TOP),
    formula(LOGITS, [4 / 7, 3 / 7], [0.5, 0.374], "gives [0.428571, 0.571429]", OF_CHOSEN, experts=TOP),
    formula(LOGITS, [4 / 7, 3 / 7], [0.5, 0.374], "gives [0.428571, 0.571429]", SOFTMAX, NORMALISED, experts=TOP),
    formula(LOGITS, [16 / 31, 15 / 31], [0.8, 0.75], "formula", SIGMOID, NORMALISED, experts=TOP),  # 4/5 and 3/4
    formula(LOGITS, [1, 0.75], [0.5, 0.374], "gives [0.75, 1.0]", SOFTMAX, "weights: scaled by 2", experts=TOP),
    formula(ONE_ROW, [0.7, 0.3], [1, 1], "gives [0.7, 0.3]", NORMALISED),
    formula(case([[0.25, 0.75, 0.25]], 2), [0.75, 0.25], [0.6, 0.2], "formula", NORMALISED, experts=(1, 2)),
    formula(case([[0.2, 0.4]], 2), [1 / 3, 2 / 3], [0.2, 0.4], "gives [0.333333, 0.666667]", NORMALISED),
    formula(case([[2, 2]], 2), [1, 1], None, "", NORMALISED),  # not what a gate gives: a gate may come between
    formula(case([[2, 2]], 2), [1, 1], None, "", UNIT, RAW),
    formula(case([[2, 2]], 2), [2, 2], [1, 1.1], "gives [2.0, 2.0]", RAW),
    formula(ZERO, [0.3, 0.7], [1, 1], "which do not sum to 1", NORMALISED),
    formula(ZERO, [0, 0], [0.6, 0.5], "which do not sum to 1", NORMALISED),
    formula(ZERO, [0.6, 1.4], [1.6, 0.6], "which do not sum to 2", NORMALISED, "weights: scaled by 2"),
    formula(LITTLE, [0.1, 0.2], [0.6, 0.7], "their formula gives [0.5, 0.5]", NORMALISED),
    formula(case([[2.0**-12, 2.0**-12, 0]], 2), [0.1, 0.2], [0.6, 0.7], "formula", NORMALISED),
    formula(LITTLE, [2.0**-12, 2.0**-12], [0.1, 0.2], "formula gives [0.000244141, 0.000244141]", RAW),
    formula(ENOUGH, [0.5, 0.5], [0.1, 0.2], "formula gives [0.5, 0.5]", NORMALISED),
    formula(case([[-9, -9]], 2), [0.5, 0.5], [0.1, 0.2], "formula gives [0.5, 0.5]", SOFTMAX, NORMALISED),
    formula(case([[-9, -9]], 2), [0.5, 0.5], [0.1, 0.2], "formula gives [0.5, 0.5]", SIGMOID, NORMALISED),
    formula(LOGITS, [0.9, 0.1], [0.9, 0.2], "which do not sum to 1", "logits", NORMALISED, experts=TOP),
    formula(LOGITS, [0.4, 0.5], None, "", "logits", "weights: scaled by 2", experts=TOP),
    formula(LOGITS, None, [0.1, 0.2], "do not sum to 1", "logits", NORMALISED, experts=TOP),
    formula(LOGITS, [L4, L3], [0.1, 0.2], "formula", "logits", RAW, experts=TOP),
    formula(LOGITS, [0.5, 0.375], [0.6, 0.4], "formula", "logits", SOFTMAX, experts=TOP),
    Edge(FORMULA, ONE_ROW, script(weighted([[0, 1]], [[0.7, 0.3]]), weighted([[0, 1]], [[1, 0]])), capabilities=(RAW,)),
    Edge(
        FORMULA,
        case([[0, L3], [L4, 0], [0, 0]], 2),
        weighted([[0, 1]] * 3, [[0.25, 0.75], [0.8, 0.2], [0.5, 0.5]]),
        weighted([[0, 1]] * 3, [[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]]),
        "token 1",
        capabilities=(SOFTMAX,),
    ),
    Edge(
        FORMULA,
        case([[0.25, 0.25], [0.2, 0.3], [0.1, 0.3]], 2),
        weighted([[0, 1]] * 3, [[0.5, 0.5], [0.4, 0.6], [0.25, 0.75]]),
        weighted([[0, 1]] * 3, [[0.5, 0.5], [0.6, 0.4], [0.25, 0.75]]),
        "token 1",
        capabilities=(NORMALISED,),
    ),
    Edge(FORMULA, ONE_ROW, [[0, 1]], capabilities=(RAW,)),
    Edge(  # a token that lost an expert, or both, is not judged
        FORMULA,
        case([[0.7, 0.3], [0.6, 0.2], [0.6, 0.2]], 2),
        weighted([[0, -1], [-1, -1], [0, 1]], [[0.1, 0], [0, 0], [0.6, 0.2]]),
        weighted([[0, -1], [-1, -1], [0, 1]], [[0.1, 0], [0, 0], [0.2, 0.6]]),
        "token 2 has scores [0.6, 0.2] for its experts [0, 1] and weights [0.2, 0.6]",
        capabilities=(RAW,),
    ),
    Edge(
        FORMULA,
        case([[0.7, 0.3], [0.6, 0.2]], 2),
        weighted([[-1, -1], [0, -1]], [[0, 0], [0.6, 0]]),
        weighted([[-1, -1], [0, -1]], [[0, 0], [0.1, 0]]),
        "token 1",
        capabilities=(RAW, "any number"),
    ),
    Edge(
        FORMULA,
        case([[0.7, 0.3], [0.6, 0.2]], 2),
        weighted([[-1, -1], [0, 1]], [[0, 0], [0.6, 0.4]]),
        weighted([[-1, -1], [0, 1]], [[0, 0], [0.6, 0.5]]),
        "token 1",
        capabilities=("logits", NORMALISED, "any number"),
    ),
]

TWO = case([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.5, 0.3, 0.2]])


def one_each(*weights):
    return weighted([[0]] * len(weights), [[weight] for weight in weights])


def own(*answers):
    return script(one_each(0.7, 0.6, 0.5), *answers)


def refuses_one_token(*answers):
    return type("Refusing", (own(*answers),), {"accepts": lambda self, tokens, experts, top_k: tokens > 1})


REVERSED = one_each(0.5, 0.6, 0.7)
OWN_EDGES = [
    Edge(OWN, TWO, own(REVERSED, one_each(0.7), one_each(0.6), one_each(0.1))),  # two tokens are asked for alone
    Edge(OWN, TWO, None, own(one_each(0.5, 0.61, 0.7)), "in the same batch in reverse order token 1 has the weights"),
    Edge(OWN, TWO, None, own(REVERSED, one_each(0.71)), "alone token 0 has the weights [0.71] for experts [0], in its"),
    Edge(OWN, TWO, None, own(REVERSED, one_each(0.7), one_each(0.5)), "alone token 1 has the weights [0.5]"),
    Edge(OWN, TWO, own(REVERSED, weighted([[1]], [[0.1]]), one_each(0.6))),  # to another expert: no matter
    Edge(OWN, TWO, None, own(REVERSED, weighted([[1]], [[0.1]]), one_each(0.5)), "alone token 1"),
    Edge(OWN, TWO, own([[0], [0], [0]]), script([[0], [0], [0]], one_each(0.1)), "allowed: "),
    Edge(OWN, TWO, own(REVERSED, [[0]], one_each(0.5))),
    Edge(OWN, TWO, refuses_one_token(REVERSED, one_each(0.1)), refuses_one_token(one_each(0.1, 0.1, 0.1)), "reverse"),
    Edge(OWN, case([[0.7, 0.2]]), script(one_each(0.7)), script(one_each(0.7), one_each(0.7), one_each(0.1)), "alone"),
]

FAR = case([[0.125, 0.5], [0.125, 0.75], [0.875, 0.25]])
CONSTANT_EDGES = [
    Edge(
        CONSTANT,
        FAR,
        weighted([[1], [1], [0]], [[0.5], [0.5], [0.50001]]),
        weighted([[1], [1], [0]], [[0.5], [0.5], [0.5]]),
        "tokens with scores of 0.5 to 0.875 all have the weight 0.5",
    ),
    Edge(CONSTANT, FAR, script(weighted([[1], [1], [0]], [[0.5], [0.7], [0.9]]), weighted([[1], [1], [0]], [[1]] * 3))),
    Edge(CONSTANT, FAR, [[1], [1], [0]]),
    Edge(CONSTANT, FAR, weighted([[0], [0], [0]], [[1]] * 3)),  # a single token goes to its best expert
    Edge(CONSTANT, FAR, None, weighted([[1], [0], [0]], [[1], [0.5], [1]]), "of 0.5 to 0.875 all have the weight 1"),
    Edge(CONSTANT, case([[0.125, 0.5], [0.125, 0.59]]), weighted([[1], [1]], [[1], [1]])),
    Edge(
        CONSTANT,
        case([[0.125, 0.5], [0.125, 0.61]]),
        weighted([[1], [1]], [[1], [1.00001]]),
        weighted([[1], [1]], [[1], [1]]),
        "tokens with scores of 0.5 to 0.61",
    ),
]

HIGH = case([[-2, 20, -2], [20, -2, -2]], top_k=2)
UNITS = case([[0, 1], [1, 0]], top_k=2)
APART_EDGES = [
    Edge(
        APART,
        HIGH,
        weighted([[1, 0], [0, 1]], [[0.76, 0.24], [0.91, 0.3]]),
        weighted([[1, 0], [0, 1]], [[0.76, 0.24], [0.75, 0.25]]),
        "with float32 scores from -2 to 20 token 1 has experts with scores of 20 and -2, and their weights are 0.75",
    ),
    Edge(APART, HIGH, script(weighted([[1, 0], [0, 1]], [[1, 0], [1, 0]]), weighted([[1, 0], [0, 1]], [[1, 1]] * 2))),
    Edge(APART, HIGH, [[1, 0], [0, 1]], weighted([[1, 0], [0, 1]], [[1, NAN], [1, 0]]), "token 0"),
    Edge(APART, HIGH, weighted([[0, 2], [1, 2]], [[1, 1], [1, 1]])),  # the best is not chosen
    Edge(APART, HIGH, weighted([[1, -1], [0, -1]], [[0, 0], [0, 0]])),  # it alone is
    Edge(APART, HIGH, weighted([[1, 0], [0, 1]], [[1, 1], [1, 1]]), capabilities=(UNIT,)),
    Edge(APART, UNITS, weighted([[1, 0], [0, 1]], [[1, 1], [1, 1]])),
    Edge(APART, UNITS, weighted([[1, 0], [0, 1]], [[1, 1], [1, 1]]), capabilities=("logits", UNIT)),
    Edge(
        APART,
        UNITS,
        weighted([[1, 0], [0, 1]], [[0.76, 0.24], [1, 0]]),
        weighted([[1, 0], [0, 1]], [[1, 0], [0.7, 0.3]]),
        "with float32 scores from 0 to 1 token 1",
        capabilities=(UNIT,),
    ),
]

EDGES = [*FINITE_EDGES, *ORDER_EDGES, *FORMULA_EDGES, *OWN_EDGES, *CONSTANT_EDGES, *APART_EDGES]
