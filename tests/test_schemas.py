"""The published JSON schemas: written by their generator, and held by what the commands really write and read."""

import copy
import importlib.util
import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest

import equipoise
from command_line import run
from equipoise import (
    AssignmentProblem,
    CommunicationProblem,
    FewExpertsProblem,
    GroupLimitedProblem,
    Limit,
    LimitedProblem,
    MigrationProblem,
    PlacementProblem,
    ReplicationProblem,
    SchedulingProblem,
    TrafficProblem,
    solve,
)
from equipoise.certificates import problem_files
from equipoise.certificates.certificate import KINDS
from equipoise.checks.engine import known
from study_cases import SMALL

FOLDER = Path(equipoise.__file__).parent / "schemas"
GENERATOR = Path(__file__).parents[1] / "benchmarks" / "schemas.py"
SCHEMAS = {path.stem: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
SCORES = np.random.default_rng(0).random((12, 4))
HOSTS = np.array([[1, 1, 0], [0, 1, 1], [1, 0, 1]], bool)
SOURCES = np.array([[3, 0, 4], [1, 5, 0], [2, 2, 2]])
ASSIGNMENT = AssignmentProblem(SCORES, 2)
PROBLEMS = {
    "assignment": ASSIGNMENT,
    "limited": LimitedProblem(ASSIGNMENT, [Limit(12, experts=[0, 1])]),
    "group-limited": GroupLimitedProblem(AssignmentProblem(SCORES, 2, 12), 2, 1),
    "few-experts": FewExpertsProblem(ASSIGNMENT.with_capacity(12), 2),
    "scheduling": SchedulingProblem([9, 4, 3], HOSTS),
    "traffic": TrafficProblem(SOURCES, HOSTS, [8, 8, 8], 1 - np.eye(3, dtype=int)),
    "communication": CommunicationProblem(SOURCES, HOSTS, 1),
    "placement": PlacementProblem([9, 4, 3], 6, 3),
    "replication": ReplicationProblem([9, 4, 3], [0, 1, 2], 3, 1),
    "migration": MigrationProblem(PlacementProblem([9, 4, 3], 6, 3), [0, 1, 1, 2, 2, 0], 1),
}


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """What the commands write, by the name of its schema."""
    folder = tmp_path_factory.mktemp("documents")
    problem = {"scores": SCORES.tolist(), "top_k": 2, "capacity": [6, 6, 6, 6], "mask": [True] * 12}
    (folder / "problem.json").write_text(json.dumps(problem))
    np.savez(folder / "loads.npz", load=np.random.default_rng(1).integers(0, 50, (2, 8)))
    np.savez(folder / "series.npz", load=np.random.default_rng(3).integers(0, 50, (20, 1, 8)))
    np.savez(folder / "trace.npz", scores=np.random.default_rng(2).random((2, 16, 4)), top_k=2)
    (folder / "routers.py").write_text(
        "import numpy as np\n\n\ndef worst(scores, top_k):\n    return np.argsort(scores, axis=1)[:, :top_k]\n"
        "\n\ndef breaks(scores, top_k):\n    raise ValueError('no')\n"
        "\n\ndef cannot(history, horizon):\n    from equipoise.errors import TargetUnable\n"
        "    raise TargetUnable('too little is known')\n"
    )

    def written(code, *arguments):
        done = run(folder, *arguments, "--format", "json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    routers = (
        SMALL.replace('["topk", ', '["topk", "routers:breaks", ').replace("[0, 1]", "[0]", 1).split("[figures]")[0]
    )
    (folder / "study.toml").write_text(routers)
    check = written(1, "check", "routers:worst", "--examples", 5)
    recordings = Path(equipoise.__file__).parent / "traces" / "recorded"
    found = {
        "equipoise-problem-1": [problem],
        "equipoise-problem-2": [problem_files.plain(one) for one in PROBLEMS.values()],
        "equipoise-solution-1": [written(0, "solve", "problem.json", "-o", "proof.json")],
        "equipoise-verdict-2": [written(0, "verify", "proof.json")],
        "equipoise-certificate-1": [json.loads((folder / "proof.json").read_text())],
        "equipoise-check-2": [check],
        "equipoise-finding-1": [json.loads(path.read_text()) for path in (folder / ".equipoise").glob("*.json")],
        "equipoise-vectors-1": [json.loads(path.read_text()) for path in known.FOLDER.glob("*.json")],
        "equipoise-audit-2": [
            written(1, "audit", "bip", "routers:breaks", "--trace", "trace.npz"),
            written(0, "audit", "bip", "--trace", "trace.npz", "--stream"),
            written(0, "audit", "even", "lplb", "--trace", "loads.npz"),
            written(0, "audit", "eplb", "random", "--trace", "loads.npz", "--time-limit", 1),
        ],
        "equipoise-study-2": [written(1, "study", "study.toml")],
        "equipoise-recorded-1": [json.loads(path.read_text()) for path in recordings.glob("*.json")],
    }
    lines: list = []
    with equipoise.Monitor([lines.append], exact_every=1) as monitor:
        monitor.step(SCORES, np.argsort(-SCORES, axis=1)[:, :2], bias=np.zeros(4))
    found["equipoise-monitor-1"] = json.loads(json.dumps(lines))
    predictor = ("audit", "--role", "predictor", "ema", "routers:cannot", "--trace", "series.npz", "--horizon", 5)
    found["equipoise-audit-2"].append(written(0, *predictor, "--baseline", "b.json", "--update-baseline"))
    found["equipoise-audit-2"].append(written(0, *predictor, "--baseline", "b.json"))
    found["equipoise-audit-2"].append(written(0, *predictor, "--value"))
    found["equipoise-baseline-2"] = [json.loads((folder / "b.json").read_text())]
    for kind, stated in PROBLEMS.items():
        certificate = solve(stated).certificate
        if certificate is not None:
            certificate.save(folder / f"{kind}.json")
            found["equipoise-certificate-1"].append(json.loads((folder / f"{kind}.json").read_text()))
    slots = np.stack([np.arange(12) % 8] * 2)
    (folder / "map.json").write_text(json.dumps({"physical_to_logical_map": slots.tolist()}))
    machine = ("--slots", 12, "--devices", 4)
    found["equipoise-placement-1"] = [
        written(0, "place", "loads.npz", *machine, "--current", "map.json"),
        written(0, "place", "series.npz", *machine, "--split", "free", "--lag", "--window", 10),
    ]
    assert {document["kind"] for document in found["equipoise-certificate-1"]} >= set(PROBLEMS) - {"group-limited"}
    return found


def test_the_files_are_what_their_generator_writes(tmp_path, monkeypatch):
    if not GENERATOR.exists():
        pytest.skip("the tests run outside a checkout: benchmarks/ is not here")
    monkeypatch.syspath_prepend(GENERATOR.parent)
    specification = importlib.util.spec_from_file_location("schemas_generator", GENERATOR)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    module.main(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        path.name: path.read_text() for path in FOLDER.glob("*.json")
    }


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one(name):
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[name])
    assert SCHEMAS[name]["title"] == name


