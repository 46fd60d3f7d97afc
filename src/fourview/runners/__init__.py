# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The child processes that compute for the service. `fourview.work` defines what they exchange."""
