"""Import every module of the installed package; the bare folders must not be importable."""

import importlib
import pkgutil

import equipoise

names = [module.name for module in pkgutil.walk_packages(equipoise.__path__, "equipoise.")]
for name in names:
    if name.endswith("__main__"):
        continue
    try:
        importlib.import_module(name)
    except ImportError as error:
        needs_torch = name.split(".")[1] == "torch" and "No module named 'torch'" in str(error)
        if not needs_torch and (name != "equipoise.testing" or "needs pytest" not in str(error)):
            raise
assert any(name.startswith("equipoise.solvers.") for name in names), "the wheel lacks solvers"
assert any(name.startswith("equipoise.reference.") for name in names), "the wheel lacks reference"
for bare in ("solvers", "reference"):
    try:
        importlib.import_module(bare)
    except ImportError:
        continue
    raise SystemExit(f"`import {bare}` works, but must not")
print(f"{len(names)} modules imported from {equipoise.__file__}")
