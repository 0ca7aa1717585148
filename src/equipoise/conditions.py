"""Conditions on sizes, as users write them: ``K < E and T*K % E == 0``. They are parsed, never evaluated as Python."""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.errors import InvalidProblem

LONGEST = 300
"""Characters of a condition."""

_LARGEST = 1 << 53

_NUMBERS: dict[type[ast.AST], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
_COMPARISONS: dict[type[ast.AST], Callable[[int, int], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}

_Sizes = Mapping[str, int]


class _Refused(Exception):
    """What is no condition, in words."""


@dataclass(frozen=True)
class Condition:
    """A statement about the sizes of an input.

    Attributes
    ----------
    text
        As it was written.
    letters
        Names of the sizes, in the order in which :meth:`holds` is given them.
    """

    text: str
    letters: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "_holds", _read(self.text, self.letters))

    def holds(self, shape: Sequence[int]) -> bool:
        """Return whether it is true of these sizes; one that divides by zero is not."""
        test: Callable[[_Sizes], bool] = vars(self)["_holds"]
        try:
            return test(dict(zip(self.letters, map(int, shape), strict=True)))
        except ZeroDivisionError:
            return False

    def __reduce__(self) -> Any:
        return Condition, (self.text, self.letters)


def _read(text: str, letters: tuple[str, ...]) -> Callable[[_Sizes], bool]:
    allowed = (
        f"comparisons of {', '.join(letters)} and whole numbers with + - * // %, joined by and, or, not; "
        f"for instance {letters[-1]} >= 1"
    )
    try:
        if len(text) > LONGEST:
            raise _Refused(f"longer than {LONGEST} characters")
        return _truth(ast.parse(text.strip(), mode="eval").body, frozenset(letters))
    except _Refused as refused:
        raise InvalidProblem("accepts", str(refused), allowed) from None
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        hint = "; write == where = is meant" if re.search("(?<![=<>!])=(?!=)", text) else ""
        raise InvalidProblem("accepts", repr(text[:80]), allowed + hint) from None


def _truth(node: ast.AST, letters: frozenset[str]) -> Callable[[_Sizes], bool]:
    """Return the test that a comparison, or several joined, is."""
    if isinstance(node, ast.BoolOp):
        parts = [_truth(value, letters) for value in node.values]
        join = all if isinstance(node.op, ast.And) else any
        return lambda sizes: join(part(sizes) for part in parts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _truth(node.operand, letters)
        return lambda sizes: not inner(sizes)
    if isinstance(node, ast.Compare) and all(type(one) in _COMPARISONS for one in node.ops):
        values = [_number(one, letters) for one in (node.left, *node.comparators)]
        tests = list(zip(values, (_COMPARISONS[type(one)] for one in node.ops), values[1:], strict=False))
        return lambda sizes: all(compare(left(sizes), right(sizes)) for left, compare, right in tests)
    raise _Refused(f"{ast.unparse(node)!r}, which is not a comparison")


def _number(node: ast.AST, letters: frozenset[str]) -> Callable[[_Sizes], int]:
    """Return what works a whole number out."""
    if isinstance(node, ast.Constant) and type(node.value) is int and node.value < _LARGEST:
        constant = node.value
        return lambda sizes: constant
    if isinstance(node, ast.Name) and node.id in letters:
        name = node.id
        return lambda sizes: sizes[name]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        inner = _number(node.operand, letters)
        return lambda sizes: -inner(sizes)
    if isinstance(node, ast.BinOp) and type(node.op) in _NUMBERS:
        left, right, compute = _number(node.left, letters), _number(node.right, letters), _NUMBERS[type(node.op)]
        return lambda sizes: compute(left(sizes), right(sizes))
    raise _Refused(f"{ast.unparse(node)!r}, which is neither a number nor a size")
