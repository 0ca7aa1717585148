"""What runs the checks; it knows no role by name."""
