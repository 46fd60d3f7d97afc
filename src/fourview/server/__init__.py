# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The processes `fourview serve` and `fourview work`: what each is made of, how it starts and how it ends."""
