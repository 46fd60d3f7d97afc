# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How the small network of the embedded engine is trained: a user of the library, not a part of the package."""
