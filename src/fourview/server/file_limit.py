# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How many files and sockets this process may have open.

Owns      raising the soft limit at start, and how many connections follow from it.
Not here  what happens at the limit (`protocol`).

Many systems start a service with a soft limit of 1,024 and a hard limit of half a million: the soft limit is for
programs that use `select`, which this one does not.
"""

import sys
from contextlib import suppress

WANTED = 65_536  # files: more than any installation needs
RESERVED = 256  # files for everything that is no client: database, store, fetches, webhooks, pipes of runners
CONNECTIONS_MAX = 16_384  # an open connection takes about 20 kB

if sys.platform == "win32":  # no such limit

    def raise_limit() -> None:
        """Do nothing."""

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
