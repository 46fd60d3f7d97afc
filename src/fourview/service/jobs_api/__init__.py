# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The jobs API: its request fields, its answers."""
