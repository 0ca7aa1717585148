"""A router that lowers the bias of crowded experts after every batch (Loss-Free, arXiv 2408.15664)."""

import numpy as np


class Balanced:
    """Top-K of scores plus bias."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.bias = None

    def __call__(self, scores, top_k):
        experts = scores.shape[1]
        if self.bias is None or len(self.bias) != experts:
            self.bias = np.zeros(experts)
        chosen = np.argsort(-(scores + self.bias), axis=1, kind="stable")[:, :top_k]
        load = np.bincount(chosen.ravel(), minlength=experts)
        self.bias = self.bias + 0.01 * np.sign(load.mean() - load)
        return chosen
