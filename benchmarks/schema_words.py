"""What schemas are written with: the kinds of values that documents have in common."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

FRACTION: Schema = {"type": "string", "pattern": "^-?[0-9]+(/[0-9]+)?$", "description": "exact, p/q or p"}
TEXT: Schema = {"type": "string"}
TRUTH: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
NUMBER: Schema = {"type": "number"}
ROLE: Schema = {"enum": ["router", "scheduler", "placer", "planner", "predictor", "metric"]}


def nullable(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def by_name(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def record(optional: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object with these properties, all but the optional ones required; others may join in later versions."""
    return {
        "type": "object",
        "required": [name for name in properties if name not in optional],
        "properties": properties,
    }


WORDS: Schema = by_name(TEXT)
