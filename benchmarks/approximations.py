# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What each declared approximation of the engine `hunyuan2mv` costs and saves, against the exact run beside it.

    python benchmarks/approximations.py --weights DIR                 real weights: the cost
    python benchmarks/approximations.py                               a fabricated network: that it runs
    PYTHONPATH=src python benchmarks/approximations.py --speed        parts of official width, random: what is saved

The first two make one shape of the pictures in --case, with the same seed. `latents` is the largest difference as a
share of the largest number, the distances are between {samples:,} points drawn by area on either surface, in box units
(the box is 2 wide): `chamfer` the mean of both ways, `F` the share of points, harmonic mean of both ways, that are
nearer than {near}. The line `other points` is the exact surface against itself, drawn anew: nothing can be less.
The third needs torch and numpy alone; its times are medians of --repeats turns. On a CPU one thread computes,
and its own time is counted.
"""

import argparse
import copy
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fourview.shape.hunyuan2mv.approximate import Approximations, approximate_velocity
from fourview.shape.hunyuan2mv.device import find_device, find_precision
from fourview.shape.hunyuan2mv.int8 import quantize
from fourview.shape.hunyuan2mv.key_selection import KeySelection
from fourview.shape.hunyuan2mv.sampler import noise, walk
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams
from fourview.shape.hunyuan2mv.vae import ShapeVae, VaeParams
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.octree import sample

WORDS = ("guidance-interval", "velocity-cache", "flashvdm", "int8")
SIDES = ("front", "left", "back", "right")
SAMPLES, NEAR = 100_000, 0.02
HALF, TILE = 1.01, 8192
GUIDANCE = 5.0


@torch.inference_mode()
def costs(weights: Path, case: Path, device: torch.device, dtype: torch.dtype, args: argparse.Namespace) -> None:
    """A line for each approximation, one for all."""
    from fourview.shape.hunyuan2mv.checkpoint import load_network

    network = load_network(weights, device, dtype)
    context = network.conditioner(pictures(case, network.params.preprocess).to(device), [range(4)])
    schedule = network.params.schedule.schedule(args.steps)
    vae = network.params.vae
    start = noise(vae.num_latents, vae.embed_dim, 0, torch.device("cpu"), dtype).to(device, torch.float32)

    def run(words: tuple[str, ...]) -> tuple[Tensor, Tensor, float, float]:
        """Latents, points on the surface, seconds of denoising and of decoding."""
        chosen = Approximations.of(words)
        transformer = network.transformer
        if chosen.int8:
            transformer = copy.deepcopy(transformer)
            quantize(transformer, device)

        def denoise() -> Tensor:
            return walk(approximate_velocity(transformer, context, schedule, GUIDANCE, chosen), start, schedule)

        latents, denoising_s = timed(denoise, device)
        memory = network.vae.points.memory(network.vae.tokens(latents.to(dtype)))

        def decode() -> Tensor:
            selection = KeySelection(network.vae.points, memory, HALF) if chosen.flashvdm else None

            def value(points: Tensor) -> Tensor:
                plain = network.vae.points(points[None], memory)[0] if selection is None else selection(points)
                return plain.float()

            field = Field(value, np.array([[-HALF] * 3, [HALF] * 3]), TILE, torch, device)
            return extract(sample(field, args.cells))

        mesh, decoding_s = timed(decode, device)
        corners = torch.from_numpy(mesh.vertices[mesh.faces]).to(device)
        return latents, corners, denoising_s, decoding_s

    run(())  # a warm-up
    exact, exact_corners, *seconds = run(())
    target = drawn(exact_corners, seed=0)
    print(f"{weights.name}, {args.steps} steps, {args.cells} cells, {device}, {dtype}")
    print(f"{'':44}{'latents':>9}{'chamfer':>9}{'F':>7}{'denoise s':>11}{'decode s':>10}")

    def line(name: str, difference: float, corners: Tensor, denoising_s: float, decoding_s: float) -> None:
        chamfer, f_score = distances(drawn(corners, seed=1), target)
        print(
            f"{name:44}{difference:9.1e}{chamfer:9.4f}{f_score:7.3f}{denoising_s:11.2f}{decoding_s:10.2f}", flush=True
        )

    line("other points", 0, exact_corners, *seconds)
    for words in [*((word,) for word in WORDS), WORDS]:
        latents, corners, *seconds = run(words)
        difference = float((latents - exact).abs().max() / exact.abs().max())
        line(" ".join(words), difference, corners, *seconds)


def pictures(case: Path, params: Any) -> Tensor:
    """`(1, 4, 3, s, s)` -1..1."""
    from PIL import Image

    from fourview.shape.hunyuan2mv.preprocess import preprocess

    framed = []
    for side in SIDES:
        with Image.open(case / f"{side}.png") as picture:
            framed.append(preprocess(np.array(picture.convert("RGBA")), params, side)[0])
    return torch.from_numpy(np.stack(framed)).permute(0, 3, 1, 2)[None].float() / 255 * 2 - 1


def drawn(corners: Tensor, seed: int) -> Tensor:
    """`SAMPLES` points on triangles `(f, 3, 3)`, evenly by area."""
    a, b, c = corners.unbind(1)
    area = torch.linalg.cross(b - a, c - a).norm(dim=-1)
    generator = torch.Generator(corners.device).manual_seed(seed)
    faces = torch.searchsorted(
        area.cumsum(0), torch.rand(SAMPLES, generator=generator, device=area.device) * area.sum()
    )
    u, v = torch.rand(2, SAMPLES, 1, generator=generator, device=area.device)
    u, v = torch.where(u + v > 1, 1 - u, u), torch.where(u + v > 1, 1 - v, v)
    a, b, c = corners[faces.clamp(max=len(corners) - 1)].unbind(1)
    return a + u * (b - a) + v * (c - a)


def distances(found: Tensor, target: Tensor) -> tuple[float, float]:
    """Chamfer distance and F-score of two sets of points `(n, 3)`."""
    from scipy.spatial import cKDTree

    one, other = found.cpu().numpy(), target.cpu().numpy()
    ways = [cKDTree(b).query(a)[0] for a, b in ((one, other), (other, one))]
    shares = [float((way < NEAR).mean()) for way in ways]
    return float(np.mean([way.mean() for way in ways])), statistics.harmonic_mean(shares)


@torch.inference_mode()
def speed(device: torch.device, dtype: torch.dtype, repeats: int) -> None:
    """Parts of official width: a tile of points with and without key selection, blocks in 8 bits."""
    vae = VaeParams(3072, 64, 8, False, 16, 1024, 1, False, True, 1.0, 4, 1, True)
    transformer = TransformerParams(64, 1536, 1024, 4.0, 16, 1, 2, True, False)
    rows = (3072, 5480) if device.type == "cuda" else (1024, 1024)
    print(f"torch {torch.__version__} on {device}, {dtype}")
    for name, params in (("VAE", vae), ("turbo VAE", turbo(vae))):
        decoder = ShapeVae(params).to(device, dtype).eval()
        memory = decoder.points.memory(decoder.tokens(torch.randn(1, 3072, 64, device=device, dtype=dtype)))
        selection = KeySelection(decoder.points, memory, HALF)
        for tile in (8192, 65_536) if device.type == "cuda" else (8192,):
            points = on_a_ball(tile).to(device)
            plain = partial(decoder.points, points[None], memory)
            pair(f"{name}, {tile:,} points of a ball", repeats, device, plain, partial(selection, points))
    exact = Transformer(transformer).to(device, dtype).eval()
    rounded = copy.deepcopy(exact)
    quantize(rounded, device)
    latents = torch.randn(1, rows[0], 64, device=device, dtype=dtype)
    context = torch.randn(1, rows[1], 1536, device=device, dtype=dtype)
    given = latents, torch.tensor([0.5], device=device), context
    name = f"int8 in 2 of 3 blocks, {sum(rows):,} rows"
    pair(name, repeats, device, partial(exact, *given), partial(rounded, *given))


def turbo(params: VaeParams) -> VaeParams:
    return replace(params, geo_decoder_mlp_expand_ratio=1, geo_decoder_downsample_ratio=2, geo_decoder_ln_post=False)


def on_a_ball(count: int) -> Tensor:
    """A pass as the octree asks it: points near a sphere, those of a slab, in the order of their grid."""
    grid = torch.linspace(-HALF, HALF, 257)
    points = torch.cartesian_prod(grid[60:70], grid, grid)
    near = points[(points.norm(dim=1) - 0.8).abs() < 0.02]
    return near.repeat(-(-count // len(near)), 1)[:count]


def pair(
    name: str, repeats: int, device: torch.device, plain: Callable[[], object], near: Callable[[], object]
) -> None:
    times = [[timed(run, device)[1] for run in (plain, near)] for _ in range(repeats + 1)][1:]
    one, other = (statistics.median(column) for column in zip(*times, strict=True))
    print(f"{name:44}{1000 * one:10.1f} ms{1000 * other:10.1f} ms{one / other:8.2f}x", flush=True)


def timed(run: Callable[[], Any], device: torch.device) -> tuple[Any, float]:
    """Its result, and seconds: those that pass on a GPU, those of the one thread on a CPU."""
    if device.type != "cuda":
        began = time.process_time()
        return run(), time.process_time() - began
    torch.cuda.synchronize(device)
    began = time.perf_counter()
    result = run()
    torch.cuda.synchronize(device)
    return result, time.perf_counter() - began


def main() -> None:
    text = __doc__.format(samples=SAMPLES, near=NEAR)
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--case", type=Path, default=Path("src/fourview/examples/robot"))
    parser.add_argument("--device", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--cells", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--speed", action="store_true")
    args = parser.parse_args()
    device = find_device(args.device)
    dtype = find_precision(args.precision, device)
    if device.type == "cpu":
        torch.set_num_threads(1)
    if args.speed:
        speed(device, dtype, args.repeats)
    elif args.weights:
        costs(args.weights, args.case, device, dtype, args)
    else:
        from fourview.shape.hunyuan2mv.fabricate import fabricate

        with tempfile.TemporaryDirectory() as folder:
            fabricate(Path(folder) / "fabricated")
            costs(Path(folder) / "fabricated", args.case, device, dtype, args)


if __name__ == "__main__":
    main()
