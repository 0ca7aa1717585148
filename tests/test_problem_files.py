"""Problem files: every kind is read from the page's example, written and read again, and bad files are one sentence."""

import json
import re
from pathlib import Path

import pytest
from msgspec.structs import fields

from equipoise import InvalidFile, cli, solve
from equipoise.certificates import problem_files
from equipoise.certificates.certificate import KINDS, certificate_type

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "problem-files.md"
TEXT = PAGE.read_text() if PAGE.exists() else ""
SECTIONS = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))
EXAMPLES = {kind: re.findall(r"^```json\n(.*?)^```", text, re.MULTILINE | re.DOTALL) for kind, text in SECTIONS.items()}

pytestmark = pytest.mark.skipif(not TEXT, reason="the tests run outside a checkout: docs/ is not here")


def run(capsys, *arguments):
    return cli.run([str(one) for one in arguments]), *capsys.readouterr()


def written(folder, kind, /, **changes):
    path = folder / f"{kind}.json"
    path.write_text(json.dumps({**json.loads(EXAMPLES[kind][0]), **changes}))
    return path


def test_the_page_has_every_kind_and_all_its_fields_optional_ones_in_brackets():
    assert sorted(SECTIONS) == sorted(KINDS)
    for kind in KINDS:
        for field in fields(problem_files.structure(kind))[2:]:
            shown = f"`{field.name}`" if field.required else f"[`{field.name}`]"
            assert re.search(r"(?<!\[)" + re.escape(shown), SECTIONS[kind]), (kind, shown)


@pytest.mark.parametrize("kind", KINDS)
def test_the_example_of_a_kind_is_solved_and_its_certificate_is_verified(kind, tmp_path, capsys):
    path, proof = written(tmp_path, kind), tmp_path / "proof.json"
    code, out, err = run(capsys, "solve", path, "-o", proof, "--format", "json")
    assert (code, err) == (0, "")
    assert json.loads(out)["status"] == "optimal"
    assert run(capsys, "verify", proof, "--problem", path)[0] == 0
    assert run(capsys, "verify", proof)[1].startswith("VERIFIED")


@pytest.mark.parametrize("kind", KINDS)
def test_a_problem_is_the_same_when_its_file_is_written_and_read_again(kind, tmp_path):
    first = problem_files.read(written(tmp_path, kind))
    again = tmp_path / "again.json"
    again.write_text(json.dumps(problem_files.plain(first)))
    statement = certificate_type(kind).STATEMENT
    assert statement.of(problem_files.read(again)).digest == statement.of(first).digest
    assert solve(first).objective == solve(problem_files.read(again)).objective


BAD = {
    "another schema": ("placement", {"schema": "equipoise-problem/9"}, "schema 'equipoise-problem/9'; allowed"),
    "another kind": ("placement", {"kind": "packing"}, "of kind 'packing'; allowed: assignment, limited"),
    "an unknown field": ("placement", {"colour": 1}, "unknown field `colour`"),
    "another type": ("placement", {"num_slots": "six"}, "Expected `int`, got `str` - at `num_slots`"),
    "other sizes": ("scheduling", {"hosts": [[1, 1, 0]]}, "hosts has 1 entries; allowed: E=3"),
    "a ragged array": ("scheduling", {"hosts": [[1, 1], [0, 1, 1], [1]]}, "hosts is ragged"),
    "neither 0 nor 1": ("scheduling", {"hosts": [[2, 1, 0], [0, 1, 1], [1, 0, 1]]}, "hosts holds something else"),
    "no such problem": ("placement", {"num_slots": 3}, "num_slots is 3"),
    "no fraction": ("communication", {"alpha": "half"}, "alpha is 'half'; allowed: a fraction"),
    "a limit beyond": ("limited", {"limits": [{"capacity": 1, "tokens": [9], "experts": [0]}]}, "does not exist"),
    "an inner problem": ("migration", {"placement": {"load": [1], "num_slots": 1}}, "missing required field"),
    "moves below zero": ("migration", {"most_moves": -1}, "most_moves is too small"),
    "a list": ("limited", {"assignment": [1]}, "Expected `object`, got `array`"),
}


@pytest.mark.parametrize(("kind", "changes", "words"), BAD.values(), ids=BAD)
def test_a_bad_file_is_one_sentence_and_exit_code_2(kind, changes, words, tmp_path, capsys):
    code, out, err = run(capsys, "solve", written(tmp_path, kind, **changes))
    assert (code, out) == (2, "")
    assert words in " ".join(err.split())
    assert "Traceback" not in err


def test_a_missing_field_a_field_given_twice_and_no_number_are_refused(tmp_path, capsys):
    path, text = tmp_path / "p.json", EXAMPLES["placement"][0].strip()
    for content, words in (
        (text.replace('"num_slots": 6, ', ""), "num_slots"),
        (text.replace('"num_slots": 6', '"num_slots": 6, "num_slots": 7'), "'num_slots' twice"),
        (text.replace("[9, ", "[NaN, "), "NaN"),
        (text.replace("[9, ", "[1e400, "), "load"),
    ):
        path.write_text(content)
        with pytest.raises(InvalidFile, match=words):
            problem_files.read(path)
        assert run(capsys, "solve", path)[0] == 2


def test_what_is_no_problem_file_is_left_to_others_and_options_are_not_for_problem_files(tmp_path, capsys):
    path = tmp_path / "scores.json"
    for content in ('{"scores": [[1, 2]], "top_k": 1}', "[1, 2]", "{", '{"schema": "equipoise-check/2"}', ""):
        path.write_text(content)
        assert problem_files.read(path) is None
    code, _, err = run(capsys, "solve", written(tmp_path, "placement"), "--top-k", "2")
    assert code == 2
    assert "states its whole problem" in err


def test_a_problem_without_an_answer_exits_with_1_and_its_proof_is_written(tmp_path, capsys):
    limits = [{"capacity": 3, "tokens": [0, 1, 2, 3], "experts": [0, 1, 2, 3]}]
    code, out, _ = run(capsys, "solve", written(tmp_path, "limited", limits=limits), "--format", "json")
    assert (code, json.loads(out)["status"]) == (1, "infeasible")
