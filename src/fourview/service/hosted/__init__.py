# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The hosted API (v1, v2): its request fields, its answers."""
