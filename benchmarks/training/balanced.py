"""A balancer at one layer of the model: timed, watched, and frozen where the model is evaluated."""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from equipoise import AssignmentProblem, metrics, solve
from equipoise.reference.routing.topk import top_k_experts
from equipoise.roles.router import Router, read_routing
from equipoise.routing import Routing


class Balanced:
    """Chooses experts by ``router`` in training, and by what it has learnt so far, unchanged, in evaluation.

    ``seconds`` is processor time spent in the router, with the way from torch to NumPy and back.
    """

    def __init__(self, router: Router, top_k: int) -> None:
        self.router, self.top_k = router, top_k
        self.seconds = 0.0
        self.scores = self.chosen = np.empty(0)

    def __call__(self, scores: Tensor, training: bool) -> Tensor:
        if not training:
            return torch.from_numpy(top_k_experts(self.keys(scores.numpy()), self.top_k))
        started = time.process_time()
        self.scores = scores.numpy()
        returned = self.router(self.scores, self.top_k)
        self.chosen = returned.chosen if isinstance(returned, Routing) else returned
        chosen = torch.tensor(self.chosen)
        self.seconds += time.process_time() - started
        return chosen

    def keys(self, scores: np.ndarray) -> np.ndarray:
        """What frozen routing takes the top K of: scores by their factors, or with their bias added."""
        if (factors := getattr(self.router, "factors", None)) is not None:
            return scores * factors
        bias = getattr(self.router, "bias", None)
        return scores if bias is None else scores + bias

    def state(self) -> dict[str, Tensor]:
        """What the router has learnt: every array it keeps, by name."""
        kept = getattr(self.router, "__dict__", {})
        return {name: torch.from_numpy(value) for name, value in kept.items() if isinstance(value, np.ndarray)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Continue from :meth:`state`."""
        for name, value in state.items():
            setattr(self.router, name, value.numpy())

    def relative_regret(self) -> float:
        """Relative regret of the latest training batch at its own peak load, against the certified optimum."""
        problem = AssignmentProblem(self.scores, self.top_k)
        mask = read_routing(self.chosen, self.scores, self.top_k).mask
        fair = metrics.at_peak_of(problem, metrics.loads(mask, problem.num_experts))
        best = solve(fair, solver="ortools-flow")
        if best.evidence != "certified" or best.objective is None:
            raise RuntimeError(f"the optimum at equal peak is not certified: {best.status}, {best.raw_status}")
        return metrics.relative_regret(fair, best.objective, metrics.score(fair, mask))
