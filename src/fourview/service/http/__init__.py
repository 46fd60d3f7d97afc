# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What every request meets on its way to a route: the connection, limits, keys, conditions, the OpenAPI document."""
