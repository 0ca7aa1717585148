"""Edges of the checks of values: scores of any size, sign and type, NaN, padding; and of a shift of all logits."""

import numpy as np

from edges import Edge, script
from equipoise.errors import TargetError
from equipoise.roles.router import UNIT
from miniatures import Kind
from routings import batches, case, mask, top, weighted

BANDS, LARGE = "router_keeps_a_balanced_top_k_of_any_size_and_sign", "router_tells_large_scores_apart"
TINY, BFLOAT16 = "router_tells_tiny_scores_apart", "router_reads_bfloat16"
GARBAGE, NON_FINITE = "router_ignores_garbage_in_padding", "router_gives_existing_experts_to_non_finite_scores"
SHIFT = "router_ignores_what_is_added_to_all_logits"

TURNS = case([[200, 0], [0, 200]])
RIGHT, WRONG = [[0], [1]], [[0], [0]]
IN_BFLOAT16 = ("takes bfloat16",)


def wrong_in_bfloat16(scores, top_k, bfloat16=False):
    return WRONG if bfloat16 else RIGHT


BAND_EDGES = [
    Edge(BANDS, TURNS, script(RIGHT, WRONG), WRONG, "with float32 scores from 0 to 200 token 1 goes to [0], its best"),
    Edge(BANDS, TURNS, wrong_in_bfloat16),
    Edge(BANDS, TURNS, RIGHT, wrong_in_bfloat16, "in bfloat16, with float32 sc", capabilities=IN_BFLOAT16),
]


def clipped(at):
    return lambda scores, top_k: top(np.minimum(scores, at), top_k)


def confused_about(best):
    """Takes the lower of two experts where the best score is this one, and else the best."""
    return lambda scores, top_k: top(np.minimum(scores, 0.8 * best) if scores.max() == best else scores, top_k)


def leaves_the_best_above(level):
    return lambda scores, top_k: top(scores, top_k + 1)[:, 1:] if scores.max() > level else top(scores, top_k)


THREE = case([[200, 0, 0], [0, 200, 0], [0, 0, 200]])
FOUR = case([[200, 200, 0, 0], [0, 200, 200, 0], [0, 0, 200, 200], [200, 0, 0, 200]], top_k=2)
NOT_PLAIN = "silent: does not take the best K experts"
LARGE_EDGES = [
    edge
    for given in (THREE, FOUR)
    for edge in (
        Edge(LARGE, given, top, clipped(4), "not 4 and 5: no gate makes", capabilities=("logits",)),
        Edge(LARGE, given, top, clipped(4), "apart, but not 4 and 5: it treats scores above 4 alike"),
        Edge(LARGE, given, None, clipped(6), "6 and 7.5: it treats scores above 6 alike", capabilities=("logits",)),
        Edge(LARGE, given, confused_about(2.5), capabilities=("logits",)),  # larger ones it tells apart
        Edge(LARGE, given, None, confused_about(15.0), "it treats scores above 12 alike"),
        Edge(LARGE, given, None, clipped(0.1), NOT_PLAIN),
        Edge(LARGE, given, None, confused_about(0.3125), NOT_PLAIN),
        Edge(LARGE, given, None, leaves_the_best_above(3), NOT_PLAIN),
    )
]

SMALL = np.float32(2.0**-24)
FAVOURITES = np.array([[0.125, 0.5, 0.25]] * 2, np.float32)
AGAIN = batches(FAVOURITES, FAVOURITES * SMALL, top_k=2)


def floored(scores, top_k):
    return top(np.maximum(scores, 1e-5), top_k)


def only(small=True, large=True, unit=True):
    """Takes the best of small scores, of those from a gate, or of large ones, and else the first."""

    def routed(scores, top_k):
        high = scores.max()
        good = large if high > 1 else unit if high > 0.01 else small
        return top(scores if good else 0 * scores, top_k)

    return routed


TINY_EDGES = [
    Edge(TINY, AGAIN, top, floored, "with float32 scores from 7.45058e-09 to 2.98023e-08 token 0 goes to [0, 1]"),
    Edge(TINY, AGAIN, only(small=False, large=False), only(small=False, unit=False), "token 0 goes to [0, 1]"),
    Edge(TINY, AGAIN, only(small=False, unit=False), only(small=False, large=False), "token 0", capabilities=(UNIT,)),
]

EIGHTHS = case([[0.75, 0.25], [0.25, 0.75]])


