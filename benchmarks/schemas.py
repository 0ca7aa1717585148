"""Write src/equipoise/schemas: the JSON schema of every document that Equipoise reads or writes.

    python benchmarks/schemas.py            # write the files
    python benchmarks/schemas.py FOLDER     # write them elsewhere

Rows, summaries and certificates are generated from the types in the code; the rest is stated here. A file's name ends
with the version that the documents carry under "schema" (certificates: "version").
"""

from __future__ import annotations

import inspect
import json
import sys
from fractions import Fraction
from pathlib import Path

import msgspec
from schema_placement import PLACEMENT
from schema_words import COUNT, FRACTION, NUMBER, ROLE, TEXT, TRUTH, WORDS, Schema, by_name, many, nullable, record

import equipoise
from equipoise.audits.measures import Measure
from equipoise.audits.role_audit import RoleAudit
from equipoise.audits.run import role_audit
from equipoise.certificates import problem_files
from equipoise.certificates.certificate import KINDS, certificate_type
from equipoise.monitor.records import End, Exact, Step
from equipoise.roles import all_roles
from equipoise.study.statistics import Interval
from equipoise.study.summary import Comparison, Condensed, Failures, Summary

FOLDER = Path(equipoise.__file__).parent / "schemas"

ARRAY = record(
    dtype={**TEXT, "description": "NumPy's, with byte order"},
    shape=many(COUNT),
    bytes={**TEXT, "description": "base64 of the entries in row-major order: what counts"},
    values={"description": "the same for people"},
)
STEPS: Schema = {**many(ARRAY), "minItems": 1, "description": "in order of time"}
LATER: Schema = {**many(ARRAY), "description": "of the later calls, in turn: slots, groups, nodes, devices"}
LIVE: Schema = {**many(ARRAY), "description": "of the calls, in turn: which devices there are"}
CASES = {
    "router": record(("num_groups", "topk_groups"), batches=STEPS, top_k=COUNT, num_groups=COUNT, topk_groups=COUNT),
    "scheduler": record(("live",), loads=STEPS, hosts=ARRAY, live=LIVE),
    "placer": record(
        ("machines", "live"),
        loads=STEPS,
        num_slots=COUNT,
        num_groups=COUNT,
        num_nodes=COUNT,
        num_devices=COUNT,
        machines=LATER,
        live=LIVE,
    ),
    "planner": record(loads=STEPS, home=ARRAY, slots=ARRAY),
    "predictor": record(history=ARRAY, horizon=COUNT),
    "metric": record(load=ARRAY, logits=ARRAY, experts=ARRAY),
}
RECIPE = record(sizes=many(COUNT), seed={"type": "integer"}) | {
    "description": "a large case of production sizes, which its check makes again"
}

FINDING = record(
    ("phase", "origin", "form", "declares"),
    schema={"const": "equipoise-finding/1"},
    id={"type": "string", "pattern": "^[0-9a-f]{6}$"},
    equipoise=TEXT,
    check=TEXT,
    role=ROLE,
    target=TEXT,
    severity={"enum": ["error", "warning"]},
    kind={**TEXT, "description": '"property", or how the target misbehaved: "raises", "hangs", "crashes", ...'},
    message=TEXT,
    phase={"enum": ["vectors", "boundary", "search", "sequence", "production"]},
    origin={**TEXT, "description": "name of the known case that it was made of"},
    form=nullable({**TEXT, "description": "name of the target's call form, where it was said"}),
    declares={**many(TEXT), "description": "what was declared for the target from outside"},
    better={"description": "a better answer, or null"},
    case={"anyOf": [*CASES.values(), RECIPE]},
)

