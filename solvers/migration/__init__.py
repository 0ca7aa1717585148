"""Migration: integer programs, a search within a budget of moves, bounds, relabelling of devices, rounds."""
