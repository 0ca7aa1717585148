"""Balancers under test: finding them by name, and calling them without being taken down."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.adapters.detect import adapter_of, parameters, role_of
from equipoise.adapters.placements import read_placement
from equipoise.arrays import as_numpy
from equipoise.commands import PREFIX, Command
from equipoise.errors import InvalidProblem, TargetError, TargetNotFound, TargetUnable
from equipoise.reference.catalogue import Entry
from equipoise.reference.placement.catalogue import PLACERS
from equipoise.reference.prediction.catalogue import PREDICTORS
from equipoise.reference.routing.catalogue import ROUTERS
from equipoise.reference.scheduling.catalogue import SCHEDULERS
from equipoise.roles import Schedule, Stateful, Trainable, read_forecast, read_schedule, routing_mask

CATALOGUES: dict[str, Mapping[str, Entry]] = {
    "router": ROUTERS,
    "scheduler": SCHEDULERS,
    "placer": PLACERS,
    "predictor": PREDICTORS,
}
"""Built-in balancers by role."""


@dataclass(frozen=True, eq=False)
class Target:
    """A balancer and the name it is reported under; of its calls, the one of its role works.

    One that was ``found`` by name is found again in another process, and not sent there.
    """

    name: str
    balancer: Any
    role: str = "router"
    found: bool = False

    def __reduce__(self) -> Any:
        return (find, (self.name, self.role)) if self.found else (Target, (self.name, self.balancer, self.role))

    @property
    def stateful(self) -> bool:
        """Whether the balancer remembers earlier calls (it then has ``reset()``)."""
        return isinstance(self.balancer, Stateful)

    def reset(self) -> None:
        """Forget earlier calls, if there is anything to forget.

        Raises
        ------
        TargetError
            If the balancer's own ``reset`` fails.
        """
        if isinstance(self.balancer, Stateful):
            _guarded(self.name, self.balancer.reset)

    def route(self, scores: npt.NDArray[Any], top_k: int) -> npt.NDArray[np.bool_]:
        """Return the router's choice as a mask ``[T, E]``; it works on its own copy, and its prints go to stderr.

        Raises
        ------
        TargetError
            If the router raises, exits, or returns no routing of these tokens.
        """
        returned = _guarded(self.name, self.balancer, scores.copy(), top_k)
        return routing_mask(returned, scores.shape[0], scores.shape[1], top_k)

    def schedule(self, load: npt.NDArray[np.int64], hosts: npt.NDArray[np.bool_]) -> Schedule:
        """Return how the scheduler serves ``load[E]`` or ``load[G, E]``; guarded like :meth:`route`.

        Raises
        ------
        TargetError
            If the scheduler raises, exits, or does not serve exactly these tokens on their hosts.
        """
        return read_schedule(_guarded(self.name, self.balancer, load.copy(), hosts.copy()), load, hosts)

    def place(
        self, load: npt.NDArray[np.int64], num_slots: int, num_groups: int, num_nodes: int, num_devices: int
    ) -> npt.NDArray[np.int64]:
        """Return ``physical_to_logical[L, P]`` for ``load[L, E]``; guarded like :meth:`route`.

        Raises
        ------
        TargetError
            If the placer raises, exits, or returns no placement of these experts.
        """
        returned = _guarded(self.name, self.balancer, load.copy(), num_slots, num_groups, num_nodes, num_devices)
        return read_placement(returned, len(load), load.shape[1], num_slots)

    @property
    def trainable(self) -> bool:
        """Whether the balancer learns from a run before it is asked (it then has ``train``)."""
        return isinstance(self.balancer, Trainable)

    def train(self, series: Sequence[npt.NDArray[Any]]) -> None:
        """Let the predictor learn from the series ``[S, E]`` of one run; guarded like :meth:`route`.

        Raises
        ------
        TargetError
            If its own ``train`` fails; :class:`TargetUnable` if it says that it cannot.
        """
        _guarded(self.name, self.balancer.train, [one.copy() for one in series])

    def predict(self, history: npt.NDArray[Any], horizon: int) -> npt.NDArray[np.float64]:
        """Return the forecast ``[horizon, E]`` after ``history[S, E]``; guarded like :meth:`route`.

        Raises
        ------
        TargetError
            If the predictor raises, exits, or returns no forecast; :class:`TargetUnable` if it says that it cannot.
        """
        returned = _guarded(self.name, self.balancer, history.copy(), horizon)
        return read_forecast(returned, history.shape[1], horizon)

    def bias(self, experts: int) -> npt.NDArray[np.float64] | None:
        """Return what the router adds to the scores, if its attribute ``bias`` holds that many finite numbers."""
        try:
            bias = as_numpy(getattr(self.balancer, "bias", None), "bias")
        except InvalidProblem:
            return None
        usable = bias.dtype.kind in "fiu" and bias.shape == (experts,) and np.isfinite(bias).all()
        return bias.astype(np.float64) if usable else None


def find(target: str, role: str | None = None) -> Target:
    """Return the balancer that ``target`` names; see :func:`resolve`."""
    role, make = resolve(target, role)
    return Target(target, make(), role, found=True)


def find_router(target: str) -> Target:
    """Return the router that ``target`` names; see :func:`resolve`."""
    return find(target, "router")


def resolve(target: str, role: str | None = None) -> tuple[str, Callable[[], Any]]:
    """Return the role of the balancer that ``target`` names, and what makes it.

    Parameters
    ----------
    target
        A built-in name, ``package.module:attribute``, ``path/to/file.py:attribute``, the name of an entry point in the
        group ``equipoise.balancers``, or ``cmd:`` and a command line that speaks docs/protocol.md. The attribute is a
        function, an object with ``__call__``, or a class, which is called without arguments every time. What has the
        form of a framework goes through its adapter.
    role
        "router", "scheduler", "placer" or "predictor"; None: that of the built-in balancer, or the one that the names
        of the parameters tell.

    Raises
    ------
    TargetNotFound
        Saying what is wrong with the name or with what it names, or that its role cannot be told; the maker too may
        raise it.
    """
    if target.startswith(PREFIX):
        command = Command(target, role)
        return command.role, lambda: command
    catalogues = CATALOGUES if role is None else {role: CATALOGUES.get(role, {})}
    homes = [home for home, catalogue in catalogues.items() if target in catalogue]
    if len(homes) == 1:
        return homes[0], catalogues[homes[0]][target].create
    if homes:
        raise TargetNotFound(f"target {target!r} is both a {' and a '.join(homes)}; say which with --role")
    found = _look_up(target, [name for catalogue in catalogues.values() for name in catalogue])
    role = role or role_of(found)
    adapter = None if role is None else adapter_of(found, role)
    if adapter is None and not callable(found):
        raise TargetNotFound(f"target {target!r} is a {type(found).__name__}, which cannot be called")
    if role is None:
        names = ", ".join(parameter.name for parameter in parameters(found))
        raise TargetNotFound(f"the role of {target!r} cannot be told from its parameters ({names}); say it with --role")
    if adapter is not None:
        return role, partial(_guarded_load, target, adapter)
    return role, partial(_guarded_load, target, found) if isinstance(found, type) else lambda: found


def _look_up(target: str, built_in: Iterable[str]) -> Any:
    """Return the function, class or object that ``target`` names, not called."""
    place, colon, attribute = target.rpartition(":")
    if not colon or not place or not attribute:
        entries = list(importlib.metadata.entry_points(group="equipoise.balancers", name=target))
        if not entries:
            known = ", ".join(dict.fromkeys(built_in))
            raise TargetNotFound(
                f"target is {target!r}; allowed: module:attribute, file.py:attribute, cmd:command, or one of {known}"
            )
        return _guarded_load(target, entries[0].load)
    found = _import(place)
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise TargetNotFound(f"target {target!r}: {place} has no attribute {attribute!r}")
        found = getattr(found, part)
    return found


def _guarded_load(target: str, load: Callable[[], Any]) -> Any:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            loaded = load()
    except (Exception, SystemExit) as error:
        raise TargetNotFound(f"target {target!r} cannot be made: {describe(error)}") from error
    if not callable(loaded):
        raise TargetNotFound(f"target {target!r} makes a {type(loaded).__name__}, which cannot be called")
    return loaded


def _import(place: str) -> Any:
    try:
        if place.endswith(".py"):
            path = Path(place)
            specification = importlib.util.spec_from_file_location(path.stem, path)
            if specification is None or specification.loader is None or not path.is_file():
                raise TargetNotFound(f"target file {place!r} does not exist")
            module = importlib.util.module_from_spec(specification)
            sys.modules.setdefault(path.stem, module)
            specification.loader.exec_module(module)
            return module
        if os.getcwd() not in sys.path:
            sys.path.insert(0, os.getcwd())
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(place)
    except TargetNotFound:
        raise
    except (Exception, SystemExit) as error:
        raise TargetNotFound(f"target module {place!r} cannot be imported: {describe(error)}") from error


def _guarded(name: str, function: Any, *arguments: Any) -> Any:
    try:
        with contextlib.redirect_stdout(sys.stderr):
            return function(*arguments)
    except TargetUnable:
        raise
    except TargetError as error:
        raise TargetError(f"{name}: {error}", kind=error.kind) from error
    except (Exception, SystemExit) as error:
        raise TargetError(f"{name} raised {describe(error)}", kind="raises") from error


def describe(error: BaseException) -> str:
    """Return type, first line and place of an exception: its innermost frame that is not a library's."""
    first = (str(error).strip().splitlines() or [""])[0][:200]
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if "site-packages" not in frame.filename]
    place = f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}{': ' * bool(first)}{first}{place}"