CHECK = record(
    ("refusals", "statements", "misspelt", "warnings"),
    schema={"const": "equipoise-check/2"},
    target=TEXT,
    role=ROLE,
    passed=TRUTH,
    gave_up={**COUNT, "description": "checks that a time limit ended: neither passed nor failed"},
    refusals={
        **many(record(when={**TEXT, "description": "in the letters of the role"}, cases=COUNT, message=TEXT)),
        "description": "inputs that the target refuses, for information",
    },
    statements={**many(TEXT), "description": "what the target does where it promises nothing, for information"},
    misspelt={**many(TEXT), "description": "what it declares that its role nearly knows, each in a sentence"},
    warnings={**many(TEXT), "description": "failures that were expected in vain, each in a sentence"},
    checks=many(
        record(
            ("refused", "skipped", "finding"),
            check=TEXT,
            outcome={"enum": ["passed", "skipped", "gave up", "FAILED", "warning"]},
            cases=COUNT,
            refused={**COUNT, "description": "cases that the target refuses: they say nothing about it"},
            skipped={**TEXT, "description": "why"},
            finding=FINDING,
        )
    ),
)

PROBLEM = record(
    ("logits", "gate", "top_k", "capacity", "drop", "mask", "scores"),
    scores={**many(many(NUMBER)), "description": "[T, E]"},
    logits={**many(many(NUMBER)), "description": "[T, E], with gate, instead of scores"},
    gate={"enum": ["softmax", "sigmoid", "none"]},
    top_k=COUNT,
    capacity={"anyOf": [COUNT, many(COUNT)]},
    drop=TRUTH,
    mask={**many(TRUTH), "description": "[T], false for padding"},
) | {"anyOf": [{"required": ["scores"]}, {"required": ["logits", "gate"]}]}

SOLUTION = record(
    ("split", "flows", "physical_to_logical", "copies", "loads", "prices", "certificate"),
    schema={"const": "equipoise-solution/1"},
    problem=TEXT,
    status={"enum": ["optimal", "bounded", "infeasible", "unknown"]},
    evidence={"enum": ["certified", "searched", "cross-checked", "claimed"]},
    objective=nullable(FRACTION),
    lower=nullable(FRACTION),
    upper=nullable(FRACTION),
    grid_error=nullable(FRACTION),
    peak=nullable(NUMBER),
    max_vio=nullable(NUMBER),
    solver=TEXT,
    raw_status=TEXT,
    raw_objective=nullable(FRACTION),
    repairs=many(TEXT),
    seconds=NUMBER,
    certificate=nullable({**TEXT, "description": "file that it was written to"}),
    experts=nullable(many(many({"type": "integer", "minimum": -1}))),
    split=nullable({**many(many(NUMBER)), "description": "[E, G]"}),
    flows=nullable({**many(many(many(COUNT))), "description": "[G, E, G]"}),
    physical_to_logical=nullable(many({"type": "integer", "minimum": -1})),
    copies=nullable(many(many(TRUTH))),
    loads=nullable({**many(NUMBER), "description": "tokens of each expert (routing) or device"}),
    prices=nullable({**many(nullable(NUMBER)), "description": "[E], in units of the scores"}),
)

VERDICT = record(
    schema={"const": "equipoise-verdict/2"},
    verdict={"enum": ["VERIFIED", "REJECTED"]},
    status={"enum": ["optimal", "infeasible", "bounded", None], "description": "what is verified; null if rejected"},
    reason=TEXT,
    lower=nullable(FRACTION),
    upper=nullable(FRACTION),
    gap={**nullable(FRACTION), "description": "between answer and bound, as a share of the bound"},
)

VECTORS = record(
    schema={"const": "equipoise-vectors/1"},
    role=ROLE,
    flags={**WORDS, "description": "every flag and what it says"},
    vectors=many(
        record(
            id={"type": "string", "pattern": "^[a-z0-9-]+$"},
            flags={**many(TEXT), "minItems": 1},
            source=TEXT,
            case={"anyOf": list(CASES.values())},
            optimum=nullable(FRACTION),
            certificate=nullable({"type": "object", "description": "equipoise-certificate without its problem"}),
        )
    ),
)


