"""Replication at run time: integer programs, a search for large sizes, bounds, and the frontier of peak and copies."""
