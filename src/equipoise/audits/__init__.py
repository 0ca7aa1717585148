"""Balancers compared with proved optima: one way to do it, and one module a role that says what is measured."""
