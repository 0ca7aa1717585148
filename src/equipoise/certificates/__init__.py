"""Certificates: proofs of optimality that a small, solver-free, exact-integer check accepts."""
