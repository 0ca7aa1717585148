"""Rows of the first version are read as rows of today, and a folder that holds them goes on."""

from fractions import Fraction

import polars
import pytest

from equipoise.study.rows import RowFile
from equipoise.study.run import ROWS, run_study
from equipoise.study.version1 import COLUMNS
from study_cases import small

COMMON = {"seed": 1, "source": "generated", "code": "c0de", "evidence": "certified", "seconds": 0.25}
OLD = [
    COMMON
    | {
        "key": "a",
        "role": "router",
        "method": "bip",
        "instance": "softmax/32x8k2/skew2",
        "gate": "softmax",
        "skew": 2.0,
    }
    | {"tokens": 32, "experts": 8, "top_k": 2, "found": "7/2", "certified_lower": "15/4", "certified_upper": "15/4"}
    | {"balanced": "3", "held_against": "exactly K", "gap": 0.125, "imbalance": 1.5, "min_vio": -0.5, "excess_peak": 2},
    COMMON
    | {"key": "b", "role": "scheduler", "method": "even", "instance": "zipf1/E16", "found": "594", "gap": 0.25}
    | {"certified_lower": "526", "certified_upper": "526", "held_against": "least peak", "imbalance": 1.25},
    COMMON
    | {"key": "c", "role": "placer", "method": "eplb", "instance": "zipf1/E16", "found": "1051/2", "gap": 0.0625}
    | {"certified_lower": "500", "held_against": "all placements", "imbalance": 1.0625},
    COMMON
    | {"key": "d", "role": "predictor", "method": "ema", "instance": "generated-drift-E4", "evidence": "none"}
    | {"horizon": 10, "forecasts": 4, "stable": 1, "error": 0.5, "floor": 0.25, "mean_error": 0.4, "mean_floor": 0.1},
    COMMON
    | {"key": "e", "role": "router", "method": "x:y", "instance": "i", "failure": "raises", "words": "it raised"},
]


@pytest.fixture
def folder(tmp_path):
    rows = [dict.fromkeys(COLUMNS) | {"evidence": "none"} | row for row in OLD]
    for row in rows:
        for name in ("found", "certified_lower", "certified_upper", "balanced"):
            row[f"{name}_value"] = None if row[name] is None else float(Fraction(row[name]))
    polars.DataFrame(rows, infer_schema_length=None).write_parquet(tmp_path / ROWS)
    return tmp_path


def test_every_value_is_under_the_name_that_its_audit_gives_it_and_exact_where_it_was(folder):
    router, scheduler, placer, predictor, failed = (row for [row] in RowFile(folder / ROWS).rows.values())
    assert (router.balancer, router.instance, router.seed) == ("bip", "softmax/32x8k2/skew2", 1)
    assert router.about == {"gate": "softmax", "skew": 2.0, "tokens": 32, "experts": 8, "top_k": 2}
    assert (router["score"], router["equal_peak_optimum"]) == (Fraction(7, 2), Fraction(15, 4))
    assert (router["relative_regret"], router["imbalance"], router["excess_peak"]) == (0.125, 1.5, 2)
    assert router.compared_with == "exactly K"
    assert (scheduler["peak"], scheduler["optimum"], scheduler["relative_excess"]) == (594, 526, 0.25)
    assert scheduler.evidence == router.evidence == {"optimum": "certified"}
    assert (placer["even_peak"], placer["even_bound"], placer["even_excess"]) == (Fraction(1051, 2), 500, 0.0625)
    assert placer.evidence == {"even bound": "bounded"}, "proved, and not met"
    assert (predictor["horizon"], predictor["judged"], predictor["stable"]) == (10, 4, 0.25)
    assert [predictor[f"{what}_{of}"] for of in ("step", "mean") for what in ("error", "floor")] == [
        0.5,
        0.25,
        0.4,
        0.1,
    ]
    assert (failed.kind, failed.error, failed.values, failed.evidence) == ("raises", "it raised", {}, {})
    assert not any(row.unproved for row in (router, scheduler, placer, predictor, failed))


def test_a_folder_goes_on_and_keeps_the_old_rows_beside_new_ones(folder):
    study = run_study(small(["topk"], skew="[0.0]", seeds="[0]"), folder)
    assert len(study.rows) == 2
    assert set(RowFile(folder / ROWS).rows) == {"a", "b", "c", "d", "e"} | {row.key for row in study.rows}
