# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The mesh leaves the house (`write`, one format a file), foreign meshes come in (`read`), both are shown (`sheet`)."""
