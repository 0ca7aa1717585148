"""Train a small mixture of experts with a monitor in the loop. Needs NumPy alone.

    python examples/monitor/train.py --steps 300 --out run.jsonl

Tokens come from clusters of uneven size, and every cluster wants its own linear map: a softmax gate learns which K of E
experts to take. Loss-Free Balancing (arXiv 2408.15664) moves a bias against overload; `--rate 0` leaves it out.
"""

from __future__ import annotations

import argparse

import numpy as np

import equipoise

TOKENS, WIDTH, EXPERTS, TOP_K, CLUSTERS = 512, 16, 8, 2, 12


class MixtureOfExperts:
    """E linear experts and a linear gate, learning by gradient descent on the squared error."""

    def __init__(self, random: np.random.Generator, rate: float) -> None:
        self.gate = 0.1 * random.standard_normal((WIDTH, EXPERTS))
        self.experts = 0.1 * random.standard_normal((EXPERTS, WIDTH, WIDTH))
        self.bias, self.rate = np.zeros(EXPERTS), rate

    def step(self, x: np.ndarray, y: np.ndarray, learning_rate: float = 0.5) -> tuple[float, np.ndarray, np.ndarray]:
        """Learn from one batch; return the loss, the scores ``[T, E]`` and the chosen experts ``[T, K]``."""
        logits = x @ self.gate
        scores = np.exp(logits - logits.max(axis=1, keepdims=True))
        scores /= scores.sum(axis=1, keepdims=True)
        chosen = np.argsort(-(scores + self.bias), axis=1)[:, :TOP_K]
        weights = np.zeros_like(scores)
        np.put_along_axis(weights, chosen, np.take_along_axis(scores, chosen, axis=1), axis=1)
        made = np.einsum("tw,ewv->tev", x, self.experts)
        error = np.einsum("te,tev->tv", weights, made) - y
        of_scores = np.where(weights > 0, np.einsum("tev,tv->te", made, error), 0)
        of_logits = scores * (of_scores - (of_scores * scores).sum(axis=1, keepdims=True))
        self.experts -= learning_rate * np.einsum("tw,te,tv->ewv", x, weights, error) / len(x)
        self.gate -= learning_rate * x.T @ of_logits / len(x)
        return float((error**2).mean()), scores, chosen

    def balance(self, chosen: np.ndarray) -> None:
        """Move the bias towards experts below the mean load."""
        load = np.bincount(chosen.ravel(), minlength=EXPERTS)
        self.bias += self.rate * np.sign(load.mean() - load)


def train(steps: int, rate: float, monitor: equipoise.Monitor, seed: int = 0) -> float:
    """Train, watched by a monitor, and return the last loss."""
    random = np.random.default_rng(seed)
    centres = 1.5 * random.standard_normal((CLUSTERS, WIDTH))
    maps = random.standard_normal((CLUSTERS, WIDTH, WIDTH)) / WIDTH**0.5
    shares = 1 / np.arange(1, CLUSTERS + 1)
    model, loss = MixtureOfExperts(random, rate), 0.0
    for step in range(steps):
        cluster = random.choice(CLUSTERS, TOKENS, p=shares / shares.sum())
        x = (centres[cluster] + 0.5 * random.standard_normal((TOKENS, WIDTH))) / WIDTH**0.5
        y = np.einsum("tw,twv->tv", x, maps[cluster])
        bias = model.bias.copy()
        loss, scores, chosen = model.step(x, y)
        record = monitor.step(scores, chosen, layer="experts", bias=bias)
        model.balance(chosen)
        if record is not None and step % 50 == 0:
            print(
                f"step {step:4d}  loss {loss:.3f}  MaxVio {record['max_vio']:.2f}  MinVio {record['min_vio']:.2f}  "
                f"regret at most {record['relative_regret_bound']:.2%}"
            )
    return loss


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=0.01, help="of the bias; 0: no balancing")
    parser.add_argument("--out", default="run.jsonl", help="file of JSON lines, continued where it exists")
    parser.add_argument("--exact-every", type=int, default=50)
    arguments = parser.parse_args()
    with equipoise.Monitor([equipoise.monitor.jsonl(arguments.out)], exact_every=arguments.exact_every) as monitor:
        train(arguments.steps, arguments.rate, monitor)
    print(f"{monitor.audited} batches audited exactly, {monitor.skipped} skipped while an audit ran: {arguments.out}")


if __name__ == "__main__":
    main()
