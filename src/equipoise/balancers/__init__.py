"""Balancers under test: found by name, held in this process or in one of their own, called without taking us down."""
