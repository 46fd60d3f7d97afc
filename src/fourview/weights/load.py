# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Load a network from a folder: every tensor goes to its place, directly on the device.

Owns      the layouts of a checkpoint, its `config.yaml`, strictness, renaming, filling a network.
Not here  soundness of a file (`verify`), which names and sizes a network has (its own module).

Three layouts are read, all with a `config.yaml` beside the tensors:

    model.fp16.safetensors    the official one: all networks, distinguished by prefix (PREFIXES)
    model.fp16.safetensors    a VAE alone: no prefix; its config is {target, params}
    model... vae... conditioner.safetensors    one file a part, with the prefix or without

Of several variants of a file the first in VARIANTS is read. Tensors are memory-mapped, and go one by one to the device
in its precision: beside the network, one tensor is in memory.
"""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors import safe_open
from torch import Tensor, nn

from fourview.errors import CheckpointError
from fourview.weights.verify import Header, read_header, refuse_pickle

PREFIXES = {
    "model": ("model.",),
    "vae": ("vae.",),
    # the shorter one is left where a pickled checkpoint's three dicts were saved one by one
    "conditioner": ("conditioner.main_image_encoder.model.", "main_image_encoder.model."),
}
VARIANTS = (".fp16", "", ".bf16")
CONFIG_LIMIT = 2**20  # bytes; the official ones have less than 2000
LISTED = 12  # names of each kind in an error

Renames = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Checkpoint:
    """A folder whose files are sound. `config` is its `config.yaml`."""

    folder: Path
    config: Mapping[str, Any]
    _parts: Mapping[str, Mapping[str, Header]] = field(repr=False)

    def tensors(self, part: str) -> Mapping[str, Header]:
        """The tensors of `part` (model, vae, conditioner) by their official names without the prefix."""
        if part not in self._parts:
            raise CheckpointError(
                f"{self.folder} holds no {part}, only {', '.join(self._parts)}: the official files hold all three in "
                f"model.fp16.safetensors; or put a {part}.safetensors beside them"
            )
        return self._parts[part]

    @property
    def files(self) -> list[Path]:
        """The files that are read."""
        return sorted({tensor.file for tensors in self._parts.values() for tensor in tensors.values()})


def open_checkpoint(folder: str | os.PathLike[str]) -> Checkpoint:
    """The checkpoint in `folder`, or in the one file of it that is named. Reads headers, no tensor."""
    place = Path(folder)
    if place.is_file():
        files, place = [place], place.parent
    elif place.is_dir():
        files = [file for stem in PREFIXES if (file := _preferred(place, stem))]
    else:
        raise CheckpointError(
            f"{place} does not exist; a folder with config.yaml and model.fp16.safetensors is expected"
        )
    if not files:
        for file in sorted(place.iterdir()):
            refuse_pickle(file)
        raise CheckpointError(
            f"{place} holds no model.safetensors, .fp16 or .bf16; a folder with the official files is expected: "
            "`fourview weights list` tells which can be pulled"
        )
    headers = [(file, read_header(file)) for file in files]
    config = _read_config(place / "config.yaml")
    parts: dict[str, dict[str, Header]] = {}
    for file, tensors in headers:
        alone = "vae" if "target" in config else file.name.split(".")[0]
        for part, mine in _by_part(file, tensors, alone if alone in PREFIXES else "model").items():
            parts.setdefault(part, mine)  # the single file comes first: others add what it lacks
    return Checkpoint(place, config, parts)


def _preferred(folder: Path, stem: str) -> Path | None:
    files = [folder / f"{stem}{variant}.safetensors" for variant in VARIANTS]
    return next(filter(Path.is_file, files), None)


def _read_config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise CheckpointError(
            f"{path} is missing; it says how large the network is: put the one of the same weights there"
        )
    try:
        if path.stat().st_size > CONFIG_LIMIT:
            raise ValueError("it is too long")
        config = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} is not YAML ({error}); put the official one there") from error
    if not isinstance(config, dict):
        raise CheckpointError(
            f"{path} holds a {type(config).__name__}; a mapping is expected: put the official one there"
        )
    return config


def _by_part(file: Path, tensors: Mapping[str, Header], alone: str) -> dict[str, dict[str, Header]]:
    """The tensors of a file sorted by prefix; `alone` is the part of a file without prefixes."""
    parts: dict[str, dict[str, Header]] = {}
    others = []
    for name, tensor in tensors.items():
        for part, prefixes in PREFIXES.items():
            if prefix := next(filter(name.startswith, prefixes), None):
                parts.setdefault(part, {})[name.removeprefix(prefix)] = tensor
                break
        else:
            others.append(name)
    if not parts:
        return {alone: dict(tensors)}
    if others:
        raise CheckpointError(
            f"{file} holds {_listed(others)} beside tensors of {', '.join(parts)}; every name is expected to begin "
            f"with {', '.join(prefixes[0] for prefixes in PREFIXES.values())}: fetch the official file"
        )
    return parts


def renamed(name: str, renames: Renames) -> str:
    """Our name of an official tensor: each (regex, replacement) is applied once, in order."""
    for pattern, replacement in renames:
        name = re.sub(pattern, replacement, name)
    return name


def check(
    expected: Mapping[str, Sequence[int]], found: Mapping[str, Header], part: str, folder: Path, renames: Renames
) -> None:
    """Raise one `CheckpointError` that lists every tensor that is missing, unexpected or of another shape.

    `expected` has our names, `found` official ones.
    """
    official = {renamed(name, renames): name for name in found}
    if len(official) < len(found):
        twice = set(found) - set(official.values())
        raise CheckpointError(f"the {part} in {folder} has tensors that become one after renaming: {_listed(twice)}")
    wrong = [
        f"{official[name]} {found[official[name]].shape} for {tuple(shape)}"
        for name, shape in expected.items()
        if name in official and found[official[name]].shape != tuple(shape)
    ]
    faults = {
        "missing": [name for name in expected if name not in official],
        "unexpected": [name for ours, name in official.items() if ours not in expected],
        "of another shape": wrong,
    }
    if any(faults.values()):
        listed = "; ".join(f"{len(names)} {fault}: {_listed(names)}" for fault, names in faults.items() if names)
        raise CheckpointError(
            f"the {part} in {folder} does not fit its config.yaml: {listed}. Are both files of the same variant?"
        )


def _listed(names: Iterable[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:LISTED]) + (f" and {len(names) - LISTED} more" if len(names) > LISTED else "")


def fitting(
    module: nn.Module, checkpoint: Checkpoint, part: str, renames: Renames, allow_unexpected: tuple[str, ...] = ()
) -> dict[str, Header]:
    """The tensors of `part` that make up `module`, by official name; raises `CheckpointError`, reads none."""
    expected = {name: tensor.shape for name, tensor in module.state_dict().items()}
    found = {
        name: tensor
        for name, tensor in checkpoint.tensors(part).items()
        if renamed(name, renames) in expected or not any(re.match(pattern, name) for pattern in allow_unexpected)
    }
    check(expected, found, part, checkpoint.folder, renames)
    return found


def fill(
    module: nn.Module,
    checkpoint: Checkpoint,
    part: str,
    renames: Renames,
    *,
    device: torch.device | str,
    dtype: torch.dtype | None,
    allow_unexpected: tuple[str, ...] = (),
) -> None:
    """Give `module`, built on the meta device, its tensors from `part`; `dtype` None keeps the file's.

    Official names that match a regex of `allow_unexpected` from their beginning are left out if the module has no
    such tensor. On the CPU, without a change of precision, the tensors stay mapped: do not overwrite the file.
    """
    found = fitting(module, checkpoint, part, renames, allow_unexpected)
    filled: dict[str, Tensor] = {}
    for file in sorted({tensor.file for tensor in found.values()}):
        with safe_open(file, framework="pt", device=str(device)) as opened:
            for name, header in found.items():
                if header.file == file:
                    tensor = opened.get_tensor(header.name)
                    filled[renamed(name, renames)] = tensor if dtype is None else tensor.to(dtype)
    module.load_state_dict(filled, assign=True)
    module.requires_grad_(False)
