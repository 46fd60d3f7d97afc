# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Mesh files of other programs, one module a format; `formats.read` calls them and makes one model of what they
find."""
