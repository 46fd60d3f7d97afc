# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The database: jobs, keys, credits, events. One file for each noun, one function for each query.

Every function takes a connection whose transaction is the caller's (`with store.begin() as tx`), and `now`, unix
seconds, where time matters. Rows come back as frozen dataclasses. Tables, states and locks are drawn in docs/store.md.
"""
