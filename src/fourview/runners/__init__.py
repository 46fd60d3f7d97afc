# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Door: machines. Whoever does the work that the service hands out; `fourview.work` has the words they share."""
