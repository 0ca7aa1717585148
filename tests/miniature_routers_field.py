"""Faulty routers as the training frameworks have them; ``FAULTY`` names the check that must catch each."""

import numpy as np

from miniature_routers import top
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


@faulty("router_tells_apart_what_its_float_type_does")
class RoundedSoftmax:  # transformers' Mistral4
    capabilities = frozenset({"half precision"})

    def __call__(self, scores, top_k):
        exponents = np.exp(np.clip(np.asarray(scores, np.float64), -50, 50))
        shares = np.float16(exponents / exponents.sum(axis=1, keepdims=True))
        return top(np.round(shares.astype(np.float64) * 256) / 256, top_k)


@faulty("router_keeps_who_comes_first")
class KeepsTheLast:  # Megatron-LM's dropping by position
    capabilities = frozenset({"drops", "online", "first come", "respects capacity"})

    def __call__(self, scores, top_k):
        chosen = top(scores, top_k)
        capacity = -(-chosen.size // scores.shape[1])
        mask = np.zeros(scores.shape, bool)
        np.put_along_axis(mask, chosen, True, axis=1)
        behind = mask[::-1].cumsum(axis=0)[::-1]
        return mask & (behind <= capacity)
