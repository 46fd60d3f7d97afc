# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Runners: processes that do the work of the service. `fourview.work` defines what they exchange."""
