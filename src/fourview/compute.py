# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How much of the machine a run may use, chosen once.

Owns      the number of threads. Not here: device and precision, which come with the first engine that has a choice.
"""

import os

_threads: int | None = None


def set_threads(count: int | None) -> None:
    """Use at most `count` threads from now on; `None` means one a core."""
    global _threads
    _threads = count


def threads() -> int:
    """How many threads native code may use."""
    return _threads or os.cpu_count() or 1
