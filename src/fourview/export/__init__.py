"""The mesh leaves the house, and foreign meshes come in."""