def weighs_in_bfloat16(narrow, wide=0.6):
    def routed(scores, top_k, bfloat16=False):
        return weighted(RIGHT, [[0.6], [narrow if bfloat16 else wide]])

    return routed


BFLOAT16_EDGES = [
    Edge(BFLOAT16, EIGHTHS, RIGHT, wrong_in_bfloat16, "in bfloat16 token 1 goes to [0], its best"),
    Edge(BFLOAT16, EIGHTHS, WRONG),
    Edge(
        BFLOAT16,
        EIGHTHS,
        weighs_in_bfloat16(0.6 * 39 / 40),
        weighs_in_bfloat16(0.6 * 29 / 30),
        "in bfloat16 token 1 gets the weights [0.58], in float32 [0.6]",
    ),
    Edge(BFLOAT16, EIGHTHS, lambda scores, top_k, bfloat16=False: RIGHT if bfloat16 else weighted(RIGHT, [[1], [1]])),
]

PADDED = case([[0.75, 0.25]] * 3)  # the middle one is padding
SWAPPED = [[1], [-1], [1]]
STAY = [[0], [-1], [0]]


def moved_by(test, spoilt=SWAPPED, plain=STAY):
    return lambda scores, top_k, mask: spoilt if test(scores[1]) else plain


class SpoiltByTheCallBefore(Kind):
    spoilt = False

    def __call__(self, scores, top_k, mask):
        answer = SWAPPED if self.spoilt else STAY
        self.spoilt = bool(np.isnan(scores).any())
        return answer


GARBAGE_EDGES = [
    Edge(
        GARBAGE, PADDED, script(STAY, STAY, SWAPPED), moved_by(lambda row: np.isnan(row).all()), "with nan in padding"
    ),
    Edge(GARBAGE, PADDED, script(SWAPPED, STAY), SpoiltByTheCallBefore, "with nan in padding the real tokens go to"),
    Edge(GARBAGE, PADDED, None, moved_by(lambda row: (row == np.inf).all()), "with inf in padding"),
    Edge(GARBAGE, PADDED, None, moved_by(lambda row: (row == -np.inf).all()), "with -inf in padding"),
    Edge(GARBAGE, PADDED, None, moved_by(lambda row: (row > 1e37).all() and row[0] < np.inf), "with 1e+38 in padding"),
    Edge(GARBAGE, PADDED, moved_by(lambda row: np.isnan(row).all(), [[0], [1], [0]])),
    Edge(
        GARBAGE,
        PADDED,
        moved_by(
            lambda row: np.isnan(row).all(),
            weighted([[0], [0], [0]], [[0.6], [0.1], [0.3]]),
            weighted([[0], [0], [0]], [[0.6], [0.2], [0.3]]),
        ),
        moved_by(
            lambda row: np.isnan(row).all(),
            weighted([[0], [0], [0]], [[0.6], [0.1], [0.4]]),
            weighted([[0], [0], [0]], [[0.6], [0.2], [0.3]]),
        ),
        "with nan in padding the weights of token 2 change",
    ),
    Edge(GARBAGE, PADDED, moved_by(lambda row: np.isnan(row).all(), STAY, weighted(STAY, [[1], [0], [1]]))),
]

CLEAN = case([[0.75, 0.5, 0.25]] * 3)
PROMISED = ("non-finite scores",)


def counts_nan(scores, top_k):
    """Token 0 gets an expert by the number of its NaNs: one more, none for three."""
    return [[{0: 0, 1: 1, 2: 2, 3: -1}[int(np.isnan(scores[0]).sum())]], [0], [0]]


def raising(error, test=lambda row: np.isnan(row).all()):
    def routed(scores, top_k):
        if test(scores[0]):
            raise error
        return [[0], [0], [0]]

    return routed


def drops_at(value):
    return lambda scores, top_k: [[-1 if (scores[0] == value).all() else 0], [0], [0]]


