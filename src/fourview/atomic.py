# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Files are written whole or not at all.

Owns      the temporary name beside the target, flushing to the disk, the rename.
Not here  what is written, and the message where it cannot be: each caller has its own.
"""

import os
import secrets
from collections.abc import Mapping
from pathlib import Path


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write each file; none takes its place before all are on the disk. Makes the folders; raises `OSError`."""
    waiting: dict[Path, Path] = {}
    try:
        for target, content in contents.items():
            target.parent.mkdir(parents=True, exist_ok=True)
            waiting[target] = temporary_path(target)
            with open(waiting[target], "xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # after a power cut the new name must not lead to an empty file
        for target, temporary in waiting.items():
            os.replace(temporary, target)
    finally:
        for temporary in waiting.values():
            temporary.unlink(missing_ok=True)


def temporary_path(path: Path) -> Path:
    """A hidden name in the folder of `path` that no other process uses."""
    return path.with_name(f".fourview-{os.getpid()}-{secrets.token_hex(6)}.part")
