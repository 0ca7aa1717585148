"""Environments: Equipoise's and the frameworks' needs from PyPI, and on top of them each framework at its version.

Frameworks with the same needs share what is installed for these; everything is made once.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from rows import HERE, Framework

ROOT = HERE.parents[1]
MOCK = """from unittest.mock import MagicMock

__version__ = "0"


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    return MagicMock()
"""


@dataclass(frozen=True)
class Environment:
    """A Python that has the framework and Equipoise."""

    python: Path
    variables: dict[str, str]


class NotInstalled(Exception):
    """Why there is no environment for a framework."""


def environment(framework: Framework, folder: Path, checkout: Path | None) -> Environment:
    """Return the environment of a framework, made where there is none yet for just these versions.

    Raises
    ------
    NotInstalled
        If a clone is wanted and not given, or a step fails.
    """
    home = folder / framework.name
    wanted = repr((framework.packages, framework.version, framework.builds, framework.needs))
    made = _is_made(home, wanted)
    if framework.repository and not made:
        _export(framework, home / "checkout", checkout)
    python = _needs(framework.needs, folder)
    exported = [home / "checkout"] if framework.builds else []
    if (framework.packages or exported) and not made:
        options = ["--no-deps", "--no-build-isolation", "--target", home / "packages"]
        _run([python, "-m", "pip", "install", "-q", *options, *framework.packages, *exported])
    parts = [name.split(".") for name in framework.mocks]
    mocked = {".".join(part[:length]): MOCK for part in parts for length in range(1, len(part) + 1)}
    for name, text in (mocked | framework.stubs).items():
        place = home / "stubs" / Path(*name.split("."))
        place.mkdir(parents=True, exist_ok=True)
        (place / "__init__.py").write_text(text)
    (home / "installed").write_text(wanted)
    places = [ROOT / "src", home / "stubs", home / "packages"]
    places += [home / "checkout" / path for path in framework.paths] if framework.repository else []
    paths = os.pathsep.join(str(place) for place in places if place.exists())
    return Environment(python, {**os.environ, "PYTHONPATH": paths, **framework.variables})


def _needs(needs: tuple[str, ...], folder: Path) -> Path:
    """Return a Python that has what Equipoise and a framework need."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = "\n".join([*own, *needs])
    home = folder / "needs" / hashlib.sha256(wanted.encode()).hexdigest()[:12]
    python = home / "venv" / "bin" / "python"
    if not _is_made(home, wanted):
        _run([sys.executable, "-m", "venv", home / "venv"])
        _run([python, "-m", "pip", "install", "-q", *own, *needs])
        (home / "installed").write_text(wanted)
    return python


def _is_made(home: Path, wanted: str) -> bool:
    """Whether just this is installed there; if not, the folder is made, empty."""
    done = home / "installed"
    if done.exists() and done.read_text() == wanted:
        return True
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True)
    return False


def _export(framework: Framework, folder: Path, checkout: Path | None) -> None:
    """Write the pinned commit of a clone, with or without a work tree, to a folder."""
    if checkout is None:
        clone = f"--checkout {framework.name}=PATH, a clone of {framework.repository}"
        raise NotInstalled(f"{framework.title} needs {clone} that has {framework.version}")
    folder.mkdir()
    archive = folder.with_suffix(".tar")
    _run(["git", "-C", checkout, "archive", "-o", archive, framework.version, *framework.exports])
    _run(["tar", "xf", archive, "-C", folder])
    archive.unlink()


def _run(command: list[str | Path]) -> None:
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    if done.returncode:
        raise NotInstalled(f"{' '.join(map(str, command[:4]))} ...: {(done.stderr or done.stdout).strip()[-600:]}")
