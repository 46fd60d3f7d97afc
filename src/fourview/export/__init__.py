"""The mesh leaves the house (`write`, one format a file), foreign meshes come in (`read`), both are shown (`sheet`)."""
