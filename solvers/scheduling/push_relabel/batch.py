"""Many load vectors on one placement: checked at the door, split by the kernels, each with its certificate."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from equipoise.arrays import as_numpy, whole_numbers
from equipoise.certificates.kinds.scheduling import SchedulingCertificate
from equipoise.errors import InvalidProblem
from equipoise.problems import SchedulingProblem
from equipoise.problems.scheduling import LARGEST_TOTAL
from equipoise.solvers.scheduling.push_relabel.network import Network

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Indices = npt.NDArray[np.uint32]


@dataclass(frozen=True, eq=False)
class Schedules:
    """Splits of B load vectors over one placement, and for each the set of devices that proves its peak.

    The pairs (expert, device) that the placement allows are numbered by expert, then device: pair a is
    ``(expert[a], device[a])``. What a certificate proves is decided by its own check, :meth:`verify`.

    Attributes
    ----------
    loads
        ``[B, E]`` tokens.
    expert, device
        ``[A]`` the allowed pairs.
    shares
        ``[B, A]`` tokens of each pair, in units of ``1 / denominators[b]`` token; 32-bit integers if all sums fit.
    denominators
        ``[B]``, all 1 unless tokens may be divided.
    devices
        ``[B, G]`` booleans, the bottleneck set of each vector.
    """

    loads: Integers = field(repr=False)
    expert: Indices = field(repr=False)
    device: Indices = field(repr=False)
    shares: npt.NDArray[np.int32 | np.int64] = field(repr=False)
    denominators: Integers = field(repr=False)
    devices: Booleans = field(repr=False)
    _peaks: Integers = field(repr=False)
    _form: SchedulingProblem

    def __len__(self) -> int:
        """B."""
        return len(self.loads)

    @property
    def peaks(self) -> list[Fraction]:
        """Peak of each split, ``max_g (b[g] + sum_e x[e, g]) / v[g]``, as the bottleneck set proves it."""
        return [Fraction(above, below) for above, below in self._peaks.tolist()]

    @property
    def splits(self) -> Integers:
        """``[B, E, G]`` tokens of each expert on each device, in units of ``1 / denominators[b]`` token; built anew."""
        splits = np.zeros((len(self), *self._form.hosts.shape), np.int64)
        splits[:, self.expert, self.device] = self.shares
        return splits

    def split(self, index: int) -> Integers:
        """``[E, G]``, one of :attr:`splits`."""
        split = np.zeros(self._form.hosts.shape, np.int64)
        split[self.expert, self.device] = self.shares[index]
        return split

    def problem(self, index: int) -> SchedulingProblem:
        """Return the problem of one load vector."""
        form = self._form
        return SchedulingProblem(
            self.loads[index], form.hosts, base_load=form.base_load, speed=form.speed, fractional=form.fractional
        )

    def certificate(self, index: int) -> SchedulingCertificate:
        """Return the certificate of one load vector; its ``verify`` needs no solver."""
        denominator = int(self.denominators[index])
        return SchedulingCertificate.of(self.problem(index), self.split(index), denominator, self.devices[index])

    def verify(self) -> None:
        """Check every certificate and that it proves the stated peak.

        Raises
        ------
        AssertionError
            Naming the first vector whose certificate is refused, and why.
        """
        for index, peak in enumerate(self.peaks):
            verdict = self.certificate(index).verify()
            if not verdict.valid or verdict.upper != peak:
                raise AssertionError(f"vector {index}: {verdict.reason}; stated is a peak of {peak}")


def schedule_batch(
    loads: npt.ArrayLike,
    hosts: npt.ArrayLike | None = None,
    *,
    physical_to_logical: npt.ArrayLike | None = None,
    num_devices: int | None = None,
    base_load: npt.ArrayLike | None = None,
    speed: npt.ArrayLike | None = None,
    fractional: bool = False,
) -> Schedules:
    """Split every load vector over one placement so that its fullest device has as little as possible.

    Each row of ``loads`` is the load of one :class:`equipoise.SchedulingProblem`; the other arguments are the same as
    there. The answer to a row depends on that row alone. The first call compiles (seconds) and keeps the result on
    disk; later processes load it.

    Parameters
    ----------
    loads
        Array-like, shape (B, E): tokens per expert; B may be 0.
    hosts
        Array-like, shape (E, G): booleans; or give ``physical_to_logical`` and ``num_devices``.
    base_load, speed
        Array-like, shape (G,), the same for all vectors.
    fractional
        Whether tokens may be divided; then each vector has a denominator of its own.

    Raises
    ------
    InvalidProblem
        Naming the argument; also if a vector has load for an expert without host, naming both.
    """
    rows = as_numpy(loads, "loads")
    if rows.ndim != 2:
        raise InvalidProblem("loads", f"of shape {rows.shape}", "shape (number of vectors, number of experts)")
    form = SchedulingProblem(
        np.zeros(rows.shape[1], np.int64),
        hosts,
        physical_to_logical=physical_to_logical,
        num_devices=num_devices,
        base_load=base_load,
        speed=speed,
        fractional=fractional,
    )
    rows = whole_numbers(rows, "loads", (None, form.num_experts), 0, 2**53)
    _fit(rows, form)
    return scheduled(rows, form, Network.of(form.hosts))


def scheduled(loads: Integers, form: SchedulingProblem, network: Network) -> Schedules:
    """Split validated ``loads[B, E]`` over the placement of ``form``, whose own load is not looked at."""
    from equipoise.solvers.scheduling.push_relabel.kernels import schedule_rows

    expert, device, count = network.expert, network.device, len(loads)
    largest = (int(loads.sum(axis=1).max(initial=0)) + int(form.base_load.sum())) * int(form.speed.sum())
    shares = np.empty((count, len(expert)), np.int32 if largest < 2**31 else np.int64)
    denominators = np.empty(count, np.int64)
    peaks, cuts = np.empty((count, 2), np.int64), np.empty((count, form.num_devices), np.bool_)
    answer = (shares, denominators, peaks, cuts)
    schedule_rows(loads, network, form.base_load, form.speed, form.fractional, *answer)
    for array in answer:
        array.flags.writeable = False
    return Schedules(loads, expert, device, shares, denominators, cuts, peaks, form)


def _fit(loads: Integers, form: SchedulingProblem) -> None:
    """Refuse what a single :class:`SchedulingProblem` refuses of its load: orphans and totals beyond 64 bits."""
    orphans = np.argwhere((loads > 0) & ~form.hosts.any(axis=1))
    if orphans.size:
        row, expert = orphans[0].tolist()
        raise InvalidProblem("hosts", f"without a device for expert {expert}", f"a host for it: vector {row} loads it")
    speeds, bases = sum(form.speed.tolist()), sum(form.base_load.tolist())
    for row in np.flatnonzero((loads.astype(np.float64).sum(axis=1) + bases) * speeds >= LARGEST_TOTAL / 2):
        total = sum(loads[row].tolist()) + bases
        if total * speeds >= LARGEST_TOTAL:
            allowed = f"load times speed, in all, below {LARGEST_TOTAL}"
            raise InvalidProblem("loads", f"{total} in total in vector {row}", allowed)