@pytest.mark.parametrize("name", SCHEMAS)
def test_what_is_really_written_and_read_satisfies_its_schema(documents, name):
    validator = jsonschema.Draft202012Validator(SCHEMAS[name])
    assert documents[name]
    for document in documents[name]:
        assert [error.message[:300] for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_refuses_a_document_without_any_one_of_the_parts_it_requires(documents, name):
    validator = jsonschema.Draft202012Validator(SCHEMAS[name])
    document = documents[name][0]
    for part in SCHEMAS[name].get("required", []):
        assert not validator.is_valid({key: value for key, value in document.items() if key != part}), part
    assert not validator.is_valid([])
    assert not validator.is_valid({})


@pytest.mark.parametrize("name", sorted(set(SCHEMAS) - {"equipoise-problem-1", "equipoise-certificate-1"}))
def test_a_schema_refuses_another_version(documents, name):
    document = copy.deepcopy(documents[name][0])
    document["schema"] = document["schema"][:-1] + "9"
    assert not jsonschema.Draft202012Validator(SCHEMAS[name]).is_valid(document)


def test_every_kind_of_certificate_has_its_schema():
    kinds = {
        part["properties"]["kind"]["const"]
        for part in SCHEMAS["equipoise-certificate-1"]["$defs"].values()
        if "kind" in part["properties"]
    }
    assert kinds == set(KINDS)


def test_list_names_every_schema_and_where_it_is(tmp_path):
    listed = json.loads(run(tmp_path, "list", "--format", "json").stdout)["schemas"]
    assert {entry["name"] for entry in listed} == set(SCHEMAS)
    assert all(Path(entry["path"]).is_file() for entry in listed)
