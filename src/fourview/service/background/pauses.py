# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What the service does while the database or the file store is away.

Owns      the policy, and how long work waits between two tries.
Not here  which errors mean that one of them is away: `store.database` and `files` translate what their libraries raise
          into `DependencyAwayError`, and nothing above them knows those libraries' errors.

A request is answered with 503 and `Retry-After` (`problems`). Work waits, longer and longer, and goes on by itself:
a running job keeps running, its end is written once the database is back (`dispatcher`); nothing that was accepted is
lost, and no job is blamed for it.
"""

import random
from collections.abc import Iterator

FIRST_S = 0.2
LONGEST_S = 5.0


def pauses() -> Iterator[float]:
    """Seconds to wait before each further try: 0.2 doubling to 5, shortened by chance so that not all come at once."""
    longest = FIRST_S
    while True:
        yield random.uniform(longest / 2, longest)
        longest = min(2 * longest, LONGEST_S)
