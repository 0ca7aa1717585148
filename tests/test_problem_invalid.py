"""Every kind of bad input is refused with the field, what was given and what is allowed."""

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise import AssignmentProblem, EquipoiseError, InvalidProblem, solve
from oracles import best_score
from strategies_assignment import ALL, score_matrices

TWO = np.array([[1.0, 2.0], [3.0, 4.0]])


class Hostile:
    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("device is on fire\nsecond line")


BAD_SCORES = {
    "nan": ([[1.0, np.nan]], "nan at token 0, expert 1"),
    "inf": ([[1.0, 2.0], [np.inf, 0.0]], "inf at token 1, expert 0"),
    "minus inf": ([[-np.inf, 0.0]], "-inf at token 0, expert 0"),
    "float16 inf": (np.array([[np.inf, 1]], np.float16), "inf at token 0, expert 0"),
    "bfloat16 nan": (np.array([[1, np.nan]], ml_dtypes.bfloat16), "nan at token 0, expert 1"),
    "vector": ([1.0, 2.0], "of shape (2,)"),
    "cube": (np.zeros((2, 2, 2)), "of shape (2, 2, 2)"),
    "number": (3.5, "of shape ()"),
    "no tokens": (np.zeros((0, 4)), "empty (shape (0, 4))"),
    "no experts": (np.zeros((4, 0)), "empty (shape (4, 0))"),
    "booleans": ([[True, False]], "of type bool"),
    "complex": ([[1j, 0]], "of type complex128"),
    "text": ([["a", "b"]], "of type <U1"),
    "dates": (np.zeros((1, 1), "M8[s]"), "of type datetime64[s]"),
    "durations": (np.zeros((1, 1), "m8[s]"), "of type timedelta64[s]"),
    "records": (np.zeros((1, 1), "f4,f4"), "of type ["),
    "objects": (np.array([[1, None]], object), "an array of Python objects"),
    "huge integers": ([[2**70, 0]], "an array of Python objects"),
    "none": (None, "an array of Python objects"),
    "a dictionary": ({"scores": 1}, "an array of Python objects"),
    "ragged": ([[1.0, 2.0], [3.0]], "not convertible to an array (setting an array element"),
    "raising": (Hostile(), "not convertible to an array (device is on fire)"),
}
if np.dtype(np.longdouble).itemsize > 8:
    BAD_SCORES["long double"] = (np.ones((1, 2), np.longdouble), f"of type {np.dtype(np.longdouble)}")


@pytest.mark.parametrize(("given", "message"), BAD_SCORES.values(), ids=BAD_SCORES)
def test_bad_scores_are_named(given, message):
    assert_refused("scores", message, given, 1)


BAD_TOP_K = {
    "zero": (0, "0"),
    "negative": (-1, "-1"),
    "more than E": (3, "3"),
    "boolean": (True, "True"),
    "numpy boolean": (np.True_, repr(np.True_)),
    "float": (1.0, "1.0"),
    "nan": (float("nan"), "nan"),
    "text": ("1", "'1'"),
    "none": (None, "None"),
    "array": (np.array([1, 2]), "array([1, 2])"),
    "matrix": (np.eye(2), "array([[1., 0.], [0., 1.]])"),
    "huge": (10**30, "1" + "0" * 30),
}


@pytest.mark.parametrize(("given", "message"), BAD_TOP_K.values(), ids=BAD_TOP_K)
def test_bad_top_k_is_named_with_its_range(given, message):
    error = assert_refused("top_k", message, TWO, given)
    assert "1 to E=2" in error.allowed


BAD_CAPACITY = {
    "negative": (-1, "negative (-1)"),
    "one negative": ([3, -2], "negative (-2 at expert 1)"),
    "float": (2.0, "of type float64"),
    "nan": (float("nan"), "of type float64"),
    "boolean": (True, "of type bool"),
    "text": ("2", "of type <U1"),
    "wrong length": ([1, 1, 1], "of shape (3,)"),
    "wrong rank": ([[2, 2]], "of shape (1, 2)"),
    "empty": ([], "of type float64"),
    "beyond 64 bits": (2**70, "an array of Python objects"),
    "beyond 2^53": (2**53 + 1, f"too large ({2**53 + 1})"),
    "unsigned overflow": (np.array([1, 2**64 - 1], np.uint64), f"too large ({2**64 - 1} at expert 1)"),
    "ragged": ([[1], [1, 2]], "not convertible"),
}


