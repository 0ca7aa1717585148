"""Sound balancers of every role that throw dice, and say so."""

import numpy as np

DICE = np.random.default_rng()
RANDOM = frozenset({"random"})


class Router:
    """K experts at random, with their scores as weights."""

    capabilities = RANDOM

    def __call__(self, scores, top_k, mask=None, training=True):
        chosen = DICE.random(scores.shape).argsort(axis=1)[:, :top_k]
        weights = np.take_along_axis(scores, chosen, axis=1)
        return (chosen if mask is None else np.where(mask[:, None], chosen, -1)), weights

    def reset(self):
        """Forget nothing."""

    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        """Take nothing from it."""


class Scheduler:
    """Every token to a host of its expert at random."""

    capabilities = RANDOM | {"ignores loads"}

    def __call__(self, load, hosts):
        return np.stack([DICE.multinomial(n, row / row.sum()) for n, row in zip(load, hosts, strict=True)])


class Placer:
    """All experts, and spare replicas of any, in random slots."""

    capabilities = RANDOM | {"ignores the load", "flat", "shares devices", "uneven at zero load"}

    def __call__(self, load, num_slots, num_groups, num_nodes, num_devices):
        experts = load.shape[1]
        spare = DICE.integers(experts, size=(len(load), num_slots - experts))
        return DICE.permuted(np.hstack([np.tile(np.arange(experts), (len(load), 1)), spare]), axis=1)


class Predictor:
    """Any step again."""

    capabilities = RANDOM

    def __call__(self, history, horizon):
        return history[DICE.integers(len(history), size=horizon)].astype(float)


SOUND = [(name.lower(), name) for name in ("Router", "Scheduler", "Placer", "Predictor")]
