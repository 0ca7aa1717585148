"""Placement on devices of unequal speed or room: a search with certified schedules, and a certified bound."""
