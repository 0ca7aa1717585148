"""Modules without torch: what the recorder asks of torch's, and one router of every form that it knows."""

from collections import OrderedDict
from types import SimpleNamespace

import numpy as np

from equipoise.traces import apply_gate

T, E, K = 12, 6, 2


class Module:
    """What the recorder asks of torch's modules."""

    def __init__(self, **children):
        self.children, self.hooks, self.before = children, OrderedDict(), OrderedDict()
        for name, child in children.items():
            setattr(self, name, child)

    def named_modules(self, prefix=""):
        yield prefix, self
        for name, child in self.children.items():
            yield from child.named_modules(f"{prefix}.{name}" if prefix else name)

    def _registered(self, hooks, hook):
        key = object()
        hooks[key] = hook
        return SimpleNamespace(remove=lambda: hooks.pop(key))

    def register_forward_hook(self, hook, *, with_kwargs=False):
        assert with_kwargs
        return self._registered(self.hooks, hook)

    def register_forward_pre_hook(self, hook):
        return self._registered(self.before, hook)

    def __call__(self, *args, **kwargs):
        for hook in self.before.values():
            hook(self, args)
        output = self.forward(*args, **kwargs)
        for hook in self.hooks.values():
            assert hook(self, args, kwargs, output) is None
        return output


def top(values, k=K):
    return np.argsort(-values, axis=-1, kind="stable")[..., :k]


class Weighted(Module):
    def __init__(self, seed=0):
        super().__init__()
        self.weight = np.random.default_rng(seed).standard_normal((E, 8)).astype(np.float32)
        self.num_experts, self.top_k = E, K

    def logits(self, hidden):
        return hidden.reshape(-1, 8).astype(np.float32) @ self.weight.T


class SomeTopKRouter(Weighted):
    """(logits, weights, experts), as most of transformers."""

    gate = "sigmoid"

    def forward(self, hidden):
        logits = self.logits(hidden)
        scores = apply_gate(logits, self.gate)
        chosen = top(scores)
        weights = np.take_along_axis(scores, chosen, axis=1)
        return logits, 2.5 * weights / weights.sum(axis=1, keepdims=True), chosen


class OldGate(Weighted):
    """(experts, weights), as DeepSeek's before version 5 of transformers: no logits."""

    def forward(self, hidden_states):
        scores = apply_gate(self.logits(hidden_states), "sigmoid")
        return top(scores), np.take_along_axis(scores, top(scores), axis=1)


class Llama4Router(Weighted):
    def forward(self, hidden):
        logits = self.logits(hidden)
        scores = np.zeros_like(logits)
        np.put_along_axis(scores, top(logits), 0.5, axis=1)
        return scores, logits


class JetMoeTopKGating(Weighted):
    def forward(self, hidden):
        logits = self.logits(hidden)
        flat = top(logits).ravel()
        order = np.argsort(flat, kind="stable")
        return order, order // K, np.ones(len(flat), np.float32), np.bincount(flat, minlength=E).tolist(), logits


class SwitchTransformersTop1Router(Weighted):
    def forward(self, hidden):
        logits = self.logits(hidden).reshape(2, T // 2, E)
        return (np.arange(E) == logits.argmax(axis=-1)[..., None]).astype(np.int64), logits[..., :1], logits


class TopKRouter(Weighted):
    """Megatron-LM's: (probabilities, map); logits only from ``gating``."""

    layer_number = 7

    def __init__(self, seed=0):
        super().__init__(seed)
        del self.top_k
        self.topk, self.config = K, SimpleNamespace(moe_router_score_function="sigmoid", num_moe_experts=E)

    def gating(self, hidden):
        return self.logits(hidden)

    def forward(self, hidden, padding_mask=None):
        mask = np.zeros((T, E), bool)
        np.put_along_axis(mask, top(self.gating(hidden)), True, axis=1)
        return mask / K, mask


class TokenChoiceTopKRouter(Weighted):
    """torchtitan's: (weights, experts, scores), and ``gate``."""

    score_func = "sigmoid"

    def gate(self, hidden):
        return self.logits(hidden)

    def forward(self, x, expert_bias=None):
        scores = apply_gate(self.gate(x), "sigmoid")
        return np.take_along_axis(scores, top(scores), axis=1), top(scores), scores


class Linear(Weighted):
    def __init__(self):
        super().__init__()
        del self.num_experts, self.top_k
        self.out_features = E

    def forward(self, hidden):
        return self.logits(hidden)


class Block(Module):
    """Experts with a plain linear layer as gate."""

    def __init__(self, gate):
        super().__init__(gate=gate)
        self.num_experts, self.top_k = E, K

    def forward(self, hidden):
        return self.gate(hidden)


class Model(Module):
    def forward(self, hidden):
        for child in self.children.values():
            child(hidden)


class Array(np.ndarray):
    """NumPy with the one method of torch that readings use."""

    def detach(self):
        return self


def hidden(seed=0, tokens=T):
    return np.random.default_rng(seed).standard_normal((1, tokens, 8)).astype(np.float32).view(Array)
