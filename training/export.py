# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint becomes two ONNX files that need no torch, and is held against torch before anybody trusts it.

    python -m training.export RUN/checkpoint.pt --out RUN

Owns      the two graphs, their check (`ATOL`), their sizes and speed.
Not here  who runs them: the engine, and `evaluate`.

    encode.onnx  pictures (4, 4, 256, 256), coarse (32, 32, 32, 2) -> maps (16384, pixel + 4), volume (32768, cells),
                                                                      present (4)
    correct.onnx those, points (8192, 3), hull (8192, 2)           -> more (8192, 2)

Maps and volume leave as rows, a row for each pixel or cell, and points fetch rows by their number: a third of the time
of ONNX's GridSample, which walks through each channel apart. Pictures and points are in the network's frame; `coarse`
and `hull` are what `training.base` gives for them.
"""

import argparse
import math
import time
import warnings
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from fourview.shape.mini.field import TILE
from fourview.shape.mini.frame import CELLS
from training.checkpoint import load, mean_network
from training.network import Features, Network

ATOL = 1e-4  # of values that reach from -1 to 1
OPSET = 18


class Encode(nn.Module):
    """Pictures -> rows."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`(4, 4, 256, 256)`, `(32, 32, 32, 2)` -> `(4 * map * map, pixel + 4)`, `(32^3, cells)`, `(4,)`."""
        features = self.network.encode(pictures[None], coarse[None])
        maps = features.maps.reshape(4, -1, self.network.params.map**2).transpose(1, 2).flatten(0, 1)
        return maps, features.volume[0].flatten(1).T, features.present[0]


class Correct(nn.Module):
    """Rows and points -> what is added to the parts of the hull."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, maps: Tensor, volume: Tensor, present: Tensor, points: Tensor, hull: Tensor) -> Tensor:
        """`points (n, 3)`, `hull (n, 2)` -> `(n, 2)`."""
        side = self.network.params.map
        x, y, z = points.unbind(1)
        across = (x, z, x, z)
        seen = [fetch(maps, (-y, across[view]), (side, side), view * side**2) for view in range(4)]
        around = fetch(volume, (z, -y, x), (CELLS, CELLS, CELLS))
        return self.network.correction(torch.stack(seen, dim=1), present.expand(len(points), 4), around, points, hull)


def fetch(rows: Tensor, at: tuple[Tensor, ...], sizes: tuple[int, ...], first: int = 0) -> Tensor:
    """Interpolated rows `(n, c)` at `at`, one coordinate -1..1 `(n,)` for each of the `sizes` that number the rows."""
    strides = [int(np.prod(sizes[k + 1 :])) for k in range(len(sizes))]
    number: Tensor | int = first
    shares = []
    for coordinate, size, stride in zip(at, sizes, strides, strict=True):
        place = ((coordinate + 1) * (size / 2) - 0.5).clamp(0, size - 1)
        low = place.floor().clamp(max=size - 2)
        number = low.long() * stride + number
        shares.append((1 - (place - low), place - low))
    corners = []
    for corner in product((0, 1), repeat=len(sizes)):
        weight = math.prod((share[side] for share, side in zip(shares, corner, strict=True)), start=1.0)
        here = number + sum(c * s for c, s in zip(corner, strides, strict=True))
        corners.append(rows[here] * weight[:, None])
    return sum(corners[1:], corners[0])


def export(network: Network, folder: Path) -> None:
    """encode.onnx and correct.onnx in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    network = network.cpu().eval()
    pictures, coarse, points, hull = example(0)
    encode, correct = Encode(network).eval(), Correct(network).eval()
    with torch.no_grad():
        rows = encode(pictures, coarse)
    names = ["maps", "volume", "present"]
    for module, inputs, called, gives in (
        (encode, (pictures, coarse), ["pictures", "coarse"], names),
        (correct, (*rows, points, hull), [*names, "points", "hull"], ["more"]),
    ):
        with warnings.catch_warnings():  # the exporter's own, about its own future
            warnings.simplefilter("ignore")
            program = torch.onnx.export(
                module, inputs, input_names=called, output_names=gives, opset_version=OPSET, dynamo=True, verbose=False
            )
        model = program.model_proto
        for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, model.graph):
            del part.metadata_props[:]  # where each line of code lies on this machine
        onnx.save(model, folder / f"{type(module).__name__.lower()}.onnx")


def example(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Any pictures `(4, 4, 256, 256)`, the right one missing, points `(TILE, 3)`, and any hull in cells and at them."""
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.rand((4, 4, 256, 256), generator=generator)
    pictures[:, 3] = torch.nn.functional.interpolate(pictures[None, :, 3, :8, :8], size=(256, 256), mode="bilinear")[0]
    pictures[3] = 0
    coarse = torch.randn((CELLS, CELLS, CELLS, 2), generator=generator)
    points = torch.rand((TILE, 3), generator=generator) * 2 - 1
    return pictures, coarse, points, torch.randn((TILE, 2), generator=generator)


class Exported:
    """The two files in onnxruntime."""

    def __init__(self, folder: Path, threads: int = 2) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._encode, self._correct = (
            onnxruntime.InferenceSession(folder / f"{name}.onnx", options, providers=["CPUExecutionProvider"])
            for name in ("encode", "correct")
        )

    def encode(self, pictures: np.ndarray, coarse: np.ndarray) -> dict[str, np.ndarray]:
        """`(4, 4, 256, 256)`, `(32, 32, 32, 2) float32` -> what `correct` needs."""
        rows = self._encode.run(None, {"pictures": pictures, "coarse": coarse})
        return dict(zip(("maps", "volume", "present"), rows, strict=True))

    def correct(self, rows: dict[str, np.ndarray], points: np.ndarray, hull: np.ndarray) -> np.ndarray:
        """`(TILE, 3)`, `(TILE, 2) float32` -> `(TILE, 2)`."""
        return self._correct.run(None, {**rows, "points": points, "hull": hull})[0]


def difference(network: Network, exported: Exported) -> float:
    """The greatest difference of values between torch and onnxruntime, on examples."""
    greatest = 0.0
    for seed in range(3):
        pictures, coarse, points, hull = example(seed)
        with torch.no_grad():
            features: Features = network.encode(pictures[None], coarse[None])
            wanted = network.value(features, points[None], hull[None])[0].numpy()
        more = exported.correct(exported.encode(pictures.numpy(), coarse.numpy()), points.numpy(), hull.numpy())
        found = (hull.clamp(-1, 1).numpy() + more).min(axis=-1)
        greatest = max(greatest, float(np.abs(found - wanted).max()))
    return greatest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    network = mean_network(load(args.checkpoint, torch.device("cpu")), torch.device("cpu"))
    export(network, args.out)
    exported = Exported(args.out)
    apart = difference(network, exported)
    pictures, coarse, points, hull = (a.numpy() for a in example(0))
    began = time.perf_counter()
    rows = exported.encode(pictures, coarse)
    encoded = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(10):
        exported.correct(rows, points, hull)
    each = (time.perf_counter() - began) / 10 / TILE
    sizes = ", ".join(f"{p.name} {p.stat().st_size / 1e6:.2f} MB" for p in sorted(args.out.glob("*.onnx")))
    print(f"{sizes}; differs from torch by {apart:.1e}; encode {encoded:.2f} s, {each * 1e6:.2f} us a point")
    return 0 if apart <= ATOL else 1


if __name__ == "__main__":
    raise SystemExit(main())
