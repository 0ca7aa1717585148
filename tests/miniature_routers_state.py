"""Faulty routers whose bias, or what they remember, is wrong; ``FAULTY`` names the check that must catch each."""

from __future__ import annotations

import numpy as np

from miniature_routers import Biased, Capped, Stored
from miniatures import into

FAULTY: dict[str, str] = {}
faulty = into(FAULTY)


class Slow(Biased):
    """With the published step."""

    step = 1e-3

    def learn(self, bias, load):
        self.bias = bias + self.step * np.sign(load.mean() - load)


@faulty("router_bias_moves_apart")
class NeverUpdates(Slow):  # NeMo Automodel PR 3207
    def learn(self, bias, load):
        self.bias = bias


@faulty("router_bias_moves_apart")
class MovesAllAlike(Slow):
    """The overload of the fullest expert goes to all of them."""

    def learn(self, bias, load):
        self.bias = bias - self.step * (load.max() > load.mean())


@faulty("router_bias_moves_apart")
class RoundsItsStepsAway(Slow):
    """Starts at one, in a type in which 1 + 0.0001 is 1."""

    step = 1e-4

    def current(self, scores):
        return np.ones(scores.shape[1]) if self.bias is None else super().current(scores)

    def learn(self, bias, load):
        super().learn(bias, load)
        self.bias = self.bias.astype(np.float16)


@faulty("router_bias_moves_apart")
class UpdatesItsNeighbour(Slow):
    def learn(self, bias, load):
        super().learn(bias, np.roll(load, 1))


@faulty("router_lowers_the_peak_of_a_skewed_batch")
class LearnsWhatItDoesNotUse(Slow):
    """The bias moves as it should, and never enters the choice."""

    def __call__(self, scores, top_k):
        learnt = self.current(scores)
        self.bias = None
        routing = super().__call__(scores, top_k)
        self.bias = learnt + self.bias
        return routing


@faulty("router_lowers_the_peak_of_a_skewed_batch")
class SaysThatItBalances:
    """It means to, with a hidden bias of which the update is lost."""

    capabilities = frozenset({"balances", "stateful"})

    def __init__(self):
        self.hidden = Slow()

    def __call__(self, scores, top_k):
        routing = self.hidden(scores, top_k)
        self.hidden.bias = None
        return routing


@faulty("router_lowers_the_peak_of_a_skewed_batch")
class LetsOneMoreIn(Capped):
    """Its capacity counts from zero and is that of plain top-K."""

    slack = 99.0


@faulty("router_bias_holds_its_own_steps")
class KeepsEightBits(Slow):
    """As bfloat16: beyond 0.5 steps of 0.001 are lost."""

    def learn(self, bias, load):
        super().learn(bias, load)
        mantissa, exponent = np.frexp(self.bias)
        self.bias = np.ldexp(np.round(mantissa * 2**8) / 2**8, exponent)


@faulty("router_bias_starts_over")
class ResetsTheBiasAlone(Slow):
    """Its steps shrink, and go on shrinking after a reset."""

    calls = 0

    def learn(self, bias, load):
        self.calls += 1
        self.bias = bias + 0.05 / self.calls * np.sign(load.mean() - load)


@faulty("router_bias_starts_over")
class SharesItsCount(Slow):
    """What decides the next step belongs to the class: all layers count together."""

    calls = 0

    def learn(self, bias, load):
        type(self).calls += 1
        self.bias = bias + 1e-4 / np.sqrt(self.calls) * np.sign(load.mean() - load)


@faulty("router_bias_starts_over")
class SavesTheBiasAlone(Stored):
    """The speed that it has gathered is not part of the state."""

    step = 1e-3
    speed = 0.0

    def reset(self):
        self.bias, self.speed = None, 0.0

    def learn(self, bias, load):
        self.speed = 0.9 * self.speed + self.step * np.sign(load.mean() - load)
        self.bias = bias + self.speed

    def current(self, scores):
        if np.ndim(self.speed) and len(self.speed) != scores.shape[1]:
            self.speed = 0.0
        return super().current(scores)


@faulty("router_is_deterministic")
class SharesItsBias:
    """One bias for all instances."""

    kept = Slow()

    def __call__(self, scores, top_k):
        return self.kept(scores, top_k).chosen


@faulty("router_reset_forgets")
class ForgetsToReset(SharesItsBias):
    """In a hidden state, and with steps of 0.001."""

    def __init__(self):
        self.kept = Slow()

    def reset(self):
        pass


@faulty("router_evaluation_leaves_the_state_alone")
class LearnsALittleInEvaluation(Slow):
    def __call__(self, scores, top_k, training=True):
        self.step = 1e-3 if training else 1e-6
        return super().__call__(scores, top_k)


@faulty("router_bias_moves_once_a_call")
class LearnsInForwardAndInTheHook(Slow):
    rate = Slow.step

    def learn(self, bias, load):
        super().learn(bias, load)
        super().learn(self.bias, load)


@faulty("router_bias_moves_once_a_call")
class LearnsAgainWhenRecomputed(LearnsInForwardAndInTheHook):
    """As a module of a framework shows it: the rate in an array."""

    rate = None
    bias_update_speed = np.array([Slow.step], np.float32)
