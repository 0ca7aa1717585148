"""Certificate files: whole round trips, and one sentence for everything else."""

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from equipoise import AssignmentProblem, Certificate, EquipoiseError, InvalidFile, solve
from equipoise.certificates import certificate, files
from oracles import Statement, naive_check
from strategies_assignment import ALL, problems

PROBLEM = AssignmentProblem([[0.5, 0.25], [1.0, 0.75], [0.0, 0.5]], 1, mask=[True, True, False])
DOCUMENT = {
    "problem_sha256": "",
    "exponent": 2,
    "experts": [[1], [0], [-1]],
    "prices": [1, 0],
    "problem": {
        "scores": [[2, 1], [4, 3], [0, 2]],
        "top_k": 1,
        "capacity": [1, 1],
        "drop": False,
        "mask": [True, True, False],
        "exponent": 2,
        "grid_error": "0",
    },
    "format": "equipoise-certificate",
    "version": 1,
    "kind": "assignment",
}


@pytest.fixture(scope="module")
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("certificates") / "c.json"


@pytest.fixture
def document(path) -> dict:
    solve(PROBLEM).certificate.save(path)
    return json.loads(path.read_bytes())


def load(path: Path, content) -> Certificate:
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return Certificate.load(path)


def assert_refused(path: Path, content) -> str:
    with pytest.raises(InvalidFile) as caught:
        load(path, content)
    text = str(caught.value)
    assert isinstance(caught.value, EquipoiseError)
    assert "\n" not in text
    assert len(text.replace(str(path), "")) < 300
    return text


@given(problem=problems(ALL))
def test_saved_certificates_are_loaded_with_the_same_verdict(path, problem):
    certificate = solve(problem).certificate
    certificate.save(path)
    loaded = Certificate.load(path)
    assert loaded.verify() == loaded.verify(problem) == certificate.verify(problem)
    np.testing.assert_array_equal(loaded.experts, certificate.experts)
    np.testing.assert_array_equal(loaded.prices, certificate.prices)
    assert (loaded.exponent, loaded.digest) == (certificate.exponent, certificate.digest)
    assert Statement.of(loaded.statement) == Statement.of(certificate.statement)


def test_the_file_is_the_documented_one(document):
    expected = {**DOCUMENT, "problem_sha256": document["problem_sha256"]}
    assert document == expected
    assert len(document["problem_sha256"]) == 64


def embed_below(monkeypatch, size: int) -> None:
    """Set the limit where this kind of certificate looks it up."""
    monkeypatch.setattr(certificate, "EMBED_BELOW", size)


def test_large_problems_stay_outside_and_are_then_needed(path, monkeypatch):
    embed_below(monkeypatch, PROBLEM.grid.values.nbytes)
    solve(PROBLEM).certificate.save(path)
    assert json.loads(path.read_bytes())["problem"] is None
    loaded = Certificate.load(path)
    assert loaded.verify(PROBLEM).valid
    assert loaded.verify().reason == "the certificate does not contain its problem; give the problem"
    loaded.save(path)
    assert Certificate.load(path).verify(PROBLEM).valid


def test_problems_below_the_limit_are_inside(path, monkeypatch):
    embed_below(monkeypatch, PROBLEM.grid.values.nbytes + 1)
    solve(PROBLEM).certificate.save(path)
    assert Certificate.load(path).verify().valid


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("scores", [[2, 1], [4, 3], [0, 3]]),
        ("scores", [[2, 1], [4, 3]]),
        ("top_k", 2),
        ("capacity", [2, 2]),
        ("drop", True),
        ("mask", None),
        ("mask", [True, True, True]),
        ("exponent", 3),
    ],
)
def test_tampered_embedded_problem_is_rejected(path, document, field, value):
    document["problem"][field] = value
    if field == "scores" and len(value) == 2:
        document["problem"]["mask"] = [True, True]
    verdict = load(path, document).verify()
    assert not verdict.valid
    assert "hashes differ" in verdict.reason or "grid exponent" in verdict.reason
    assert verdict.lower is None
    assert verdict.upper is None


def leaves(value, at=()):
    """Paths to every number, text, flag and list in a document."""
    if isinstance(value, dict | list):
        if at:
            yield at
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(item, (*at, key))
    else:
        yield at


def changed(value, at, new):
    """A copy with ``new`` in one place."""
    if not at:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[at[0]] = changed(value[at[0]], at[1:], new)
    return copy


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=6,
)
VALUES = VALUES | st.sampled_from(
    [2**61, 2**63, 2**64, 10**400, "1/0", "1/3", "9" * 500, "\n", "a\nb" * 200, -1100, 1200]
)


@given(data=st.data())
def test_a_file_with_one_value_replaced_is_refused_rejected_or_still_provably_valid(path, data):
    solve(PROBLEM).certificate.save(path)
    document = json.loads(path.read_bytes())
    where = data.draw(st.sampled_from(list(leaves(document))))
    document = changed(document, where, data.draw(VALUES))
    if data.draw(st.booleans()) and well_formed(document):
        document["problem_sha256"] = statement_in(document).digest
    try:
        certificate = load(path, document)
    except InvalidFile:
        assert_refused(path, document)
        return
    verdict = certificate.verify()
    assert verdict.valid == (document["problem"] is not None and provably_valid(document))
    assert not certificate.verify(PROBLEM).valid or document["problem_sha256"] == solve(PROBLEM).certificate.digest


def well_formed(document) -> bool:
    try:
        statement_in(document)
    except (TypeError, ValueError, KeyError, AttributeError, OverflowError, ArithmeticError, LookupError):
        return False
    except Exception as error:  # struct.error has no better name
        assert type(error).__name__ == "error"  # noqa: PT017
        return False
    return True


