# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A checkpoint of the depth network becomes an ONNX file that needs no torch, and is held against torch.

    python -m training.depth.export out/depth/finished.pt --out out/depth

Owns      the graph, its check (`ATOL`), its size and speed.
Not here  who runs it: the engine.

    depth.onnx  pictures (4, 4, 128, 128), hull (4, 64, 64) -> depth (4, 128, 128), spread (4, 128, 128)

Pictures are straight colours, then the matte, in the order front, left, back, right, in the frame of `sample`; an empty
one is a missing view. `hull` is what `hulls.hull_depth` says of them.
"""

import argparse
import time
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from training.depth.checkpoint import load, mean_network
from training.depth.hulls import CELLS, NONE
from training.depth.network import Network
from training.depth.sample import PIXELS

ATOL = 1e-4  # of depths from 0 to 1
OPSET = 18


class _One(nn.Module):
    """One object, without the axis of the batch."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, pictures: Tensor, hull: Tensor) -> tuple[Tensor, Tensor]:
        """`(4, 4, 128, 128)`, `(4, 64, 64)` -> `(4, 128, 128)` twice."""
        found = self.network(pictures[None], hull[None])
        return found.depth[0], found.spread[0]


def export(network: Network, folder: Path) -> Path:
    """depth.onnx in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():  # the exporter's own, about its own future
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            _One(network.cpu().eval()), example(0), input_names=["pictures", "hull"],
            output_names=["depth", "spread"], opset_version=OPSET, dynamo=True, verbose=False,
        )  # fmt: skip
    model = program.model_proto
    for part in (*model.graph.node, *model.graph.value_info, *model.graph.input, *model.graph.output, model.graph):
        del part.metadata_props[:]  # where each line of code lies on this machine
    onnx.save(model, folder / "depth.onnx")
    return folder / "depth.onnx"


def example(seed: int) -> tuple[Tensor, Tensor]:
    """Any pictures `(4, 4, 128, 128)`, the right one missing, and any hull `(4, 64, 64)`."""
    generator = torch.Generator().manual_seed(seed)
    pictures = torch.rand((4, 4, PIXELS, PIXELS), generator=generator)
    coarse = torch.rand((4, 1, 8, 8), generator=generator)
    pictures[:, 3:] = F.interpolate(coarse, size=(PIXELS, PIXELS), mode="bilinear")
    pictures[3] = 0
    hull = torch.rand((4, CELLS, CELLS), generator=generator)
    return pictures, torch.where(hull < 0.3, NONE, hull)


class Exported:
    """The file in onnxruntime."""

    def __init__(self, path: Path, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])

    def __call__(self, pictures: np.ndarray, hull: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """`(4, 4, 128, 128)`, `(4, 64, 64) float32` -> depth and spread."""
        depth, spread = self._session.run(None, {"pictures": pictures, "hull": hull})
        return depth, spread


def difference(network: Network, exported: Exported) -> float:
    """The greatest difference of depths between torch and onnxruntime, on examples."""
    greatest = 0.0
    for seed in range(3):
        pictures, hull = example(seed)
        with torch.no_grad():
            wanted = network(pictures[None], hull[None]).depth[0].numpy()
        greatest = max(greatest, float(np.abs(exported(pictures.numpy(), hull.numpy())[0] - wanted).max()))
    return greatest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    network = mean_network(load(args.checkpoint, torch.device("cpu")), torch.device("cpu"))
    path = export(network, args.out)
    exported = Exported(path)
    apart = difference(network, exported)
    pictures, hull = (a.numpy() for a in example(0))
    began, runs = time.process_time(), 5
    for _ in range(runs):
        exported(pictures, hull)
    each = (time.process_time() - began) / runs
    print(f"{path} {path.stat().st_size / 1e6:.2f} MB; differs from torch by {apart:.1e}; {each:.2f} s on one core")
    return 0 if apart <= ATOL else 1


if __name__ == "__main__":
    raise SystemExit(main())
