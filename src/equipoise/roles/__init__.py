"""The roles that a balancer can have: one module each, and what is registered.

A role is a value. Audits, checks, studies, the command line and the pytest door iterate over the roles and know none of
them by name, so that a new role is a module here, a module in ``audits`` and a folder in ``checks``.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable
from difflib import get_close_matches

from equipoise.errors import InvalidProblem
from equipoise.roles.role import Role

_HOMES: dict[str, Role] = {}
"""Roles by the name of the module whose ``ROLE`` they are."""


def register(home: str) -> Role:
    """Add the role that the module ``home`` calls ``ROLE``, and return it; a role that is known already stays."""
    if home not in _HOMES:
        _HOMES[home] = importlib.import_module(home).ROLE
    return _HOMES[home]


def all_roles() -> dict[str, Role]:
    """Return every role by name: the modules of this package, then what :func:`register` has added."""
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        if module.name != f"{__name__}.role" and module.name not in _HOMES:
            register(module.name)
    return {role.name: role for role in _HOMES.values()}


def homes() -> list[str]:
    """Return the modules of all roles: what another process must register to know them."""
    all_roles()
    return list(_HOMES)


def role_named(name: str) -> Role:
    """Return a role by name.

    Raises
    ------
    InvalidProblem
        If there is none.
    """
    known = all_roles()
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidProblem("role", repr(name), ", ".join(sorted(known)) + hint)
    return known[name]


def said(as_: str | None, role: str | None, declares: Iterable[str]) -> tuple[str | None, tuple[str, ...]]:
    """Return the role and the declarations of a balancer of which somebody says what it computes.

    >>> said("max-vio", None, ["logits"])
    ('metric', ('logits', 'max-vio'))

    Raises
    ------
    InvalidProblem
        If nothing of the role, or of any, computes that.
    """
    if as_ is None:
        return role, tuple(declares)
    owners = {kind: one.name for one in all_roles().values() for kind in one.kinds if role in (None, one.name)}
    if as_ not in owners:
        near = get_close_matches(as_, owners, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise InvalidProblem("--as", repr(as_), (", ".join(owners) or f"nothing for a {role}") + hint)
    return owners[as_], (*declares, as_)
