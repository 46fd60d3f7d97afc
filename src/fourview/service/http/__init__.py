# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What every request passes: connection, limits, keys, problems, OpenAPI."""
