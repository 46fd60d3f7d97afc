# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What can be done besides `generate`: one operation a file, with one signature, for Python, command line and HTTP.

    operation(mesh and pictures, recipe, *, progress=None, cancel=None) -> Result

`mesh` is a path or the bytes of a file; `pictures` are named by side, as for `generate`. The table is `kinds.KINDS`.
"""
