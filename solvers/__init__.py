"""Exact solvers: formulations of the problems and the engines that solve them, one file each."""

if __name__ == "solvers":
    raise ImportError("import equipoise.solvers, not the bare folder `solvers`")
