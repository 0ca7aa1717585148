"""The checks that everything is believed for: standard library and NumPy only, exact integers, no solver."""
