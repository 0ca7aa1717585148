"""Rows of studies of the first version, ``equipoise-study-row/1``, as rows of today: read, never written."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

HEAD = ("key", "role", "seed", "source", "code", "instance")
ABOUT = ("gate", "skew", "tokens", "experts", "top_k", "horizon")
ERRORS = {"error": "error_step", "floor": "floor_step", "mean_error": "error_mean", "mean_floor": "floor_mean"}
SAME = ("imbalance", "min_vio", "excess_peak", "seconds")
NAMES = {
    "router": {
        "found": "score",
        "certified_upper": "equal_peak_optimum",
        "balanced": "balanced_optimum",
        "gap": "relative_regret",
    },
    "scheduler": {"found": "peak", "certified_lower": "optimum", "gap": "relative_excess"},
    "placer": {"found": "even_peak", "certified_lower": "even_bound", "gap": "even_excess"},
    "predictor": ERRORS,
}
"""What was measured, by role: its name then and now."""

PROVED = {"router": "optimum", "scheduler": "optimum", "placer": "even bound"}
EXACT = ("found", "certified_lower", "certified_upper", "balanced")
OTHERS = ("method", "failure", "words", "evidence", "held_against", "gap", "forecasts", "stable")
COLUMNS = (*HEAD, *ABOUT, *EXACT, *(f"{name}_value" for name in EXACT), *ERRORS, *SAME, *OTHERS)


def converted(row: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a row: names as they are now, values as they were.

    Placers were called certified where a bound was proved, whether it was met or not: that is "bounded" where no upper
    bound was proved too.
    """
    role, failed = row["role"], row["failure"] is not None
    about = {name: row[name] for name in ABOUT} | {"judged": row["forecasts"]}
    values = {now: row[then] for then, now in NAMES[role].items()} | {name: row[name] for name in SAME}
    for then, now in NAMES[role].items():
        if then in EXACT and row[then] is not None:
            values[now] = Fraction(row[then])
    if row["forecasts"]:
        values["stable"] = row["stable"] / row["forecasts"]
    word = "bounded" if role == "placer" and row["certified_upper"] is None else row["evidence"]
    return {
        **{name: row[name] for name in HEAD},
        "balancer": row["method"],
        "about": {name: value for name, value in about.items() if value is not None},
        "values": {} if failed else {name: value for name, value in values.items() if value is not None},
        "compared_with": row["held_against"] or "",
        "evidence": {} if failed or role not in PROVED else {PROVED[role]: word},
        "error": row["words"],
        "kind": row["failure"],
    }
