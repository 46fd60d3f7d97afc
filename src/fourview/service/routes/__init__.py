# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The routes, one file for each group of paths; each file has a `router`."""
