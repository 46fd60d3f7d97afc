"""A field becomes a mesh."""
