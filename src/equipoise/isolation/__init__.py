"""Balancers under test in a process of their own: they may raise, hang, crash or print without taking us down."""
