# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What a request carries: its body, its pictures, its mesh."""
