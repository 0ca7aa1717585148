"""Format version 1 of certificate files, held by files of every kind that earlier code wrote; and what is refused."""

import json
import os
import time
from fractions import Fraction
from pathlib import Path

import pytest

from command_line import run
from equipoise import Certificate, InvalidFile
from equipoise.certificates.certificate import KINDS

LINES = (Path(__file__).parent / "golden_certificates.jsonl").read_bytes().splitlines(keepends=True)
DOCUMENTS = [json.loads(line) for line in LINES]
NAMES = [f"{number}-{document['kind']}" for number, document in enumerate(DOCUMENTS)]


def first(kind: str, **fields) -> dict:
    """The first golden document of a kind whose problem has these fields, to be changed."""
    return next(
        json.loads(line)
        for line, document in zip(LINES, DOCUMENTS, strict=True)
        if document["kind"] == kind and fields.items() <= (document["problem"] or {}).items()
    )


def written(path: Path, document: dict) -> Path:
    path.write_text(json.dumps(document))
    return path


def test_there_are_golden_files_of_every_kind():
    assert {document["kind"] for document in DOCUMENTS} == set(KINDS)
    placements = {document["argument"] for document in DOCUMENTS if document["kind"] == "placement"}
    assert placements == {"mean", "replica", "component", "deal", "groups"}
    replications = {document["argument"] for document in DOCUMENTS if document["kind"] == "replication"}
    assert replications == {"dual", "partition"}
    migrations = {document["argument"] for document in DOCUMENTS if document["kind"] == "migration"}
    assert migrations == {"count", "weights", "mean"}


@pytest.mark.parametrize("line", LINES, ids=NAMES)
def test_a_golden_file_loads_verifies_and_is_written_again_byte_for_byte(tmp_path, line):
    path = tmp_path / "c.json"
    path.write_bytes(line)
    certificate = Certificate.load(path)
    certificate.save(path)
    assert path.read_bytes() == line
    stated = certificate.statement is not None
    assert certificate.verify().valid == stated
    assert not stated or certificate.statement.digest == json.loads(line)["problem_sha256"]


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_a_golden_file_with_another_hash_is_rejected(tmp_path, document):
    for other in ("", "0" * 64):
        verdict = Certificate.load(written(tmp_path / "c.json", {**document, "problem_sha256": other})).verify()
        assert not verdict.valid
        assert document["problem"] is None or "hashes differ" in verdict.reason


@pytest.mark.parametrize("document", DOCUMENTS, ids=NAMES)
def test_a_field_that_is_given_twice_is_refused_wherever_it_stands(tmp_path, document):
    path, text = tmp_path / "c.json", json.dumps(document)
    spare = json.dumps({name: value for name, value in document.items() if name != "problem"})
    twice = [text[:-1] + f', "{name}": {json.dumps(value)}}}' for name, value in document.items()]
    twice += [spare[:-1] + ', "kind": "' + document["kind"] + '"}', spare[:-1] + ', "k\\u0069nd": "x"}']
    if document["problem"] is not None:
        name, value = next(iter(document["problem"].items()))
        twice.append(text.replace('"problem": {', f'"problem": {{"{name}": {json.dumps(value)}, '))
    for content in twice:
        path.write_text(content)
        with pytest.raises(InvalidFile, match=r"twice|unknown kind"):
            Certificate.load(path)
    path.write_text(spare)
    assert Certificate.load(path).statement is None


def test_a_name_in_a_text_is_not_taken_for_a_field(tmp_path):
    document = {**first("placement"), "argument": 'x": 1, "kind": "y'}
    assert not Certificate.load(written(tmp_path / "c.json", document)).verify().valid


def test_files_that_are_not_regular_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", Path("/dev/zero")):
        with pytest.raises(InvalidFile, match="not a regular file"):
            Certificate.load(path)


def test_numbers_of_many_digits_are_refused(tmp_path):
    document = {**first("scheduling"), "denominator": 10**400}
    with pytest.raises(InvalidFile, match="denominator has more than 400 digits"):
        Certificate.load(written(tmp_path / "c.json", document))


def test_rounding_beyond_a_step_of_the_grid_is_refused(tmp_path):
    document = first("assignment")
    document["problem"]["grid_error"] = "9" * 400
    with pytest.raises(InvalidFile, match=r"problem.grid_error is 9+; allowed: a fraction up to 2\^"):
        Certificate.load(written(tmp_path / "c.json", document))


@pytest.mark.parametrize("change", [{"denominator": 2}, {"denominator": 0}, {"split": [[1]]}])
def test_an_even_placement_has_no_split_and_denominator_one(tmp_path, change):
    certificate = Certificate.load(written(tmp_path / "c.json", {**first("placement", split="even"), **change}))
    assert "share evenly" in certificate.verify().reason


def test_multipliers_of_many_digits_are_rejected_quickly(tmp_path):
    document = first("communication")
    devices = 700
    document["problem"] |= {"source_load": [[1]] * devices, "hosts": [[1] * devices]}
    for name in ("load", "send", "receive"):
        document[name] = [f"1/{10**399 + number}" for number in range(devices)]
    loaded = Certificate.load(written(tmp_path / "c.json", document))
    document["problem_sha256"] = loaded.statement.digest
    written(tmp_path / "c.json", document)
    start = time.monotonic()
    done = run(tmp_path, "verify", "c.json")
    assert done.returncode == 1
    assert "REJECTED: the multipliers have a common denominator of more than 2000 digits" in done.stdout
    assert time.monotonic() - start < 20


def test_multipliers_of_some_hundred_digits_are_added_up(tmp_path):
    document = first("communication")
    tiny = Fraction(1, 10**399)
    document["load"][0] = str(Fraction(document["load"][0]) + tiny)
    verdict = Certificate.load(written(tmp_path / "c.json", document)).verify()
    assert "add up to something else" in verdict.reason
