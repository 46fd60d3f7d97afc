# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Threads, device and memory plan of a run.

Owns      the number of threads; device, weights and memory plan of a learned engine.
Not here  whether the machine has that device (the engine, which may load torch).
"""

import os
from dataclasses import dataclass
from typing import Literal

_threads: int | None = None


@dataclass(frozen=True)
class Machine:
    """What a learned engine runs on. The operator of the machine sets it; a request cannot."""

    weights: str | None = None  # a folder in the official layout; None: where `fourview weights pull` put them
    device: str = "auto"  # cpu, cuda, cuda:1, mps
    precision: Literal["auto", "float16", "bfloat16", "float32"] = "auto"
    memory: Literal["auto", "full", "offload", "low"] = "auto"  # what stays on the device
    noise: Literal["cpu", "device"] = "cpu"  # draws the first noise; the CPU gives the same on every machine
    approximate: tuple[str, ...] = ()  # shortcuts that change the result a little


def set_threads(count: int | None) -> None:
    """Use at most `count` threads from now on; `None`: one for each core."""
    global _threads
    _threads = count


def threads() -> int:
    """How many threads native code may use."""
    return _threads or os.cpu_count() or 1
