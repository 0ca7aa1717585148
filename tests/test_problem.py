"""What a problem accepts, and that it is a frozen value."""

import copy
import dataclasses
import pickle

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from equipoise import AssignmentProblem, solve
from oracles import exact_scores, optimum
from strategies_assignment import fewer, problems, score_matrices

SCORES = [[0.5, 0.25], [1.0, 0.75], [0.0, 0.5]]


@pytest.mark.parametrize(
    "dtype",
    ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"],
)
def test_every_numeric_type_is_kept_with_its_values(dtype):
    given = np.array([[1, 2], [3, 4]], dtype)
    problem = AssignmentProblem(given, 1)
    assert problem.scores.dtype == given.dtype
    np.testing.assert_array_equal(problem.scores, given)


@given(score_matrices())
def test_scores_are_taken_over_exactly(scores):
    kept = AssignmentProblem(scores, 1).scores
    np.testing.assert_array_equal(kept, scores)
    assert kept.dtype == scores.dtype


@pytest.mark.parametrize(
    "given",
    [
        SCORES,
        tuple(map(tuple, SCORES)),
        np.array(SCORES, order="F"),
        np.array(SCORES, ">f8"),
        np.array(SCORES, ">f4"),
        np.repeat(np.array(SCORES), 2, axis=0)[::2],
        np.array(SCORES)[:, ::-1][:, ::-1],
        np.array(SCORES, ml_dtypes.bfloat16),
        np.array(SCORES).view(np.recarray),
        memoryview(np.array(SCORES)),
    ],
    ids=["list", "tuple", "fortran", "big-endian", "big-endian-f4", "strided", "negative", "bf16", "recarray", "view"],
)
def test_same_numbers_in_any_container_are_the_same_problem(given):
    problem = AssignmentProblem(given, 1)
    assert type(problem.scores) is np.ndarray
    assert problem.scores.dtype.isnative
    assert problem.scores.flags.c_contiguous
    np.testing.assert_array_equal(problem.scores, np.array(SCORES))
    assert problem.grid.unit * int(problem.grid.values[0, 0]) == 0.5


def test_bfloat16_becomes_float32_exactly():
    given = np.array([[1e38, 1e-38], [-3.140625, 0.0]]).astype(ml_dtypes.bfloat16)
    problem = AssignmentProblem(given, 1)
    assert problem.scores.dtype == np.float32
    np.testing.assert_array_equal(problem.scores.astype(np.float64), given.astype(np.float64))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64", "int64"])
def test_torch_tensors_are_accepted_with_their_values(dtype):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    tensor = torch.tensor([[1, 2], [3, 4.5 if "float" in dtype else 5]], dtype=getattr(torch, dtype))
    if "float" in dtype:
        tensor.requires_grad_()
    problem = AssignmentProblem(tensor, 1, mask=torch.tensor([True, False]), capacity=torch.tensor([1, 1]))
    np.testing.assert_array_equal(problem.scores, tensor.detach().double().numpy())
    assert problem.mask.tolist() == [True, False]


class Foreign:
    """An array library that only speaks DLPack."""

    def __init__(self, array):
        self.array = array

    def __dlpack__(self, **options):
        return self.array.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.array.__dlpack_device__()


class Convertible:
    """An object that only knows ``__array__``."""

    def __array__(self, dtype=None, copy=None):
        return np.array(SCORES, dtype)


@pytest.mark.parametrize("given", [Foreign(np.array(SCORES)), Convertible()], ids=["dlpack", "__array__"])
def test_foreign_arrays_are_read_through_their_protocol(given):
    np.testing.assert_array_equal(AssignmentProblem(given, 1).scores, np.array(SCORES))


def test_later_changes_of_the_callers_arrays_do_not_reach_in():
    scores, capacity, mask = np.array(SCORES), np.array([3, 3]), np.array([True, True, False])
    problem = AssignmentProblem(scores, 1, capacity, mask=mask)
    scores[:], capacity[:], mask[:] = 9, 0, True
    assert problem.scores.tolist() == SCORES
    assert problem.capacity.tolist() == [3, 3]
    assert problem.mask.tolist() == [True, True, False]


