"""A stored audit to compare the next one with: every gap of every target, in a file that diffs well."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, Self

from equipoise.audits.measures import Row
from equipoise.audits.role_audit import RoleAudit
from equipoise.errors import InvalidFile
from equipoise.files import content_of, strict_json, write_whole

SCHEMA = "equipoise-baseline/2"
OLD = "equipoise-baseline/1"
"""Read too, but for placers scored against another record, whose instances had other names."""

_LARGEST = 64 << 20
_AGAIN = "--update-baseline makes it anew"


@dataclass(frozen=True)
class Change:
    """One gap that moved by more than the tolerance."""

    target: str
    instance: str
    gap: str
    before: float
    now: float


@dataclass(frozen=True)
class Comparison:
    """What moved, in the order of the rows, and how many gaps were compared."""

    worse: list[Change]
    better: list[Change]
    compared: int
    tolerance: float


@dataclass(frozen=True)
class Baseline:
    """Gaps of an earlier audit.

    Attributes
    ----------
    made
        How the audit was made (role, passes, sizes): an audit made otherwise cannot be compared.
    instances
        Hash by name: neither can one of other instances.
    gaps
        By target, instance and name of the gap.
    """

    made: dict[str, Any]
    instances: dict[str, str]
    gaps: dict[str, dict[str, dict[str, float]]]

    @classmethod
    def of(cls, made: dict[str, Any], instances: dict[str, str], rows: Iterable[Row], kind: RoleAudit) -> Self:
        """Return the baseline that these rows make."""
        gaps: dict[str, dict[str, dict[str, float]]] = {}
        for row in rows:
            gaps.setdefault(row.balancer, {})[row.instance] = kind.gaps(row)
        return cls(made, instances, gaps)

    def save(self, path: str | PathLike[str], environment: Mapping[str, str]) -> None:
        """Write the baseline, whole or not at all; ``environment`` is for readers, not compared."""
        document = {
            "schema": SCHEMA,
            "environment": dict(environment),
            "made": self.made,
            "instances": self.instances,
            "gaps": {
                target: {name: {key: _written(gap) for key, gap in gaps.items()} for name, gaps in by_instance.items()}
                for target, by_instance in self.gaps.items()
            },
        }
        write_whole(path, (json.dumps(document, indent=1, sort_keys=True, allow_nan=False) + "\n").encode())

    @classmethod
    def load(cls, path: str | PathLike[str]) -> Self:
        """Read a baseline.

        Raises
        ------
        InvalidFile
            If there is none, it is of another schema, or damaged.
        """
        source = Path(path)
        try:
            if not source.exists():
                raise InvalidFile(f"there is no baseline {path}; --update-baseline makes it")
            content = strict_json(content_of(source, _LARGEST))
            schema = content.get("schema")
            made = content.get("made", {})
            old = schema == OLD and not made.get("workloads")
            if schema != SCHEMA and not old:
                raise InvalidFile(f"{path} is of the schema {schema!r}, this version reads {SCHEMA!r}; {_AGAIN}")
            gaps = {
                str(target): {
                    str(name): {str(key): float(gap) for key, gap in gaps.items()} for name, gaps in rows.items()
                }
                for target, rows in content["gaps"].items()
            }
            if old and made.get("role") == "placer":
                gaps = {
                    target: {name.rpartition(" of ")[0]: v for name, v in rows.items()} for target, rows in gaps.items()
                }
            made = _made_then(made) if old else dict(made)
            return cls(made, {str(k): str(v) for k, v in content["instances"].items()}, gaps)
        except OSError as error:
            raise InvalidFile(f"baseline {path} cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            if isinstance(error, InvalidFile) and str(path) in str(error):
                raise
            raise InvalidFile(f"{path} is not a baseline: {type(error).__name__}: {error}; {_AGAIN}") from error

    def expect(self, made: dict[str, Any], instances: dict[str, str], targets: Sequence[str]) -> None:
        """Refuse an audit that cannot be compared.

        Raises
        ------
        InvalidFile
            If the audit is made otherwise, on other instances, or of targets that the baseline does not know.
        """
        for key in sorted({*made, *self.made}):
            if made.get(key) != self.made.get(key):
                given = f"made with {key} {_short(self.made.get(key))}, this audit has {_short(made.get(key))}"
                raise InvalidFile(f"the baseline was {given}; {_AGAIN}")
        moved = [name for name in {**instances, **self.instances} if instances.get(name) != self.instances.get(name)]
        if moved:
            count = f"{len(moved)} differ or are missing, first {moved[0]}"
            raise InvalidFile(f"the baseline was made from other instances: {count}; {_AGAIN}")
        for target in targets:
            if target not in self.gaps:
                raise InvalidFile(f"the baseline knows {', '.join(self.gaps)}, not {target!r}; {_AGAIN}")

    def compare(self, rows: Iterable[Row], kind: RoleAudit, tolerance: float = 0.0) -> Comparison:
        """Return the gaps that moved by more than ``tolerance``, a share; rows of broken targets have none."""
        worse, better, compared = [], [], 0
        for row in (row for row in rows if not row.at_fault):
            known = self.gaps.get(row.balancer, {}).get(row.instance, {})
            for key, now in kind.gaps(row).items():
                before = known.get(key, math.inf)
                compared += 1
                change = Change(row.balancer, row.instance, key, before, now)
                if now > before + tolerance:
                    worse.append(change)
                elif before > now + tolerance:
                    better.append(change)
        return Comparison(worse, better, compared, tolerance)


def _made_then(made: dict[str, Any]) -> dict[str, Any]:
    """Return how an audit was made, in today's words, from a baseline of the first version."""
    now = {key: value for key, value in made.items() if key not in ("sizes", "workloads", "stream")}
    now |= made.get("sizes") or {}
    now["variant"] = "stream" if made.get("stream") else ""
    if made["role"] == "placer":
        now["against"] = None
    if made["role"] == "predictor":
        now["horizon"] = now.pop("horizons")
        now["variant"] = "value" if "placement" in made else ""
    if made.get("stream"):
        now.pop("passes", None)
    return now


def _written(gap: float) -> float | str:
    return gap if math.isfinite(gap) else str(gap)


def _short(value: Any) -> str:
    return "none" if value is None else json.dumps(value, sort_keys=True)
