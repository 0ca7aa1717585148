"""Every number that was chosen rather than derived, with its unit and the reason for it.

They decide how long a solve takes and which of several optima it finds, never whether what it finds is an optimum.
"""

from __future__ import annotations

from typing import NamedTuple

BLOCK = 512
"""Tokens that a thread takes at a time: many blocks share out evenly, and their scratch stays in its cache."""


class Tuning(NamedTuple):
    """What the method is tuned by. A rank is a place in an expert's list of bids: one rank, one token of load."""

    # Reading the scores
    seed: int = 20260101
    """Of the order in which tokens are sampled; fixed, so that a problem has one answer."""
    noise_bits: int = 20
    """Bits of the hash that breaks ties, at most: a million levels leave few ties among a token's experts."""
    arcs: int = 16
    """Arcs for which a pass makes room, for every token on average; where a block needs more, it runs again."""
    alone: int = 1 << 18
    """Scores below which one thread works: on a busy machine a second one costs milliseconds of waiting."""
    arc: int = 16
    """Scores to read in the time that a sweep spends on an arc."""

    # Samples
    sample: int = 1 << 23
    """Scores in the first sample at most: all of its arcs are in memory at once."""
    fewest: int = 512
    """Tokens in the first sample at least: below that, noise hides the prices."""
    growth: float = 6
    """Tokens of a sample over those of the one before, at most: a sample's noise sets the windows of the next."""
    spread: float = 3.5
    """Standard deviations of a sample's load that a window covers: one expert in two thousand falls outside."""
    idle: int = 2
    """Times as many ranks that the window of an expert covers which has room left: others' surpluses end there."""
    calm: float = 0.5
    """Tokens out of balance per expert at which descent on a sample ends, in standard deviations of its load: the
    next sample brings more than that anyway."""

    # Descent
    sweeps: int = 40
    """Sweeps of one descent at most; what is left then stalls, and repair does better."""
    patience: int = 4
    """Sweeps after which a descent must have become better: single sweeps may be worse than the one before."""
    progress: int = 16
    """It must have removed more than one part in so many of the imbalance."""
    carry: float = 0.3
    """Part of the last move that is added to the next while that helps: groups of alike experts move slowly."""
    shorter: float = 0.75
    """Length of the next moves over that of the last, where imbalance grew: experts overshoot together."""
    shortest: float = 0.5
    """Least length of a move: two experts that compete with each other alone each go half of the way."""
    quiet: float = 0.5
    """Tokens out of balance per expert at which the last descent ends; repair removes so few faster."""
    whole: int = 6
    """Sweeps over a whole core at most: each reads all its arcs, most of which no longer matter."""
    wide: int = 32
    """Ranks on either side of a price that still matter after such a sweep, at least."""
    per_excess: int = 8
    """Such ranks for every token of mean excess per expert: a surplus often passes through several experts."""

    # The price floor
    tight: int = 32
    """Spare capacity is little, and a floor is raised, if it is at most one part in so many of the demand."""
    cheap: int = 32
    """Experts, those of the least prices, among which the floor looks for room to spare."""

    # Repair and proof
    first: int = 8
    """Ranks on either side of a price with which repair begins, at least: most surpluses travel no farther."""
    per_overload: int = 4
    """Such ranks for every token that the fullest expert has too many: it must find takers for all of them."""
    last: int = 64
    """Ranks on either side of a price within which the core is gathered again after a proving pass, at least."""
    per_wrong: int = 16
    """Such ranks for every token per expert that the proving pass found without a top-K set."""
    wider: int = 4
    """Times as many ranks in each further attempt of either."""
    additions: int = 12
    """Proving passes whose wrong tokens are added to a core, before all tokens are gathered again."""
    widenings: int = 5
    """Such passes, after which all arcs are gathered and settled, before another engine is asked."""
    remade: int = 4
    """One part in so many of the contracted graph's rows changes from search to search, about."""
    work: int = 1 << 31
    """Arcs and rows' entries that repair may look at, about: some seconds' worth."""
    looks: int = 16
    """Or so many arcs for every score, if that is more: what takes longer is no repair."""


TUNING = Tuning()
