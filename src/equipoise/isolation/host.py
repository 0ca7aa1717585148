"""The side that holds the target: makes it, calls it, and watches what it does to its input."""

from __future__ import annotations

import contextlib
import copy
import inspect
import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from equipoise.arrays import as_numpy
from equipoise.commands import Command
from equipoise.errors import EquipoiseError, InvalidProblem, TargetError
from equipoise.roles import Routing
from equipoise.targets import describe


@dataclass
class Reply:
    """What one call did.

    Attributes
    ----------
    value
        What was returned, as NumPy arrays, plain Python values, lists and dictionaries of them.
    unreadable
        Why ``value`` could not be made of what was returned; None if it could.
    error
        Why there is no answer, in one sentence: the exception that the target raised, or how its command broke.
    kind
        "raises", or how else the target came to give no answer.
    changed_input, aliased_input, printed
        Whether the target wrote into its input, returned memory of it, or printed to standard output.
    """

    value: Any = None
    unreadable: str | None = None
    error: str | None = None
    kind: str = "raises"
    changed_input: bool = False
    aliased_input: bool = False
    printed: bool = False


class Host:
    """One target, made afresh on demand by ``make``."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._saved: Any = None
        self._learnt: dict[bytes, Any] = {}
        self.target: Any = None
        self.fresh()

    def fresh(self) -> None:
        """Make the target anew; where that gives the same object again, reset it."""
        before, self.target = self.target, self._make()
        if self.target is before and callable(getattr(self.target, "reset", None)):
            self.target.reset()

    def reset(self) -> None:
        """Call the target's own ``reset()``."""
        self.target.reset()

    def train(self, series: list[np.ndarray[Any, Any]]) -> None:
        """Let a target that was just made learn; what another one learnt from the same series is copied instead."""
        key = b"".join(f"{one.shape}{one.dtype}".encode() + one.tobytes() for one in series)
        if key not in self._learnt:
            self.target.train([one.copy() for one in series])
            self._learnt[key] = self.target
        self.target = copy.deepcopy(self._learnt[key])

    def capabilities(self) -> list[str]:
        """Return what the target shows that it can do: keywords it takes, attributes it has, what it declares."""
        found = {
            f"has {name}"
            for name in ("accepts", "bias", "load", "reset", "shares", "train")
            if hasattr(self.target, name)
        }
        if hasattr(self.target, "state_dict") and hasattr(self.target, "load_state_dict"):
            found.add("has state_dict")
        try:
            parameters = inspect.signature(self.target).parameters.values()
        except (TypeError, ValueError):
            parameters = ()  # type: ignore[assignment]
        found |= {f"takes {p.name}" for p in parameters if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD)}
        declared = getattr(self.target, "capabilities", ())
        return sorted(found | {str(name) for name in declared})

    def accepts(self, shape: list[int]) -> bool:
        """Ask the target whether it takes inputs of this shape; yes, if it does not say."""
        asked = getattr(self.target, "accepts", None)
        return bool(asked(*shape)) if callable(asked) else True

    def attribute(self, name: str) -> Any:
        """Return an attribute in plain form; None if there is none or it cannot be read."""
        value, unreadable = plain(getattr(self.target, name, None))
        return None if unreadable else value

    def close(self) -> None:
        """End the target, if it is a command."""
        if isinstance(self.target, Command):
            self.target.close()

    def save(self) -> None:
        """Keep the target's ``state_dict()`` here."""
        self._saved = self.target.state_dict()

    def load(self) -> None:
        """Give the kept state to the target's ``load_state_dict``."""
        self.target.load_state_dict(self._saved)

    def call(self, arguments: list[Any], keywords: dict[str, Any]) -> Reply:
        """Call the target with copies, read-only where the caller's are."""
        given = [_copy(value) if isinstance(value, np.ndarray) else value for value in arguments]
        output = io.StringIO()
        try:
            with contextlib.redirect_stdout(output):
                returned = self.target(*given, **keywords)
        except TargetError as error:
            return Reply(error=str(error), kind=error.kind, printed=bool(output.getvalue()))
        except (Exception, SystemExit) as error:
            return Reply(error=f"it raised {describe(error)}", printed=bool(output.getvalue()))
        arrays = [(old, new) for old, new in zip(arguments, given, strict=True) if isinstance(old, np.ndarray)]
        value, unreadable = plain(returned)
        return Reply(
            value,
            unreadable,
            changed_input=any(not np.array_equal(old, new, equal_nan=old.dtype.kind == "f") for old, new in arrays),
            aliased_input=any(_aliases(returned, new) for _, new in arrays),
            printed=bool(output.getvalue()),
        )


def plain(value: Any) -> tuple[Any, str | None]:
    """Return ``value`` as arrays, numbers, strings, lists and dictionaries, or why that is impossible."""
    if value is None or isinstance(value, bool | int | float | str):
        return value, None
    if isinstance(value, Routing):
        value = (value.chosen, value.weights) if value.weights is not None else (value.chosen,)
    if isinstance(value, dict):
        pairs = {str(key): plain(item) for key, item in value.items()}
        reason = next((reason for _, reason in pairs.values() if reason), None)
        return {key: item for key, (item, _) in pairs.items()}, reason
    if isinstance(value, tuple):
        items = [plain(item) for item in value]
        return [item for item, _ in items], next((reason for _, reason in items if reason), None)
    try:
        array = as_numpy(value, "the answer")
    except (InvalidProblem, EquipoiseError) as error:
        return None, error.given if isinstance(error, InvalidProblem) else str(error)
    if array.dtype.kind not in "biuf":
        return None, f"an array of {array.dtype}"
    return array, None


def _copy(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    copy = array.copy(order="K")
    copy.flags.writeable = array.flags.writeable
    return copy


def _aliases(returned: Any, given: np.ndarray[Any, Any]) -> bool:
    items = returned if isinstance(returned, tuple | list) else [returned]
    return any(isinstance(item, np.ndarray) and np.shares_memory(item, given) for item in items)
