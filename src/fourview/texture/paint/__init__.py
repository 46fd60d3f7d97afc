# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The second stage of Hunyuan3D: a network paints six views of a mesh, guided by the user's pictures."""