@pytest.mark.parametrize(("given", "message"), BAD_CAPACITY.values(), ids=BAD_CAPACITY)
def test_bad_capacity_is_named(given, message):
    assert_refused("capacity", message, TWO, 1, given)


BAD_MASK = {
    "integers": ([1, 0], "int64 of shape (2,)"),
    "too long": ([True, True, False], "bool of shape (3,)"),
    "matrix": ([[True, False]], "bool of shape (1, 2)"),
    "all padding": ([False, False], "false everywhere"),
    "objects": ([True, None], "an array of Python objects"),
}


@pytest.mark.parametrize(("given", "message"), BAD_MASK.values(), ids=BAD_MASK)
def test_bad_mask_is_named(given, message):
    assert_refused("mask", message, TWO, 1, mask=given)


@pytest.mark.parametrize("given", [1, 0, None, "yes", np.array([True]), np.eye(2, dtype=bool)])
def test_drop_must_be_a_boolean(given):
    assert_refused("drop", " ".join(repr(given).split()), TWO, 1, drop=given)


@pytest.mark.parametrize("limit", [0, -1, float("nan"), float("inf")])
def test_time_limit_must_be_positive_and_finite(limit):
    with pytest.raises(InvalidProblem) as caught:
        solve(AssignmentProblem(TWO, 1), time_limit=limit)
    assert caught.value.field == "time_limit"


def test_capacity_shortage_is_the_number_of_homeless_assignments():
    message = "too small by 2: the experts hold 4 of 6 assignments"
    assert_refused("capacity", message, np.zeros((3, 3)), 2, [9, 1, 0])
    assert_refused("capacity", "too small by 4: the experts hold 0 of 4", TWO, 2, 0)


@given(score_matrices(ALL), st.data())
def test_infeasible_capacity_is_refused_exactly_when_no_assignment_exists(scores, data):
    tokens, experts = scores.shape
    top_k = data.draw(st.integers(1, experts))
    capacity = data.draw(hnp.arrays(np.int64, experts, elements=st.integers(0, tokens + 1)))
    ones = [[1] * experts] * tokens
    homeless = tokens * top_k - best_score(ones, top_k, capacity.tolist(), drop=True)
    exists = best_score(ones, top_k, capacity.tolist(), drop=False) is not None
    assert exists == (homeless == 0)
    assert AssignmentProblem(scores, top_k, capacity, drop=True).shortage == homeless
    if exists:
        assert AssignmentProblem(scores, top_k, capacity).shortage == 0
    else:
        assert_refused("capacity", f"too small by {homeless}:", scores, top_k, capacity)


@given(
    st.one_of(
        st.none(),
        st.text(),
        st.floats(),
        st.lists(st.lists(st.floats() | st.integers() | st.text(max_size=2) | st.none(), max_size=3), max_size=3),
        hnp.arrays(hnp.scalar_dtypes(), hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3)),
    ),
    st.integers(-1, 3) | st.floats() | st.none(),
    st.none() | st.integers() | st.floats() | st.lists(st.integers(-2, 5), max_size=3),
)
def test_any_input_makes_a_problem_or_one_clear_sentence(scores, top_k, capacity):
    refused = None
    try:
        problem = AssignmentProblem(scores, top_k, capacity)
    except InvalidProblem as error:
        refused = error
    if refused is None:
        assert np.isfinite(problem.scores).all()
    else:
        assert refused.field in ("scores", "top_k", "capacity")
        assert_one_sentence(refused)


def assert_refused(field: str, message: str, *arguments, **named) -> InvalidProblem:
    with pytest.raises(InvalidProblem) as caught:
        AssignmentProblem(*arguments, **named)
    error = caught.value
    assert isinstance(error, EquipoiseError)
    assert error.field == field
    assert error.given.startswith(message)
    assert_one_sentence(error)
    return error


def assert_one_sentence(error: InvalidProblem) -> None:
    assert error.allowed
    assert str(error) == f"{error.field} is {error.given}; allowed: {error.allowed}"
    assert "\n" not in str(error)
