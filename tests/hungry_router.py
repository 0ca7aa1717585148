"""A router that wants more memory than it may have."""

import numpy as np


def route(scores, top_k):
    return np.ones((1 << 33,), np.uint8)[:0]
