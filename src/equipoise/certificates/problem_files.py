"""Problem files: one JSON object that states a problem of any kind, as docs/reference/problem-files.md describes it.

The fields are those that a certificate of the kind states of its problem, under the same names, and what the problem
has a default for may be left out. Scores are numbers as they are, not on a grid: the grid is the problem's own affair.
"""

from __future__ import annotations

import inspect
from functools import cache
from os import PathLike
from typing import Any, Literal

import msgspec
import numpy as np

from equipoise.certificates import codec
from equipoise.certificates.certificate import KINDS, Certificate, certificate_type
from equipoise.certificates.kinds.assignment import AssignmentStatement
from equipoise.errors import InvalidFile, InvalidProblem
from equipoise.files import LARGEST_JSON, reading, regular, strict_json
from equipoise.problems import AssignmentProblem, Problem

SCHEMA = "equipoise-problem/2"

ASSIGNMENT: dict[str, Any] = {
    "scores": list[list[int | float]],
    "top_k": int,
    "capacity": int | list[int] | None,
    "drop": bool,
    "mask": list[bool] | None,
}
"""Fields of an assignment problem: those of its constructor."""


def read(path: str | PathLike[str]) -> Problem | None:
    """Return the problem of a problem file; None if the file is something else.

    Raises
    ------
    InvalidFile
        With one sentence, if it says that it is a problem file, and is none.
    """
    document = _document(path)
    if document is None:
        return None
    kind = document.get("kind")
    if document["schema"] != SCHEMA:
        raise InvalidFile(f"{path} has the schema {str(document['schema'])[:40]!r}; allowed: {SCHEMA!r}")
    if kind not in KINDS:
        raise InvalidFile(f"{path} is a problem of kind {str(kind)[:40]!r}; allowed: {', '.join(KINDS)}")
    try:
        parsed = msgspec.convert(document, structure(kind), strict=True)
        problem: Problem = built(certificate_type(kind), parsed, "", {})
    except (msgspec.ValidationError, InvalidProblem, InvalidFile) as error:
        words = " ".join(str(error).replace("`$.", "`").split())[:300]
        raise InvalidFile(f"{path} is no {kind} problem: {words}") from error
    return problem


def _document(path: str | PathLike[str]) -> dict[str, Any] | None:
    """Return the JSON object that names a schema of problems; None for any other content."""
    with regular(path) as file, reading(path):
        start = file.read(4096)
        if not start.lstrip().startswith(b"{"):
            return None
        content = start + file.read(LARGEST_JSON)
    if len(content) > LARGEST_JSON:
        return None
    try:
        found = strict_json(content)
    except InvalidFile as error:
        if b"equipoise-problem/" not in content:
            return None
        raise InvalidFile(f"{path} is no problem file: {error}") from error
    except ValueError:
        return None
    named = str(found.get("schema", "")) if isinstance(found, dict) else ""
    return found if named.startswith("equipoise-problem/") else None


@cache
def structure(kind: str) -> type[msgspec.Struct]:
    """Return the strict structure of a problem file of this kind."""
    certificate = certificate_type(kind)
    head = [("schema", Literal[SCHEMA]), ("kind", Literal[kind])]
    name = certificate.PROBLEM.__name__
    return _struct(f"{name}File", [*head, *_fields(certificate)], str(certificate.PROBLEM.__doc__).partition("\n")[0])


@cache
def _inner(certificate: type[Certificate]) -> type[msgspec.Struct]:
    name = certificate.PROBLEM.__name__
    return _struct(name, _fields(certificate), str(certificate.PROBLEM.__doc__).partition("\n")[0])


def _struct(name: str, fields: list[Any], doc: str) -> type[msgspec.Struct]:
    return msgspec.defstruct(
        name, fields, namespace={"__doc__": doc}, frozen=True, kw_only=True, forbid_unknown_fields=True
    )


def _fields(certificate: type[Certificate]) -> list[Any]:
    """Return names and types, and the constructor's defaults."""
    defaults = inspect.signature(certificate.PROBLEM).parameters
    fields: list[Any] = []
    for name, form in codec.forms(certificate.STATEMENT).items():
        if certificate.STATEMENT is AssignmentStatement and name not in ASSIGNMENT:
            continue
        default = defaults[name].default if name in defaults else inspect.Parameter.empty
        if certificate.STATEMENT is AssignmentStatement:
            plain = ASSIGNMENT[name]
        elif isinstance(form, codec.Nested):
            plain = _inner(_of_statement(form.record))
        else:
            plain = form.plain
        if default is inspect.Parameter.empty or name in certificate.NEEDED:
            fields.append((name, plain))
        else:
            fields.append((name, plain | None if default is None else plain, default))
    return fields


def _of_statement(statement: type[codec.Record]) -> type[Certificate]:
    return next(one for one in map(certificate_type, KINDS) if one.STATEMENT is statement)


def built(certificate: type[Certificate], document: Any, prefix: str, sizes: codec.Sizes) -> Any:
    """Return the problem that the parsed fields state."""
    if certificate.STATEMENT is AssignmentStatement:
        problem = AssignmentProblem(**{name: getattr(document, name) for name in ASSIGNMENT})
        sizes |= {"T": problem.num_tokens, "E": problem.num_experts}
        return problem
    given: dict[str, Any] = {}
    for name, form in codec.forms(certificate.STATEMENT).items():
        value = getattr(document, name)
        if isinstance(form, codec.Nested):
            given[name] = built(_of_statement(form.record), value, f"{prefix}{name}.", sizes)
        elif value is not None:
            given[name] = form.of_plain(prefix + name, value, sizes)
    return certificate.problem(**given)


def plain(problem: Problem) -> dict[str, Any]:
    """Return a problem as its file has it: what :func:`read` reads."""
    kind = next(kind for kind in KINDS if certificate_type(kind).PROBLEM is type(problem))
    return {"schema": SCHEMA, "kind": kind, **_plain(problem)}


def _plain(problem: Any) -> dict[str, Any]:
    if isinstance(problem, AssignmentProblem):
        values = {name: getattr(problem, name) for name in ASSIGNMENT}
        return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in values.items()}
    certificate = next(one for one in map(certificate_type, KINDS) if one.PROBLEM is type(problem))
    statement = certificate.STATEMENT.of(problem)
    fields: dict[str, Any] = {}
    for name, form in codec.forms(certificate.STATEMENT).items():
        if isinstance(form, codec.Nested):
            fields[name] = _plain(getattr(problem, name))
        else:
            fields |= form.write(name, getattr(statement, name))
    found: dict[str, Any] = msgspec.to_builtins(fields)
    return found
