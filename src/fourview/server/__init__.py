# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The processes `fourview serve` and `fourview work`: composed, started, supervised, ended."""