BASELINE = record(
    schema={"const": "equipoise-baseline/2"},
    environment=WORDS,
    made={"type": "object", "description": "how the audit was made: role, passes, sizes, horizons, ..."},
    instances={**WORDS, "description": "hash by name"},
    gaps=by_name(by_name(by_name({"anyOf": [NUMBER, {"const": "inf"}]}))) | {"description": "by target and instance"},
)

SHAPE = record(
    **dict.fromkeys(("experts", "top_k", "expert_width", "vocabulary", "width", "layers", "heads", "length"), COUNT),
    gate={"enum": ["softmax", "sigmoid"]},
)
RECORDED_RUN = record(
    ("date", "bias_step", "validation_tokens", "regret_every", "threads"),
    name=TEXT,
    command={**TEXT, "description": "what makes the run again"},
    shape=SHAPE,
    balancing={**TEXT, "description": "name of the rule"},
    steps=COUNT,
    seed=COUNT,
    learning_rate=NUMBER,
    warmup=COUNT,
    aux_weight={**NUMBER, "description": "alpha of the balance loss, for a rule that has one"},
    bias_step={**NUMBER, "description": "u, for a rule that has one"},
    tokens_per_step=COUNT,
    validation_tokens=COUNT,
    regret_every=COUNT,
    threads=COUNT,
    corpus=record(source=TEXT, sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"}),
    versions=WORDS,
    machine=TEXT,
    date=TEXT,
    validation_perplexity={**by_name(NUMBER), "description": "by step"},
)
RECORDED = record(
    ("stream_layer",),
    schema={"const": "equipoise-recorded/1"},
    licence=TEXT,
    stream_layer={**COUNT, "description": "layer of the streams"},
    files=by_name(record(bytes=COUNT, sha256={"type": "string", "pattern": "^[0-9a-f]{64}$"})),
    runs={**by_name(RECORDED_RUN), "description": "by name"},
)


def typed(*types: type) -> tuple[list[Schema], Schema]:
    """References to dataclasses, and the definitions; infinities and NaN are written as null."""

    def hook(kind: type) -> Schema:
        assert kind is Fraction, kind
        return FRACTION

    references, definitions = msgspec.json.schema_components(types, schema_hook=hook, ref_template="#/$defs/{name}")
    for definition in definitions.values():
        if "description" in definition:  # Python 3.13 takes the indentation off docstrings, earlier ones leave it
            definition["description"] = inspect.cleandoc(definition["description"])
        for name, schema in definition.get("properties", {}).items():
            if schema == NUMBER:
                definition["properties"][name] = nullable(NUMBER)
    return list(references), definitions


def flat(kind: type) -> Schema:
    """A dataclass without others in it."""
    return typed(kind)[1][kind.__name__]


VALUES: dict[str, Schema] = {"score": FRACTION, "tokens": {"anyOf": [COUNT, FRACTION]}, "count": COUNT, "text": TEXT}
"""What stands in a row for a measure, by its unit; a number for all others."""


def measured(measure: Measure) -> Schema:
    """The value of a measure in a row."""
    words = {"description": measure.words} if measure.words else {}
    return nullable(VALUES.get(measure.unit, NUMBER)) | words


def audit() -> Schema:
    """An audit's document: whichever role it is of, rows and summaries have what its measures say."""
    ways = [way for role in all_roles() for own in [role_audit(role)] for way in (own, *own.variants.values())]
    head = {"role": {"enum": sorted(all_roles())}, "variant": TEXT, "trace": TEXT, "environment": WORDS}
    head |= {"options": {"type": "object"}, "about": {"type": "object"}, "notes": many(TEXT)}
    head["measures"] = many(record(name=TEXT, unit=TEXT, better=TEXT, words=TEXT))
    changes = many(record(target=TEXT, instance=TEXT, gap=TEXT, before=nullable(NUMBER), now=nullable(NUMBER)))
    compared = record(file=TEXT, worse=changes, better=changes, compared=COUNT, tolerance=NUMBER)
    head["verdict"] = {**TEXT, "description": "what was found and what to run next, in sentences"}
    whole = record(("baseline", "verdict"), schema={"const": "equipoise-audit/2"}, **head, baseline=compared)
    return {**whole, "anyOf": [_way(way) for way in ways]}


JUDGED: dict[str, Schema] = {
    "balancer": TEXT,
    "instance": TEXT,
    "error": nullable(TEXT),
    "kind": nullable(TEXT),
    "compared_with": TEXT,
    "evidence": WORDS,
    "warnings": many(TEXT),
}
"""What every row of an audit or a study has."""


def _way(way: RoleAudit) -> Schema:
    """What is particular to one role and variant."""
    row = record(
        tuple(measure.name for measure in way.measures),
        **JUDGED,
        **{measure.name: measured(measure) for measure in reversed(way.measures)},  # the first one says what a value is
    )
    aggregates = {f"{one.name}_{m.name}": nullable(NUMBER) for m in way.measures for one in m.aggregates}
    summary = record(
        balancer=TEXT,
        **{key: {} for key in way.group_by},
        instances=COUNT,
        errors=COUNT,
        refused={**COUNT, "description": "instances that the balancer does not take: not judged"},
        evidence=by_name(by_name(COUNT)),
        proved=COUNT,
        worst=TEXT,
        **aggregates,
    )
    parts = {"role": {"const": way.role}, "variant": {"const": way.variant}}
    return record(**parts, summary=many(summary), rows=many(row))


STUDY_ROW = record(
    key=TEXT,
    role=TEXT,
    seed=COUNT,
    source={"enum": ["generated", "recorded", "file"]},
    code={**TEXT, "description": "hash of the method's code"},
    **JUDGED,
) | {"description": "with what its instance is, and a value for every measure of its role, as in equipoise-audit-2"}


def study() -> Schema:
    """A study's document; its condensed quantities and intervals are records inside summaries and comparisons."""
    (failure, summary, comparison, *_), definitions = typed(Failures, Summary, Comparison, Condensed, Interval)
    document = record(
        schema={"const": "equipoise-study/2"},
        title=TEXT,
        environment=WORDS,
        summaries=many(summary),
        comparisons=many(comparison),
        failures=many(failure),
        rows=many(STUDY_ROW),
    )
    return {**document, "$defs": definitions}


def certificate() -> Schema:
    """A certificate file of any kind."""
    files = [certificate_type(kind).structure() for kind in KINDS]
    references, definitions = typed(*files)
    for kind, reference in zip(KINDS, references, strict=True):
        definition = definitions[reference["$ref"].rpartition("/")[2]]
        definition["properties"] |= {"kind": {"const": kind}, "version": {"const": 1}}
        definition["required"] = [*definition["required"], "kind", "version", "format"]
    return {"anyOf": references, "$defs": definitions}


def problem() -> Schema:
    """A problem file of any kind."""
    references, definitions = typed(*(problem_files.structure(kind) for kind in KINDS))
    return {"anyOf": references, "$defs": definitions}


def monitor() -> Schema:
    """A line of a monitored run."""
    references, definitions = typed(Step, Exact, End)
    return {"anyOf": references, "$defs": definitions}


def schemas() -> dict[str, Schema]:
    """Every schema by the name of its file."""
    found = {
        "equipoise-placement-1": PLACEMENT,
        "equipoise-problem-1": PROBLEM,
        "equipoise-problem-2": problem(),
        "equipoise-solution-1": SOLUTION,
        "equipoise-certificate-1": certificate(),
        "equipoise-verdict-2": VERDICT,
        "equipoise-check-2": CHECK,
        "equipoise-finding-1": FINDING,
        "equipoise-vectors-1": VECTORS,
        "equipoise-audit-2": audit(),
        "equipoise-study-2": study(),
        "equipoise-baseline-2": BASELINE,
        "equipoise-monitor-1": monitor(),
        "equipoise-recorded-1": RECORDED,
    }
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {name: {**head, "title": name, **schema} for name, schema in found.items()}


def main(folder: Path = FOLDER) -> None:
    folder.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (folder / f"{name}.json").write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
