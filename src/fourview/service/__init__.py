# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The HTTP service: jobs, keys and credits, nothing of how a model is made."""
