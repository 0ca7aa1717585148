"""Routers that are made for one E and K: they say so in attributes, in what they raise, or only by their buffers."""

import numpy as np

from miniature_routers import top


class KeepsItsSizes:
    num_experts, top_k = 64, 8

    def __call__(self, scores, top_k):
        assert scores.shape[1] == 64
        assert top_k == 8
        return top(scores, top_k)


def says_nothing(scores, top_k):
    if (scores.shape[1], top_k) != (160, 6):
        raise ValueError("this kernel is compiled for 160 experts and top-6")
    return top(scores, top_k)


class AddsItsBuffer:
    n_routed_experts, num_experts_per_tok = 24, 3

    def __call__(self, scores, top_k):
        return top(scores + np.zeros(24), 3)


SOUND = {"KeepsItsSizes": (64, 8), "says_nothing": (160, 6), "AddsItsBuffer": (24, 3)}


class ForgetsTokens(KeepsItsSizes):
    def __call__(self, scores, top_k):
        chosen = super().__call__(scores, top_k)
        chosen[-1] = chosen[0]
        return chosen
