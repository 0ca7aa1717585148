"""Published routing rules in plain NumPy, one file each, true to their papers."""
