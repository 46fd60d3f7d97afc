# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The door for HTTP: it knows jobs, keys and credits, and nothing of how a model is made."""
