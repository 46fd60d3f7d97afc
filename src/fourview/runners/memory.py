# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A limit on the memory that work on one mesh may take.

Owns      the limit. Not here: what a file may unfold to (`formats.read`), which process the kernel ends first when the
          machine runs short (`process`).

The limit counts addresses, not pages in use, beyond those that the process has already: a loaded network, or the
addresses that a graphics driver reserves, take nothing from it. Child processes inherit it. An allocation beyond it
fails at once, before the machine begins to swap.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MESH_BYTES = 12 << 30  # painting 200,000 faces at a texture of 8192 texels takes 5 GiB
_STATM = Path("/proc/self/statm")


@contextmanager
def bounded(more_bytes: int = MESH_BYTES) -> Iterator[None]:
    """Limit this process to `more_bytes` in addition to what it has; without /proc (macOS) there is no limit."""
    if not _STATM.exists():
        yield
        return
    import resource  # Windows lacks it

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    own = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    limits = [own + more_bytes, *(limit for limit in (soft, hard) if limit != resource.RLIM_INFINITY)]
    resource.setrlimit(resource.RLIMIT_AS, (min(limits), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
