# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How much memory the work on one mesh may take, where the system can be told so.

Owns      the bound around such work. Not here: what a file may unfold to (`formats.read`), who is ended first where the
          whole machine runs short (`process`).

The bound is on addresses, not on pages in use, and is counted from what the process has already: a network that was
loaded before, or the addresses that a graphics driver reserves, take nothing from it. What is started meanwhile
inherits it. An allocation that goes beyond fails where it is made, before the machine begins to swap.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MESH_BYTES = 12 << 30  # painting 200,000 faces at a texture of 8192 texels takes 5 GiB
_STATM = Path("/proc/self/statm")


@contextmanager
def bounded(more_bytes: int = MESH_BYTES) -> Iterator[None]:
    """Let this process take no more than so much in addition; without /proc (macOS) nothing is bounded."""
    if not _STATM.exists():
        yield
        return
    import resource  # which Windows has not

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    own = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    limits = [own + more_bytes, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
