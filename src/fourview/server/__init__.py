# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The processes of `fourview serve` and `fourview work`: start, signals, end."""
