# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Requests that the service makes to other hosts, and the hosts that it may ask."""
