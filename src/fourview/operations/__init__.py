# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The other operations, one file each: retexture, simplify, convert, preview.

    operation(mesh and pictures, recipe, *, progress=None, cancel=None) -> Result

`mesh` is a path or the bytes of a file; `pictures` are named by side, as for `generate`. The table is `kinds.KINDS`.
"""
