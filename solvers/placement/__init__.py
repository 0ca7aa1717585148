"""Replica counts and slots: exact programs for small sizes, a constructive search for large ones, rigorous bounds."""
