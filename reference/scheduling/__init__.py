"""Published schedulers: how the load of an expert is split over the devices that host it."""