def statement_in(document) -> Statement:
    inside = document["problem"]
    form = (inside["top_k"], inside["capacity"], inside["drop"], inside["mask"])
    statement = Statement(inside["scores"], *form, inside["exponent"], Fraction(inside["grid_error"]))
    assert statement.digest
    return statement


def provably_valid(document) -> bool:
    statement = statement_in(document)
    same = statement.digest == document["problem_sha256"] and statement.exponent == document["exponent"]
    return same and naive_check(statement, document["experts"], document["prices"]).valid


@given(content=st.binary(max_size=60) | st.text(max_size=60).map(str.encode) | VALUES.map(json.dumps).map(str.encode))
@example(content=b"")
@example(content=b"\xef\xbb\xbf{}")
@example(content=b"[" * 100_000)
@example(content=b'{"format":' * 20_000)
@example(content=b'{"format":"\\ud800","version":1,"kind":"assignment"}')
@example(content=b'{"format":"equipoise-certificate","version":' + b"9" * 5000 + b"}")
def test_bytes_that_are_no_certificate_are_refused_in_one_sentence(path, content):
    assert "is not a certificate" in assert_refused(path, content)


@given(cut=st.floats(0, 0.999))
def test_a_truncated_file_is_refused(path, cut):
    solve(PROBLEM).certificate.save(path)
    content = path.read_bytes().rstrip()
    assert "is not a certificate" in assert_refused(path, content[: int(len(content) * cut)])


MISSHAPEN = {
    "another format": ("format", "x" * 999, "its format is 'xxx"),
    "newer version": ("version", 2, "has format version 2; this version reads 1"),
    "enormous version": ("version", 10**300, "has format version 1000"),
    "another kind": ("kind", "placement" * 99, "unknown kind 'placement"),
    "no rows": ("experts", [], "experts has shape (0,)"),
    "empty rows": ("experts", [[], []], "experts has shape (2, 0)"),
    "ragged rows": ("experts", [[0], [0, 1]], "experts is ragged or holds a number beyond 64 bits"),
    "beyond 64 bits": ("prices", [2**63, 0], "prices is ragged or holds a number beyond 64 bits"),
    "float": ("prices", [0.5, 0], "Expected `int`, got `float`"),
    "boolean": ("prices", [True, 0], "Expected `int`, got `bool`"),
    "no prices": ("prices", [], "prices has shape (0,)"),
    "huge exponent": ("exponent", 1201, "<= 1200"),
    "tiny exponent": ("exponent", -1101, ">= -1100"),
    "extra field": ("extra\nfield" * 50, 1, "unknown field"),
}


@pytest.mark.parametrize(("field", "value", "words"), MISSHAPEN.values(), ids=MISSHAPEN)
def test_misshapen_fields_are_refused_by_name(path, document, field, value, words):
    assert words in assert_refused(path, {**document, field: value})


MISSTATED = {
    "no experts per token": ("top_k", 0, "problem.top_k is 0; allowed: 1 to E=2"),
    "too many experts per token": ("top_k", 3, "problem.top_k is 3; allowed: 1 to E=2"),
    "short capacity": ("capacity", [1], "problem.capacity has 1 entries; allowed: E=2"),
    "long mask": ("mask", [True] * 4, "problem.mask has 4 entries; allowed: T=3"),
    "no scores": ("scores", [], "scores has shape (0,)"),
    "ragged scores": ("scores", [[1, 2], [3]], "scores is ragged"),
    "drop as a number": ("drop", 1, "Expected `bool`, got `int`"),
    "negative error": ("grid_error", "-1/2", "problem.grid_error is '-1/2'; allowed: a fraction"),
    "endless error": ("grid_error", "1/0", "problem.grid_error is '1/0'"),
    "infinite error": ("grid_error", "inf", "problem.grid_error is 'inf'"),
    "float error": ("grid_error", "0.5", "problem.grid_error is '0.5'"),
    "long error": ("grid_error", "9" * 5000, "problem.grid_error is '999"),
    "error in other digits": ("grid_error", "\u0661", "problem.grid_error is"),
}


@pytest.mark.parametrize(("field", "value", "words"), MISSTATED.values(), ids=MISSTATED)
def test_a_problem_that_cannot_be_is_refused_by_name(path, document, field, value, words):
    document["problem"][field] = value
    assert words in assert_refused(path, document)


@pytest.mark.parametrize("field", sorted(set(DOCUMENT) - {"problem"}))
def test_every_field_is_needed(path, document, field):
    del document[field]
    assert f"missing required field `{field}`" in assert_refused(path, document)


def test_files_that_cannot_be_read_or_written_are_refused(path, tmp_path, monkeypatch):
    certificate = solve(PROBLEM).certificate
    with pytest.raises(InvalidFile, match="cannot be read: No such file"):
        Certificate.load(tmp_path / "missing.json")
    with pytest.raises(InvalidFile, match="cannot be read: Is a directory"):
        Certificate.load(tmp_path)
    with pytest.raises(InvalidFile, match="cannot be written: No such file"):
        certificate.save(tmp_path / "missing" / "c.json")
    monkeypatch.setattr(files, "LARGEST_FILE", 10)
    certificate.save(path)
    assert "bytes; a file of its kind has at most 10" in assert_refused(path, path.read_bytes())


def test_a_failed_save_leaves_the_old_file_and_no_debris(tmp_path, monkeypatch):
    target = tmp_path / "c.json"
    target.write_text("old")

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(InvalidFile, match="No space left"):
        solve(PROBLEM).certificate.save(target)
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("c.json", "old")]
