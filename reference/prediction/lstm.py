"""A recurrent network, trained on one run and tested on another, arXiv 2404.16914 (extra ``train``)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from equipoise.errors import TargetUnable
from equipoise.reference.prediction.shares import loads_of
from equipoise.series import shares


class Lstm:
    r"""One LSTM for all experts: from an expert's relative loads ``x_1 .. x_t`` (E times the share) to the next change.

    .. math:: \hat x_{t+1} = x_t + \sigma W h_t, \quad h_t = \mathrm{LSTM}((x_t - \mu) / \sigma, h_{t-1})

    with mean and standard deviation of what it is shown, so that no level is new to it; and recursively with the
    forecast in place of x, scaled to sum to E after every step. The paper leaves the network open. Chosen here: shared
    by the experts, since the experts of two runs have nothing in common but their number; ``hidden`` units; W starts at
    zero, which is persistence; Adam on the mean absolute error of the step after random stretches of ``stretch`` steps,
    in units of :math:`\sigma`; a fixed seed. A forecast starts with the last ``stretch`` steps; an expert whose share
    is the same in all of them is forecast to keep it.

    ``train`` makes a new network every time. Training again on the same series gives the same network.
    """

    def __init__(self, hidden: int = 32, stretch: int = 64, updates: int = 200, seed: int = 0) -> None:
        self.hidden, self.stretch, self.updates, self.seed = hidden, stretch, updates, seed
        self._network: Any = None
        with contextlib.suppress(TargetUnable):  # said when it is called
            _torch()  # takes seconds, which no call should pay

    def train(self, series: Sequence[npt.NDArray[Any]]) -> None:
        """Learn from the series ``[S, E]`` of one run.

        Raises
        ------
        TargetUnable
            If torch is not installed, or no series is longer than one stretch.
        """
        torch = _torch()
        tracks = [_relative(one) for one in series if len(one) > self.stretch]
        if not tracks:
            raise TargetUnable(f"the LSTM needs a series of more than {self.stretch} steps to be trained on")
        random = np.random.default_rng(self.seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            recurrent, head = torch.nn.LSTM(1, self.hidden, batch_first=True), torch.nn.Linear(self.hidden, 1)
        torch.nn.init.zeros_(head.weight)
        torch.nn.init.zeros_(head.bias)
        optimiser = torch.optim.Adam([*recurrent.parameters(), *head.parameters()], lr=3e-3)
        with _one_thread(torch):
            for _ in range(self.updates):
                x = torch.from_numpy(self._batch(tracks, random))
                mean, spread = _level(torch, x[:, :-1])
                z = (x - mean) / spread
                change = head(recurrent(z[:, :-1, None])[0][:, -1])
                loss = (z[:, -2:-1] + change - z[:, -1:]).abs().mean()
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
        self._network = recurrent, head

    def __call__(self, history: npt.NDArray[Any], horizon: int) -> npt.NDArray[np.float64]:
        """Return ``[horizon, E]`` for ``history[S, E]``.

        Raises
        ------
        TargetUnable
            If torch is not installed, or the network has not been trained.
        """
        torch = _torch()
        if self._network is None:
            raise TargetUnable("the LSTM must be trained first, on another run: call train(series)")
        recurrent, head = self._network
        experts = history.shape[1]
        with torch.no_grad(), _one_thread(torch):
            known = torch.from_numpy(_relative(history[-self.stretch :])).T
            moves = (known != known[:, :1]).any(dim=1, keepdim=True)
            mean, spread = _level(torch, known)
            hidden, state = recurrent(((known - mean) / spread)[:, :, None])
            now, forecast = known[:, -1:], []
            for _ in range(horizon):
                now = (now + moves * spread * head(hidden[:, -1])).clamp(min=0)
                now = now * experts / now.sum().clamp(min=1e-9)
                forecast.append(now[:, 0].numpy())
                hidden, state = recurrent(((now - mean) / spread)[:, :, None], state)
        return loads_of(np.array(forecast, np.float64), history)

    def _batch(self, tracks: list[npt.NDArray[np.float32]], random: np.random.Generator) -> npt.NDArray[np.float32]:
        """Return ``[128, stretch + 1]``: random stretches of random experts."""
        chosen = [tracks[index] for index in random.integers(len(tracks), size=128)]
        rows = []
        for track in chosen:
            start, expert = random.integers(len(track) - self.stretch), random.integers(track.shape[1])
            rows.append(track[start : start + self.stretch + 1, expert])
        return np.stack(rows)


def _relative(series: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    relative: npt.NDArray[np.float32] = (shares(series) * series.shape[1]).astype(np.float32)
    return relative


def _level(torch: Any, known: Any) -> tuple[Any, Any]:
    """Return mean and standard deviation of every row, the latter 1 where nothing moves."""
    spread, mean = torch.std_mean(known, dim=1, correction=0, keepdim=True)
    return mean, torch.where(spread > 1e-6, spread, torch.ones_like(spread))


@contextlib.contextmanager
def _one_thread(torch: Any) -> Iterator[None]:
    """More threads only wait for each other on a network this small, and may sum in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise TargetUnable("the LSTM needs torch: pip install 'equipoise[train]'") from error
    return torch
