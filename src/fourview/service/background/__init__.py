# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What runs beside the requests: dispatcher, janitor, webhooks, and the supervisor that restarts them."""
