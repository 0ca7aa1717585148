"""Finding balancers: what a name leads to, what a Python object is, and holding either."""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial, reduce
from pathlib import Path
from typing import Any, cast

from equipoise.balancers.adapters.forms import form_named, form_of, parameters, role_of
from equipoise.balancers.balancer import CALL_SECONDS, Balancer, describe
from equipoise.balancers.command import PREFIX, Command
from equipoise.balancers.in_process import InProcess
from equipoise.balancers.isolated import MEMORY, Isolated
from equipoise.conditions import Condition
from equipoise.errors import InvalidProblem, TargetNotFound, TargetNotMade
from equipoise.reference.catalogue import Entry
from equipoise.roles import all_roles, role_named
from equipoise.roles.role import Role

GROUP = "equipoise.balancers"
"""Entry points of installed packages whose names are names of balancers."""


@dataclass(frozen=True, eq=False)
class Target:
    """A balancer that is to be tried, not yet running.

    Attributes
    ----------
    name
        As it is reported.
    path
        A name that :func:`resolve` follows, in this process or in another; None where no other process can.
    given
        The Python object, where one was given.
    role
        What it is; None: told from its parameters.
    form
        Name of the form that it has; None: told from its parameters.
    sizes
        The only sizes that it is tried at, of a router E and K; None: any, or its own.
    accepts
        A condition on the sizes of the inputs that it takes (:mod:`equipoise.conditions`); None: whatever it says.
    declares
        What is declared for it, beside what it declares itself.
    """

    name: str
    path: str | None
    given: Any = None
    role: str | None = None
    form: str | None = None
    sizes: tuple[int, ...] | None = None
    accepts: str | None = None
    declares: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        given: Any,
        role: str | None = None,
        form: str | None = None,
        sizes: tuple[int, ...] | None = None,
        accepts: str | None = None,
        declares: Iterable[str] = (),
    ) -> Target:
        """Return what a name, a function, a class or an object is as a target; with a form, its role is the form's.

        Raises
        ------
        InvalidProblem
            If it is nothing that can be called, or there is no such form.
        """
        if isinstance(given, Target):
            return given
        if form is not None:
            role = form_named(form, role).role
        if isinstance(given, str):
            return cls(given, given, None, role, form, sizes, accepts, tuple(declares))
        if not callable(given) and form is None and form_of(given, role) is None:
            raise InvalidProblem("targets", f"a {type(given).__name__}", "names of balancers, or callables")
        name = getattr(given, "__qualname__", type(given).__qualname__)
        return cls(name, importable(given), given, role, form, sizes, accepts, tuple(declares))

    @property
    def entry(self) -> Entry | None:
        """The entry of a catalogue that the name is; None for what does not ship."""
        roles = all_roles().values() if self.role is None else [role_named(self.role)]
        return next((entry for role in roles if (entry := role.catalogue.get(self.path or ""))), None)

    def hold(self, *, in_process: bool = False, call_seconds: float = CALL_SECONDS, memory: int = MEMORY) -> Balancer:
        """Return the running balancer: in a process of its own, or here if told so or if no other process finds it.

        Raises
        ------
        TargetNotFound
            If it cannot be found or made, or its role cannot be told.
        InvalidProblem
            If what it accepts is no condition on the sizes of its role, or what it declares is unknown to it.
        """
        balancer = self._start(in_process, call_seconds, memory)
        balancer.form = self.form
        try:
            if self.accepts is not None:
                balancer.condition = Condition(self.accepts, balancer.role.letters)
            balancer.declare(self.declares)
            balancer.settle()
        except InvalidProblem:
            balancer.close()
            raise
        return balancer

    def _start(self, in_process: bool, call_seconds: float, memory: int) -> Balancer:
        if self.path is not None and not in_process:
            try:
                said = self.role, self.form, self.sizes
                return Isolated(self.path, *said, call_seconds=call_seconds, memory=memory)
            except TargetNotFound:
                if self.given is None:
                    raise
        if self.given is None:
            return InProcess(self.name, *resolve(str(self.path), self.role, self.form), self.sizes)
        return InProcess(self.name, *_maker(self.name, self.given, self.role, self.form), self.sizes)


