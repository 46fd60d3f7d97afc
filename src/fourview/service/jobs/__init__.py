# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A request becomes a job; the job is shown; a request waits for its end."""
