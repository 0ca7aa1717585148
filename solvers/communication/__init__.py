"""Expert replicas -> devices with communication: a linear or integer program and its Lagrangian bound."""
