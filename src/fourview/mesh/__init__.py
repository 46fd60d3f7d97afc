# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A mesh is measured, cleaned, repaired and simplified."""
