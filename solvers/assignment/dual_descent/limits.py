"""The range of refined values and prices: inside it, 64-bit sums and differences are exact."""

from __future__ import annotations

VALUE_BITS = 58
"""Of a refined value."""

FAR = 2**61
"""Beyond every refined value and price (repair gives up at half of it); differences of two such numbers fit 64 bits."""
