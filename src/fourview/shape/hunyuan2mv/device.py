# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Which device computes, and how precisely.

Owns      what the values of `device` and `precision` mean, and what "auto" chooses.
Not here  how much of the network lies on the device (`memory`), threads (`fourview.compute`).

"auto" is the first CUDA device, else Apple's GPU, else the CPU; float16 on a GPU, as the official
weights are stored and run, and float32 on a CPU. A CPU can use float16 too, with half the memory:
docs/how/hunyuan2mv_memory.md has times and errors.
"""

import torch

from fourview.errors import RecipeError

PRECISIONS = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def find_device(word: str = "auto") -> torch.device:
    """The device that `word` names: "auto", "cpu", "cuda", "cuda:N" or "mps"; raises `RecipeError`."""
    here = devices()
    if word == "auto":
        return torch.device(here[0])
    name = "cuda:0" if word == "cuda" else word
    if name not in here:
        raise RecipeError(f"device is '{word}'; here are {', '.join(here)}: name one of them, or say 'auto'")
    return torch.device(name)


def find_precision(word: str, device: torch.device) -> torch.dtype:
    """The type of weights and rows that `word` names, "auto" or one of `PRECISIONS`; raises `RecipeError`."""
    if word == "auto":
        return torch.float32 if device.type == "cpu" else torch.float16
    if word not in PRECISIONS:
        raise RecipeError(f"precision is '{word}'; it takes one of {', '.join(PRECISIONS)}, or 'auto'")
    return PRECISIONS[word]


def devices() -> list[str]:
    """The names of the devices of this machine, the fastest first."""
    gpus = [f"cuda:{index}" for index in range(torch.cuda.device_count())] if torch.cuda.is_available() else []
    return [*gpus, *(["mps"] if torch.backends.mps.is_available() else []), "cpu"]
