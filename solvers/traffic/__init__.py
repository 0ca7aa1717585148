"""Source device -> expert replica: least traffic within the devices' limits, a min-cost flow."""
