"""Expert replicas -> devices: token scheduling as max flow, LP and integer program; traffic as min-cost flow."""
