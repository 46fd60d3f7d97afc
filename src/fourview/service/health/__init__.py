# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Whether the process lives, whether it is ready, and its numbers."""
