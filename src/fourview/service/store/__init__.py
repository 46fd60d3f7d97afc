# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the service remembers: jobs, keys, credits, events. One file a noun, one function a query.

Every function takes a connection whose transaction is the caller's (`with store.begin() as tx`), and `now`, unix
seconds, where time matters. Rows come back as frozen dataclasses. docs/how/store.md draws tables, states and locks.
"""
