# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Raise the limit of open files, and count how many connections fit under it.

Owns      raising the soft limit at the start, the number of connections that follows from it.
Not here  what happens when all connections are taken (`service.http.protocol`).

Many systems start a service with a soft limit of 1,024 and a hard limit of half a million: the soft limit is for
programs that use `select`, which this one does not.
"""

import sys
from contextlib import suppress

WANTED = 65_536  # open files; more than any installation needs
RESERVED = 256  # open files kept for database, file store, fetches, webhooks and pipes of runners
CONNECTIONS_MAX = 16_384  # open connections; each takes about 20 kB of memory

if sys.platform == "win32":  # Windows has no such limit

    def raise_limit() -> None:
        """Do nothing: there is no limit to raise."""

    def connections_max() -> int:
        """How many connections of clients this process keeps at once."""
        return CONNECTIONS_MAX

else:
    import resource

    def raise_limit() -> None:
        """Let this process open as many files as the system allows, up to `WANTED`."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = min(WANTED, _counted(hard))
        if _counted(soft) < wanted:
            with suppress(OSError, ValueError):  # macOS has a lower limit of its own
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def connections_max() -> int:
        """How many connections of clients this process keeps at once."""
        soft = _counted(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        return min(CONNECTIONS_MAX, max(soft - RESERVED, soft // 2))

    def _counted(limit: int) -> int:
        return sys.maxsize if limit == resource.RLIM_INFINITY else limit
