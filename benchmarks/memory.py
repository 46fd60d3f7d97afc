# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What each memory plan of the engine `hunyuan2mv` predicts, and what it takes.

    PYTHONPATH=src python benchmarks/memory.py --device cuda     official sizes, float16
    PYTHONPATH=src python benchmarks/memory.py --device cpu      width 256, 1 + 2 blocks, as many rows as officially

First it says whether weights that come and go give what weights that stay do. Then every line is one stage of a run
in a process of its own; MiB. On CUDA `measured` is the peak of torch's allocator and `reserved` what that had taken
from the driver; the goal is a prediction within a tenth. On a CPU it is the rise of the process's resident memory over
that with the weights, beside the prediction for the rows alone. It needs torch, numpy, safetensors and Pillow, and no
weights: they are zeros of the right size.
"""

import argparse
import copy
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fourview.shape.hunyuan2mv.conditioner import Conditioner, DinoParams
from fourview.shape.hunyuan2mv.memory import PLANS, Halving, Plan, Work, encode, predict, rows_bytes, stage_bytes
from fourview.shape.hunyuan2mv.sampler import flow_schedule, guided_velocity, steer
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams
from fourview.shape.hunyuan2mv.vae import Memory, ShapeVae, VaeParams
from fourview.surface.extract import extract
from fourview.surface.field import Field
from fourview.surface.octree import sample

STEPS, WALKED = 50, 2  # of the schedule, and how many of them are measured
MIB = 2**20
# What is freed goes back to the system at once, else a host's resident memory says nothing.
GIVEN_BACK = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"}


@dataclass(frozen=True)
class Network:
    conditioner: Conditioner
    transformer: Transformer
    vae: ShapeVae


def build(is_official: bool, device: torch.device, dtype: torch.dtype) -> Network:
    dino = DinoParams(1536, 40, 24, 4, 3, 14, 518, 1e-6, True)
    transformer = TransformerParams(64, 1536, 1024, 4.0, 16, 16, 32, True, False)
    vae = VaeParams(3072, 64, 8, False, 16, 1024, 16, False, True, 0.9990943042622529, 4, 1, True)
    if not is_official:
        dino = replace(dino, hidden_size=256, num_hidden_layers=2, num_attention_heads=4)
        transformer = replace(
            transformer, context_in_dim=256, hidden_size=256, num_heads=4, depth=1, depth_single_blocks=2
        )
        vae = replace(vae, width=256, heads=4, num_decoder_layers=2)
    with torch.device("meta"):
        parts = Conditioner(dino, 518), Transformer(transformer), ShapeVae(vae)
    for part in parts:
        part.to(dtype).to_empty(device=device).requires_grad_(False)
        for tensor in part.parameters():
            tensor.zero_()
    return Network(*(part.eval() for part in parts))


@torch.inference_mode()
def measure(name: str, device: torch.device, work: Work, dtype: torch.dtype) -> None:
    is_official = device.type == "cuda"
    plan = predict(name, build(is_official, torch.device("meta"), dtype), work, device, dtype)
    network = build(is_official, plan.loads_to, dtype)
    plan.settle(network)
    meter = on_cuda if is_official else on_host
    predicted = stage_bytes(network, work, plan, dtype) if is_official else rows_bytes(network, work, plan, dtype)

    def of(stage: str, run: Callable[[], Tensor]) -> Tensor:
        began = time.perf_counter()
        result, measured, reserved = meter(run, device)
        took = time.perf_counter() - began
        print(
            f"{name:9}{work.views:6}{work.octree_resolution:7}  {stage:9}{predicted[stage] / MIB:11.0f}"
            f"{measured / MIB:10.0f}{reserved / MIB:10.0f}{predicted[stage] / measured - 1:9.1%}{took:9.2f}",
            flush=True,
        )
        return result

    memory = to_memory(network, work, plan, of)
    ask = Halving(lambda points: network.vae.points(points[None], memory)[0], plan.points_a_pass, plan, "decoding")

    def ball(points: Tensor) -> Tensor:
        """Costs what the network costs; zeros as weights would make no surface."""
        return 0.8 - points.norm(dim=1) + 0 * ask(points).float()

    field = Field(ball, np.array([[-1.01] * 3, [1.01] * 3]), plan.points_a_pass, torch, device)
    of("decode", lambda: torch.from_numpy(extract(sample(field, work.octree_resolution)).vertices))


def to_memory(network: Network, work: Work, plan: Plan, of: Callable[[str, Callable[[], Tensor]], Tensor]) -> Memory:
    """All stages up to the field; `of` runs and measures one."""
    pictures = torch.zeros(1, work.views, 3, 512, 512, device=plan.device)
    with plan.on_device(network.conditioner):
        context = of("encode", lambda: encode(network.conditioner, pictures, [range(work.views)], plan))
    vae = network.vae.params
    latents = torch.zeros(1, vae.num_latents, vae.embed_dim, device=plan.device)

    def denoise() -> Tensor:
        steering = steer(network.transformer, context, flow_schedule(STEPS), 5.0)
        for i in range(WALKED):
            velocity = guided_velocity(network.transformer, latents, steering, i)
        return velocity

    with plan.on_device(network.transformer):
        velocity = of("denoise", denoise)
    with plan.on_device(network.vae):
        return network.vae.points.memory(of("tokens", lambda: network.vae.tokens(velocity)))


@torch.inference_mode()
def check(device: torch.device) -> None:
    """Print whether weights that come and go give the same velocities, to the last bit, as weights that stay."""
    dtype = torch.float16 if device.type == "cuda" else torch.float32
    width, rows = (1024, 3072) if device.type == "cuda" else (128, 64)
    transformer = Transformer(TransformerParams(64, 1536, width, 4.0, width // 64, 3, 6, True, False)).to(dtype).eval()
    latents = torch.randn(1, rows, 64, device=device, dtype=dtype)
    context = torch.randn(1, 1370, 1536, device=device, dtype=dtype)

    def velocities(network: Transformer) -> Tensor:
        steering = steer(network, context, flow_schedule(8), 5.0)
        return torch.cat([guided_velocity(network, latents, steering, i) for i in range(8)])

    expected = velocities(copy.deepcopy(transformer).to(device))
    for name in PLANS[1:]:
        with Plan(name, device, 0, None, 1, 1).on_device(transformer):
            is_same = torch.equal(velocities(transformer), expected)
        print(f"{name}: the same velocities as full: {'yes' if is_same else 'NO'}")


def on_cuda(run: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, int, int]:
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    result = run()
    torch.cuda.synchronize(device)
    return result, torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)


def on_host(run: Callable[[], Tensor], device: torch.device) -> tuple[Tensor, int, int]:
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = resident("VmRSS")
    result = run()
    return result, resident("VmHWM") - before, resident("VmHWM")


def resident(kind: str) -> int:
    lines = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[kind].split()[0]) << 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--plans", nargs="+", choices=PLANS, default=PLANS)
    parser.add_argument("--views", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--cells", type=int, nargs="+", default=[256])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    device = torch.device(args.device)
    if args.one:
        dtype = torch.float16 if device.type == "cuda" else torch.float32
        measure(args.plans[0], device, Work(args.views[0], STEPS, args.cells[0]), dtype)
        return
    named = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
    print(f"torch {torch.__version__} on {device} ({named})")
    check(device)
    print(f"{'plan':9}{'views':>6}{'cells':>7}  {'stage':9}{'predicted':>11}{'measured':>10}{'reserved':>10}", end="")
    print(f"{'off by':>9}{'s':>9}", flush=True)
    for plan in args.plans:
        for views in args.views:
            for cells in args.cells:
                chosen = ["--plans", plan, "--views", str(views), "--cells", str(cells)]
                command = [sys.executable, __file__, "--one", "--device", args.device, *chosen]
                subprocess.run(command, check=True, env={**os.environ, **GIVEN_BACK})


if __name__ == "__main__":
    main()
