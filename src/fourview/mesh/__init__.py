"""A mesh becomes clean."""
