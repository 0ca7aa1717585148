"""Token -> expert at production size: sampled prices, narrow windows, exact repair, one proving pass; in numba."""
