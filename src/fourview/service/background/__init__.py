# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Threads beside the requests: dispatcher, janitor, webhook deliveries."""
