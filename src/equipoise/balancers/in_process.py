"""A balancer in this process: made, called, and watched for what it does to its input.

Nothing protects this process from a balancer that hangs or crashes; :mod:`equipoise.balancers.isolated` runs this very
class in another one.
"""

from __future__ import annotations

import contextlib
import copy
import dis
import io
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from equipoise.arrays import as_numpy
from equipoise.balancers.adapters.forms import parameters
from equipoise.balancers.balancer import Balancer, Reply, describe
from equipoise.balancers.command import Command
from equipoise.errors import EquipoiseError, InvalidProblem, TargetError
from equipoise.roles.role import Role
from equipoise.routing import Routing
from equipoise.tables import printable

LIBRARIES = frozenset({"jax", "jaxlib", "numba", "numpy", "pandas", "scipy", "torch"})
"""Packages whose exceptions are accidents of the code that calls them, not refusals."""

LARGEST = 1 << 30
"""Bytes of an array that is read; one that repeats few numbers may claim to have any number of them."""

GENERIC = ("accepts", "reset", "train")
"""Attributes that a balancer of any role may have."""


class InProcess(Balancer):
    """One balancer, made afresh on demand by ``make``."""

    def __init__(self, name: str, role: Role, make: Callable[[], Any], sizes: tuple[int, ...] | None = None) -> None:
        self.name, self.role = name, role
        self._make = make
        self._kept: Any = None
        self._learnt: dict[bytes, Any] = {}
        self._object: Any = make()
        self.capabilities = frozenset(self._capabilities())
        own = getattr(self._object, "sizes", None)
        self.sizes = sizes or (tuple(own) if isinstance(own, tuple | list) and own else None)

    def reply(self, *arguments: Any, **keywords: Any) -> Reply:
        """Call it with copies, read-only where the caller's are."""
        given = [_copy(value) if isinstance(value, np.ndarray) else value for value in arguments]
        output = io.StringIO()
        started = time.perf_counter()
        with _guarded(output):
            returned = self._object(*given, **keywords)
        seconds = time.perf_counter() - started
        arrays = [(old, new) for old, new in zip(arguments, given, strict=True) if isinstance(old, np.ndarray)]
        with _guarded():  # looking at an answer runs the target's code where its class is the target's
            value, unreadable = plain(returned)
            aliased = any(_aliases(returned, new) for _, new in arrays)
        if unreadable is not None:
            raise TargetError(f"it returned {printable(unreadable)}", "returns nothing readable")
        return Reply(
            value,
            changed_input=any(not np.array_equal(old, new, equal_nan=old.dtype.kind == "f") for old, new in arrays),
            aliased_input=aliased,
            printed=bool(output.getvalue()),
            seconds=seconds,
        )

    def fresh(self) -> None:
        """Make it anew; where that gives the same object again, reset it."""
        with _guarded():
            before, self._object = self._object, self._make()
            if self._object is before and callable(getattr(before, "reset", None)):
                before.reset()

    def reset(self) -> None:
        """Call its own ``reset()``."""
        with _guarded():
            self._object.reset()

    def train(self, series: list[Any]) -> None:
        """Let it learn; what another one learnt from the same series is copied instead."""
        key = b"".join(f"{one.shape}{one.dtype}".encode() + one.tobytes() for one in series)
        with _guarded():
            if key not in self._learnt:
                self._object.train([one.copy() for one in series])
                self._learnt[key] = self._object
            self._object = copy.deepcopy(self._learnt[key])

    def accepts(self, shape: list[int]) -> bool:
        """Ask whether it takes inputs of this shape; yes, if it does not say."""
        asked = getattr(self._object, "accepts", None)
        with _guarded():
            return bool(asked(*shape)) if callable(asked) else True

    def attribute(self, name: str) -> Any:
        """Return an attribute in plain form; None if there is none or it cannot be read."""
        with _guarded():
            value, unreadable = plain(getattr(self._object, name, None))
        return None if unreadable else value

    def save_state(self) -> None:
        """Keep its ``state_dict()``."""
        with _guarded():
            self._kept = copy.deepcopy(self._object.state_dict())  # a module's own tensors go on changing

    def restore_state(self) -> None:
        """Give the kept state to its ``load_state_dict``."""
        with _guarded():
            self._object.load_state_dict(self._kept)

    def close(self) -> None:
        """End it, if it is a command."""
        if isinstance(self._object, Command):
            self._object.close()

    def _capabilities(self) -> set[str]:
        """Return what it shows that it can do: keywords it takes, attributes it has, what it declares."""
        known = (*GENERIC, *self.role.attributes)
        found = {f"has {name}" for name in known if hasattr(self._object, name)}
        if hasattr(self._object, "state_dict") and hasattr(self._object, "load_state_dict"):
            found.add("has state_dict")
        known_by_name = (p for p in parameters(self._object) if p.kind in (p.KEYWORD_ONLY, p.POSITIONAL_OR_KEYWORD))
        found |= {f"takes {parameter.name}" for parameter in known_by_name}
        return found | {str(name) for name in getattr(self._object, "capabilities", ())}


@contextlib.contextmanager
def _guarded(output: io.StringIO | None = None) -> Iterator[None]:
    """Catch what the balancer prints, and turn whatever it raises into a sentence."""
    try:
        with contextlib.redirect_stdout(io.StringIO() if output is None else output):
            yield
    except (TargetError, KeyboardInterrupt):
        raise
    except BaseException as error:
        raise TargetError(f"it raised {describe(error)}", "raises", on_purpose=_on_purpose(error)) from error


def _on_purpose(error: BaseException) -> bool:
    """Whether a statement of the balancer's own code, ``raise`` or ``assert``, refuses what it was given.

    An error that Python or a library of arrays raises there is an accident, whatever its type.
    """
    if not isinstance(error, AssertionError | ValueError | TypeError | NotImplementedError):
        return False
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return False
    code, package = trace.tb_frame.f_code, str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]
    stated = code.co_code[trace.tb_lasti] == dis.opmap["RAISE_VARARGS"] or isinstance(error, AssertionError)
    return stated and package not in LIBRARIES and package not in sys.stdlib_module_names


def plain(value: Any) -> tuple[Any, str | None]:
    """Return ``value`` as arrays, numbers, strings, lists and dictionaries, or why that is impossible."""
    if value is None or type(value) in (bool, int, float, str):
        return value, None
    for simple in (int, float, str):
        if isinstance(value, simple):  # of a class of the target's
            return simple(value), None
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
    except EquipoiseError as error:
        return None, error.given if isinstance(error, InvalidProblem) else str(error)
    if array.dtype.kind not in "biuf":
        return None, f"an array of {array.dtype}"
    if array.nbytes > LARGEST:
        return None, f"an array of shape {array.shape}, which has more than {LARGEST >> 30} GiB"
    return array, None


def _copy(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    copied = array.copy(order="K")
    copied.flags.writeable = array.flags.writeable
    return copied


def _aliases(returned: Any, given: np.ndarray[Any, Any]) -> bool:
    if isinstance(returned, Routing):
        returned = (returned.chosen, returned.weights)
    items = returned if isinstance(returned, tuple | list) else [returned]
    return any(isinstance(item, np.ndarray) and np.shares_memory(item, given) for item in items)