ALL_FOUR = "a token with scores of NaN alone, one NaN, -inf alone, inf alone: it raised ValueError: no"
HANGS = TargetError("it hangs", "hangs")
COUNTED = "a token with scores of NaN alone: it gets no expert; one NaN: it gets experts [1]; -inf alone, inf alone: it"
NON_FINITE_EDGES = [
    Edge(NON_FINITE, CLEAN, None, counts_nan, COUNTED),
    Edge(NON_FINITE, CLEAN, None, raising(ValueError("no"), lambda row: not np.isfinite(row).all()), ALL_FOUR),
    Edge(NON_FINITE, CLEAN, None, raising(HANGS, lambda row: not np.isfinite(row).all()), "of NaN alone: it hangs"),
    Edge(NON_FINITE, CLEAN, None, raising(HANGS, lambda row: np.isnan(row).sum() == 1), "one NaN: it hangs"),
    Edge(
        NON_FINITE,
        CLEAN,
        top,
        counts_nan,
        "token 0 has scores of NaN alone and gets the experts [], not 1 of them",
        capabilities=PROMISED,
    ),
    Edge(NON_FINITE, CLEAN, counts_nan, capabilities=(*PROMISED, "drops")),
    Edge(NON_FINITE, CLEAN, counts_nan, capabilities=(*PROMISED, "any number")),
    Edge(NON_FINITE, CLEAN, None, drops_at(np.inf), "scores of inf alone and gets", capabilities=PROMISED),
    Edge(NON_FINITE, CLEAN, None, drops_at(-np.inf), "scores of -inf alone and gets", capabilities=PROMISED),
    Edge(NON_FINITE, CLEAN, None, raising(ValueError("no")), "of NaN alone: it raised", capabilities=PROMISED),
]

LOGITS = case([[0.75, 0.5, 0.25], [0.25, 0.75, 0.5]], top_k=2)
FIRST_TWO = mask("110 011")
MOVED = mask("110 110")


def by_shift(home, near, below, above, weights=None, near_weights=None):
    """What it chooses near 2, near 3, near -15 and near 88, and its weights at the first two."""

    def routed(scores, top_k):
        low = scores.min()
        chosen = below if low < 0 else above if low > 50 else near if low > 3 else home
        given = near_weights if 3 < low < 50 else weights
        return chosen if given is None else (chosen, np.where(chosen, given, 0))

    return routed


GRADED = np.array([[0.7, 0.3, 0.1], [0.1, 0.7, 0.3]])
EQUAL = np.full((2, 3), 0.5)


def moves_with_weights_of(times):
    """Of a half, and of this many halves."""
    weights = EQUAL * [[1], [times]]
    return by_shift(FIRST_TWO, FIRST_TWO, MOVED, MOVED, weights, weights)


STAYS = by_shift(FIRST_TWO, FIRST_TWO, FIRST_TWO, FIRST_TWO, GRADED, GRADED)


class StaysTwice(Kind):
    """Remembers: what it does first, and next, is right."""

    def answer(self, scores, top_k):
        return STAYS(scores, top_k) if self.calls <= 2 else (MOVED, GRADED * MOVED)


SHIFT_EDGES = [
    Edge(
        SHIFT,
        LOGITS,
        STAYS,
        by_shift(FIRST_TWO, FIRST_TWO, FIRST_TWO, MOVED, GRADED, GRADED),
        "with logits near 2 the tokens go to [[0, 1], [1, 2]], with the same ones near 88 to [[0, 1], [0, 1]]",
    ),
    Edge(
        SHIFT,
        LOGITS,
        StaysTwice,
        by_shift(FIRST_TWO, FIRST_TWO, MOVED, FIRST_TWO, GRADED, GRADED),
        "near -15 to [[0, 1], [0, 1]]",
    ),
    Edge(SHIFT, LOGITS, by_shift(FIRST_TWO, FIRST_TWO, MOVED, MOVED)),
    Edge(SHIFT, LOGITS, by_shift(FIRST_TWO, FIRST_TWO, MOVED, MOVED, GRADED)),
    Edge(SHIFT, LOGITS, by_shift(FIRST_TWO, FIRST_TWO, MOVED, MOVED, None, GRADED)),
    Edge(SHIFT, LOGITS, by_shift(FIRST_TWO, FIRST_TWO, MOVED, MOVED, GRADED, 1.01 * GRADED)),
    Edge(SHIFT, LOGITS, by_shift(FIRST_TWO, MOVED, MOVED, MOVED, GRADED, GRADED)),
    Edge(SHIFT, LOGITS, by_shift(FIRST_TWO, FIRST_TWO, MOVED, MOVED, EQUAL, EQUAL)),
    Edge(SHIFT, LOGITS, moves_with_weights_of(1.024), moves_with_weights_of(1.04), "with logits near 2"),
]

EDGES = [*BAND_EDGES, *LARGE_EDGES, *TINY_EDGES, *BFLOAT16_EDGES, *GARBAGE_EDGES, *NON_FINITE_EDGES, *SHIFT_EDGES]
