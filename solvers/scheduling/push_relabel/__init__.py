"""Many load vectors on one placement, each split exactly and proved by a bottleneck: our own engine, compiled by numba.

`network` numbers the pairs; `kernels` solves, with the start from `lanes` and the bounds from `cuts`; `batch` is the
door for many vectors, `engine` the one for :func:`equipoise.solve`.
"""
