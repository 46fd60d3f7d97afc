# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Our own API: the fields of its requests and the objects that it answers with."""
