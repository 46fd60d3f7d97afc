# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mesh files are written and read: GLB, OBJ, PLY, STL."""