def test_read_only_views_of_writable_memory_are_copied_too():
    scores = np.array(SCORES)
    view = scores[:]
    view.flags.writeable = False
    problem = AssignmentProblem(view, 1)
    scores[:] = 9
    assert problem.scores.tolist() == SCORES


def test_arrays_and_fields_of_a_problem_cannot_be_changed():
    problem = AssignmentProblem(SCORES, 1, mask=[True, True, False])
    for array in (problem.scores, problem.capacity, problem.mask, problem.grid.values):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    with pytest.raises(dataclasses.FrozenInstanceError):
        problem.top_k = 2


@given(problems())
def test_default_capacity_is_the_least_even_one_for_the_real_tokens(problem):
    whole = AssignmentProblem(problem.scores, problem.top_k, mask=problem.mask)
    expected = -(-len(exact_scores(problem)) * problem.top_k // problem.num_experts)
    assert whole.capacity.tolist() == [expected] * problem.num_experts


@given(problems(drop=True))
def test_floor_capacity_is_the_papers_reading(problem):
    floor = AssignmentProblem.floor_capacity(problem.scores, problem.top_k, problem.mask)
    assert floor.drop
    expected = len(problem.tokens) * problem.top_k // problem.num_experts
    assert floor.capacity.tolist() == [expected] * problem.num_experts


@given(problems(), st.integers(0, 9))
def test_with_capacity_states_the_same_tokens_under_other_limits(problem, extra):
    limit = problem.num_tokens + extra
    other = problem.with_capacity(limit, drop=not problem.drop)
    fresh = AssignmentProblem(problem.scores, problem.top_k, limit, not problem.drop, problem.mask)
    for name in ("scores", "capacity", "top_k", "drop"):
        np.testing.assert_array_equal(getattr(other, name), getattr(fresh, name))
    np.testing.assert_array_equal(other.grid.values, fresh.grid.values)
    assert (other.grid.exponent, other.grid.error) == (fresh.grid.exponent, fresh.grid.error)
    assert problem.with_capacity(limit).drop == problem.drop


@fewer(3)
@given(problems(), st.integers(1, 3), hnp.arrays(np.int64, (3, 4), elements=st.integers(-9, 9)))
def test_padding_changes_nothing_whatever_its_scores_are(problem, padding, noise):
    real = AssignmentProblem(problem.scores[problem.tokens], problem.top_k, problem.capacity, problem.drop)
    rows = noise[:padding, : problem.num_experts].clip(0).astype(problem.scores.dtype)
    mask = [True] * real.num_tokens + [False] * len(rows)
    padded = AssignmentProblem(
        np.concatenate([real.scores, rows]), real.top_k, real.capacity, real.drop, np.array(mask)
    )
    assert (padded.demand, padded.shortage) == (real.demand, real.shortage)
    solution = solve(padded)
    assert solution.lower <= optimum(real) <= solution.upper
    assert (solution.experts[real.num_tokens :] == -1).all()


@given(problems())
def test_problems_survive_pickling_and_copying(problem):
    for other in (pickle.loads(pickle.dumps(problem)), copy.deepcopy(problem)):
        np.testing.assert_array_equal(other.scores, problem.scores)
        np.testing.assert_array_equal(other.capacity, problem.capacity)
        assert (other.top_k, other.drop, other.grid.exponent) == (problem.top_k, problem.drop, problem.grid.exponent)


def test_repr_names_shape_form_and_limits():
    assert repr(AssignmentProblem(SCORES, 1)) == "AssignmentProblem(T=3, E=2, K=1, float64, capacity=2)"
    other = AssignmentProblem(SCORES, 2, [0, 5], drop=True, mask=[True, False, True])
    assert repr(other) == "AssignmentProblem(T=3, E=2, K=2, float64, capacity=0..5, drop=True, 2 real)"