def importable(given: Any) -> str | None:
    """Return ``module:name`` of a function or class that its module shows under its own name; None for others."""
    module, name = getattr(given, "__module__", None), getattr(given, "__qualname__", None)
    if not isinstance(name, str) or not isinstance(module, str) or module == "__main__" or module not in sys.modules:
        return None
    found = reduce(lambda owner, part: getattr(owner, part, None), name.split("."), cast(Any, sys.modules[module]))
    return f"{module}:{name}" if found is given else None


def resolve(target: str, role: str | None = None, form: str | None = None) -> tuple[Role, Callable[[], Any]]:
    """Return the role of the balancer that ``target`` names, and what makes it.

    Parameters
    ----------
    target
        A built-in name, ``package.module:attribute``, ``path/to/file.py:attribute``, the name of an entry point in the
        group ``equipoise.balancers``, or ``cmd:`` and a command line that speaks docs/reference/protocol.md. The
        attribute is a function, an object with ``__call__``, or a class, which is called without arguments every time.
        What has the form of a framework goes through its adapter.
    role
        Name of the role; None: that of the built-in balancer, or the one that the names of the parameters tell.
    form
        Name of a form, where the parameters do not tell it.

    Raises
    ------
    TargetNotFound
        Saying what is wrong with the name or with what it names, or that its role cannot be told; the maker too may
        raise it.
    """
    if target.startswith(PREFIX):
        command = Command(target, role)
        return role_named(command.role), lambda: command
    roles = list(all_roles().values()) if role is None else [role_named(role)]
    homes = [one for one in roles if target in one.catalogue]
    if len(homes) == 1:
        return homes[0], homes[0].catalogue[target].create
    if homes:
        both = " and a ".join(one.name for one in homes)
        raise TargetNotFound(f"target {target!r} is both a {both}; say which with --role")
    found = look_up(target, [name for one in roles for name in one.catalogue])
    return _maker(target, found, role, form)


def _maker(name: str, found: Any, role: str | None, said: str | None = None) -> tuple[Role, Callable[[], Any]]:
    """Return the role of a function, class or object, and what makes a balancer of it."""
    if said is not None:
        named = form_named(said, role)
        return role_named(named.role), partial(_guarded_load, name, partial(named.adapt, found))
    known = role_of(found) if role is None else role_named(role)
    form = None if known is None else form_of(found, known.name)
    if form is None and not callable(found):
        raise TargetNotFound(f"target {name!r} is a {type(found).__name__}, which cannot be called")
    if known is None:
        names = ", ".join(parameter.name for parameter in parameters(found))
        raise TargetNotFound(f"the role of {name!r} cannot be told from its parameters ({names}); say it with --role")
    if form is not None:
        return known, partial(_guarded_load, name, partial(form.adapt, found))
    return known, partial(_guarded_load, name, found) if isinstance(found, type) else lambda: found


def look_up(target: str, built_in: Iterable[str] = ()) -> Any:
    """Return the function, class or object that ``target`` names, not called."""
    place, colon, attribute = target.rpartition(":")
    if not colon or not place or not attribute:
        entries = list(importlib.metadata.entry_points(group=GROUP, name=target))
        if not entries:
            known = list(dict.fromkeys(built_in))
            near = get_close_matches(target, known, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            allowed = f"module:attribute, file.py:attribute, cmd:command, or one of {', '.join(known)}"
            raise TargetNotFound(f"target is {target!r}; allowed: {allowed}{hint}")
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
        raise TargetNotMade(f"target {target!r} cannot be made: {describe(error)}") from error
    if not callable(loaded):
        raise TargetNotMade(f"target {target!r} makes a {type(loaded).__name__}, which cannot be called")
    return loaded


def look_here() -> None:
    """Have modules of the working directory found."""
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())


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
        look_here()
        with contextlib.redirect_stdout(sys.stderr):
            return importlib.import_module(place)
    except TargetNotFound:
        raise
    except (Exception, SystemExit) as error:
        raise TargetNotFound(f"target module {place!r} cannot be imported: {describe(error)}") from error
