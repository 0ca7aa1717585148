"""The shipped vectors: written by their generator alone, certified without a solver, and as hard as their flags say."""

from __future__ import annotations

import importlib.util
import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import equipoise
from equipoise import Certificate
from equipoise.checks.engine.known import FOLDER, known_cases, vectors
from equipoise.roles import all_roles

SOURCE = Path(__file__).parents[1] / "benchmarks" / "vectors.py"
ROLES = ("router", "scheduler", "placer", "planner", "predictor")
ALL = [(role, vector) for role in ROLES for vector in vectors(role)]
NAMES = [vector.id for _, vector in ALL]
PROVED = [(role, vector) for role, vector in ALL if vector.certificate is not None]


@pytest.fixture(scope="module")
def generator():
    if not SOURCE.exists():
        pytest.skip("the tests run outside a checkout: benchmarks/ is not here")
    specification = importlib.util.spec_from_file_location("vectors_generator", SOURCE)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.mark.parametrize("role", ROLES)
def test_a_file_is_what_its_generator_writes(generator, role):
    """Certificates may differ between versions of a solver; they are verified below, everything else is compared."""
    content = json.loads((FOLDER / f"{role}.json").read_text())
    assert generator.text(content) == (FOLDER / f"{role}.json").read_text()
    plain = [{k: v for k, v in entry.items() if k not in ("optimum", "certificate")} for entry in content["vectors"]]
    assert plain == generator.entries(role)
    assert content["flags"] == generator.FLAGS[role]


@pytest.mark.parametrize(("role", "vector"), PROVED, ids=[vector.id for _, vector in PROVED])
def test_a_vectors_optimum_is_certified_and_is_what_solving_finds(generator, tmp_path, role, vector):
    problem = generator.problem_of(vector.case)
    path = tmp_path / "certificate.json"
    path.write_text(json.dumps(vector.certificate))
    verdict = Certificate.load(path).verify(problem)
    assert verdict.valid, verdict.reason
    assert verdict.lower == verdict.upper == Fraction(vector.optimum)
    if role != "placer":
        assert equipoise.solve(problem).objective == Fraction(vector.optimum)


def test_every_vector_of_a_role_with_an_optimum_has_one():
    assert {vector.id for role, vector in ALL if role != "predictor"} == {vector.id for _, vector in PROVED}


def first(case):
    return case.scores if hasattr(case, "batches") else case.load if hasattr(case, "loads") else case.history


def demand(case):
    return len(case.scores) * case.top_k


HOLDS = {
    ("router", "ties"): lambda c: any(len(np.unique(row)) < len(row) for row in c.scores),
    ("router", "duplicates"): lambda c: (c.scores[:, 0] == c.scores[:, 1]).all(),
    ("router", "alike"): lambda c: (c.scores == c.scores[0]).all(),
    ("router", "favourite"): lambda c: len(set(c.scores.argmax(axis=1).tolist())) == 1,
    ("router", "few tokens"): lambda c: demand(c) < c.scores.shape[1],
    ("router", "indivisible"): lambda c: demand(c) % c.scores.shape[1] != 0,
    ("router", "half"): lambda c: (c.scores == c.scores.astype(np.float16)).all(),
    ("router", "negative"): lambda c: (c.scores < 0).all(),
    ("router", "wide"): lambda c: c.scores.max() / c.scores.min() > 1e6,
    ("router", "drift"): lambda c: len({int(b.sum(axis=0).argmax()) for b in c.batches}) > 1,
    ("scheduler", "one-hot"): lambda c: (c.load > 0).sum() == 1,
    ("scheduler", "zero"): lambda c: (c.load == 0).any(),
    ("scheduler", "huge"): lambda c: c.load.max() > 2**24,
    ("scheduler", "uneven"): lambda c: len(set(c.hosts.sum(axis=1).tolist())) > 1,
    ("scheduler", "symmetric"): lambda c: (c.hosts.sum(axis=1) == 2).all(),
    ("scheduler", "sources"): lambda c: c.load.ndim == 2,
    ("scheduler", "drift"): lambda c: len(c.loads) > 1,
    ("placer", "one-hot"): lambda c: (c.load > 0).sum() == 1,
    ("placer", "zero"): lambda c: (c.load == 0).any(),
    ("placer", "huge"): lambda c: c.load.max() > 2**24,
    ("placer", "indivisible"): lambda c: c.load.sum() % c.num_devices != 0,
    ("placer", "groups"): lambda c: c.num_nodes > 1,
    ("placer", "drift"): lambda c: len(c.loads) > 1,
    ("planner", "one-hot"): lambda c: (c.load > 0).sum() == 1,
    ("planner", "zero"): lambda c: (c.load == 0).any(),
    ("planner", "huge"): lambda c: c.load.max() > 2**24,
    ("planner", "indivisible"): lambda c: c.load.sum() % len(c.slots) != 0,
    ("planner", "balanced"): lambda c: len(set(np.bincount(c.home, c.load).tolist())) == 1,
    ("planner", "no slots"): lambda c: (c.slots == 0).any(),
    ("planner", "uneven homes"): lambda c: len(set(np.bincount(c.home).tolist())) > 1,
    ("planner", "sources"): lambda c: c.loads[0].ndim == 2,
    ("planner", "drift"): lambda c: len(c.loads) > 1,
    ("predictor", "one-hot"): lambda c: (c.history.sum(axis=0) > 0).sum() == 1,
    ("predictor", "zero"): lambda c: (c.history == 0).any(),
    ("predictor", "huge"): lambda c: c.history.max() > 2**24,
    ("predictor", "short"): lambda c: len(c.history) < 5,
}
FLAGGED = [(role, vector, flag) for role, vector in ALL for flag in vector.flags if (role, flag) in HOLDS]


@pytest.mark.parametrize(("role", "vector", "flag"), FLAGGED, ids=[f"{v.id}-{f}" for _, v, f in FLAGGED])
def test_a_vector_is_what_its_flag_says(role, vector, flag):
    assert HOLDS[role, flag](vector.case)


@pytest.mark.parametrize("role", ROLES)
def test_flags_are_all_explained_and_all_used_and_ids_are_unique(role):
    explained = json.loads((FOLDER / f"{role}.json").read_text())["flags"]
    assert set(explained) == {flag for vector in vectors(role) for flag in vector.flags}
    ids = [vector.id for vector in vectors(role)]
    assert len(set(ids)) == len(ids)


def test_a_bottleneck_is_above_the_mean_and_above_every_expert():
    for vector in vectors("scheduler"):
        if "bottleneck" in vector.flags:
            load, devices = vector.case.load, vector.case.hosts
            alone = max(-(-int(tokens) // int(row.sum())) for tokens, row in zip(load, devices, strict=True))
            assert Fraction(vector.optimum) > max(-(-int(load.sum()) // devices.shape[1]), alone)
    for vector in vectors("planner"):
        if "bottleneck" in vector.flags:
            assert Fraction(vector.optimum) > -(-int(vector.case.load.sum()) // len(vector.case.slots))


@pytest.mark.parametrize("role", ROLES)
def test_known_cases_are_valid_and_come_smallest_first(role):
    cases = known_cases(role)
    assert all(known.case.valid for known in cases)
    assert [known.case.size for known in cases] == sorted(known.case.size for known in cases)
    assert {known.phase for known in cases} == {"vectors", "boundary"}
    assert len(cases) == len(vectors(role)) + len(all_roles()[role].boundaries)


def test_the_corpus_stays_small():
    assert sum(path.stat().st_size for path in FOLDER.glob("*.json")) < 1 << 20
    assert all(first(vector.case).size <= 1024 for _, vector in ALL)
