"""Views are painted on the mesh."""
