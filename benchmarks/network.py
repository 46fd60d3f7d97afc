# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What each stage of the network costs, and what the exact speed-ups save.

    PYTHONPATH=src python benchmarks/network.py --device cuda        official sizes, float16, 1 to 4 views
    PYTHONPATH=src python benchmarks/network.py --device cpu         width 256, 2 + 4 blocks, all 8,552 rows
    PYTHONPATH=src python benchmarks/network.py --device cuda --parts attention steps --ways plain fast compile graph
    PYTHONPATH=src python benchmarks/network.py --device cuda --parts runs --json runs.json

It needs torch, numpy, safetensors and Pillow, and no weights: they are random numbers of the right size. Ways that are
compared take turns in one run, and each number is the median of `--repeats` turns after a warm-up, by the device's own
events on a GPU. The ceiling is that of large matrix products in the same run and dtype.

    plain    what the official code does: both branches as one batch, all rows of both, everything in the loop
    apart    plain, one branch after the other
    fast     ours as it is called by `sampler.denoise`
    compile  fast, each block compiled once per length
    graph    fast, a whole guided step replayed as one CUDA graph
"""

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
import torch.nn.functional as F
from batcher import Batcher
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from fourview.shape.hunyuan2mv.attention import KERNELS, attend_and_merge, attend_with_mask, kernel_with_sum
from fourview.shape.hunyuan2mv.conditioner import Conditioner, DinoParams
from fourview.shape.hunyuan2mv.sampler import (
    Schedule,
    denoise,
    flow_schedule,
    guide,
    guided_velocity,
    steer,
    turbo_schedule,
    walk,
)
from fourview.shape.hunyuan2mv.transformer import Transformer, TransformerParams
from fourview.shape.hunyuan2mv.vae import Memory, ShapeVae, VaeParams
from fourview.surface.field import Field
from fourview.surface.octree import sample


@dataclass(frozen=True)
class Sizes:
    dino: DinoParams
    image_size: int
    transformer: TransformerParams
    vae: VaeParams
    turbo_vae: VaeParams


OFFICIAL = Sizes(
    DinoParams(1536, 40, 24, 4, 3, 14, 518, 1e-6, True),
    518,
    TransformerParams(64, 1536, 1024, 4.0, 16, 16, 32, True, False),
    VaeParams(3072, 64, 8, False, 16, 1024, 16, False, True, 0.9990943042622529, 4, 1, True),
    VaeParams(3072, 64, 8, False, 16, 1024, 16, False, True, 0.9990943042622529, 1, 2, False),
)
# As many rows as the official one, so that attention has its share of the work, and narrow enough for two cores.
SMALL = Sizes(
    replace(OFFICIAL.dino, hidden_size=256, num_hidden_layers=4, num_attention_heads=4),
    518,
    replace(OFFICIAL.transformer, context_in_dim=256, hidden_size=256, num_heads=4, depth=2, depth_single_blocks=4),
    replace(OFFICIAL.vae, width=256, heads=4, num_decoder_layers=2),
    replace(OFFICIAL.turbo_vae, width=256, heads=4, num_decoder_layers=2),
)
GUIDANCE = 5.0
SCHEDULES = {"base": flow_schedule(30), "fast": flow_schedule(30), "turbo": turbo_schedule(5, 100)}
POINTS, POINTS_A_PASS = 100_000, 20_000
CELLS = 256
BOX = np.array([[-1.01] * 3, [1.01] * 3], np.float32)
PARTS = ("attention", "stages", "steps", "batches", "runs")
WARM_UP = 2

M = TypeVar("M", bound=nn.Module)
Way = Callable[[], object]
Step = Callable[[Tensor, int], Tensor]


@dataclass(frozen=True)
class Run:
    """What one run starts from: `context (1, m, d)`, `latents (1, n, c)`."""

    transformer: Transformer
    context: Tensor
    latents: Tensor
    schedule: Schedule


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--dtype", choices=["float16", "bfloat16", "float32"], help="float16, on a CPU float32")
    parser.add_argument("--size", choices=["official", "small"], help="official, on a CPU small")
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 3, 4])
    parser.add_argument("--variants", nargs="+", choices=SCHEDULES, default=list(SCHEDULES))
    parser.add_argument("--parts", nargs="+", choices=PARTS, help="all, on a CPU without batches and runs")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["plain", "fast"])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", type=Path, help="write the numbers there too")
    args = parser.parse_args()
    device = torch.device(args.device)
    is_cpu = device.type == "cpu"
    dtype = getattr(torch, args.dtype or ("float32" if is_cpu else "float16"))
    sizes = {"official": OFFICIAL, "small": SMALL}[args.size or ("small" if is_cpu else "official")]
    torch.manual_seed(0)

    with torch.inference_mode():
        bench = Bench(device, dtype, sizes, args.repeats)
        for part in args.parts or (PARTS[:3] if is_cpu else PARTS):
            if part == "attention":
                bench.attention(args.views)
            elif part == "stages":
                bench.stages(args.views)
            elif part == "steps":
                bench.steps(args.variants, args.views, args.ways)
            elif part == "batches":
                bench.batches(args.views)
            else:
                bench.runs(args.variants, args.views, args.ways)
            if args.json:
                args.json.write_text(json.dumps({"machine": bench.machine, "tables": bench.tables}, indent=1))


class Bench:
    """One machine, one dtype, one set of sizes; every method measures and prints one table."""

    def __init__(self, device: torch.device, dtype: torch.dtype, sizes: Sizes, repeats: int) -> None:
        self.device, self.dtype, self.sizes, self.repeats = device, dtype, sizes, repeats
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.ceiling = self._ceiling()
        is_cuda = device.type == "cuda"
        self.machine = {
            "command": " ".join(sys.argv),
            "device": torch.cuda.get_device_name() if is_cuda else f"{torch.get_num_threads()} CPU threads",
            "torch": torch.__version__,
            "dtype": str(dtype).removeprefix("torch."),
            "ceiling TFLOP/s": round(self.ceiling, 3),
            "kernel of the null row": kernel_with_sum(device, dtype, 64) or "mask",
        }
        print("\n".join(f"{name}: {value}" for name, value in self.machine.items()), flush=True)

    # Parts

    def attention(self, views: Sequence[int]) -> None:
        """One attention: of all rows, and with the null condition as one row in every way that was thought of.

        `difference` is that to float64.
        """
        p, n = self.sizes.transformer, self.sizes.vae.num_latents
        is_cuda = self.device.type == "cuda"
        backends = {"flash": SDPBackend.FLASH_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION}
        backends["cudnn"] = SDPBackend.CUDNN_ATTENTION
        kernels = {name: kernel for name, (home, kernel) in KERNELS.items() if home == self.device.type}
        for v in views:
            m = v * self.rows_a_view
            all_rows = [self._drawn(1, m + n, p.num_heads, p.hidden_size // p.num_heads).transpose(1, 2) for _ in "qkv"]
            one_row = [t[:, :, : 1 + n] for t in all_rows]
            log_repeats = torch.tensor([float(m)], device=self.device).log()
            whole: dict[str, Way] = {"all rows": partial(F.scaled_dot_product_attention, *all_rows)}
            if is_cuda:
                whole |= {f"all rows, {name}": partial(by_backend, it, *all_rows) for name, it in backends.items()}
                kernels["cudnn"] = cudnn
            one: dict[str, Callable[[], Tensor]] = {
                f"one row, merged after {name}": partial(attend_and_merge, kernel, *one_row, log_repeats)
                for name, kernel in kernels.items()
            }
            one["one row, by a mask"] = partial(attend_with_mask, *one_row, log_repeats)
            one["one row, by an extra dimension"] = partial(with_extra_dimension, *one_row, log_repeats)
            uncounted: dict[str, Way] = {"one row, not counted": partial(F.scaled_dot_product_attention, *one_row)}
            exact = attend_with_mask(*(t.double() for t in one_row), log_repeats.double())
            for way, ms in paired(whole | one | uncounted, self.repeats, self.device).items():
                count = m + n if way in whole else 1 + n
                rates = self._rate(attention_flop(count, count, p.hidden_size), ms)
                off = difference(one[way](), exact) if way in one and ms < math.inf else ""
                row = {"views": v, "attention": way, "rows": count, "ms": ms, **rates, "difference": off}
                self._row("Attention of one block", row)

    def stages(self, views: Sequence[int]) -> None:
        """What runs once a run or once a step, each by itself."""
        p, n, a_view = self.sizes.transformer, self.sizes.vae.num_latents, self.rows_a_view

        def add(views: int | str, ways: Mapping[str, tuple[int, float, Way]]) -> None:
            """Ways that are compared: rows, FLOP, what is timed."""
            took = paired({stage: way for stage, (_, _, way) in ways.items()}, self.repeats, self.device)
            for stage, (count, flop, _) in ways.items():
                ms = took[stage]
                rate = {"rows/s": 1e3 * count / ms, **self._rate(flop, ms)}
                self._row("Stages", {"views": views, "stage": stage, "rows": count, "ms": ms, **rate})

        conditioner = self._conditioner()
        for v in views:
            see = partial(conditioner, self._drawn(1, v, 3, 512, 512), [range(v)])
            add(v, {"conditioner": (v * a_view, v * dino_flop(self.sizes.dino, a_view), see)})
        del conditioner, see

        transformer = self._transformer("base")
        times = SCHEDULES["base"].times.to(self.device)
        latents, modulations = self._drawn(1, n, p.in_channels), transformer.modulations(times[:1])
        flop = 2.0 * len(times) * modulations.shape[1] * p.hidden_size**2
        add("", {f"modulations of {len(times)} steps": (len(times), flop, partial(transformer.modulations, times))})
        for v in views:
            m = v * a_view
            context = self._drawn(1, m, p.context_in_dim)
            flop = 2.0 * m * p.context_in_dim * p.hidden_size
            add(v, {"condition, projected": (m, flop, partial(transformer.condition, context))})
            branches = {
                "pass with a condition": transformer.condition(context),
                "pass without, all rows": transformer.condition(torch.zeros_like(context)),
                "pass without, one row": transformer.null_condition(torch.tensor([m])),
            }
            add(
                v,
                {
                    stage: (count, transformer_flop(p, count), partial(transformer.velocity, latents, it, modulations))
                    for stage, it in branches.items()
                    for count in [it.rows.shape[1] + n]
                },
            )
        del transformer

        points = torch.rand(1, POINTS, 3, device=self.device) * 2 - 1
        for name, params in (("VAE", self.sizes.vae), ("turbo VAE", self.sizes.turbo_vae)):
            vae = self._vae(params)
            tokens = vae.tokens(latents)
            memory = vae.points.memory(tokens)
            ways = (
                partial(vae.tokens, latents),
                partial(vae.points.memory, tokens),
                partial(ask, vae, memory, points),
            )
            for (stage, flop), way in zip(vae_flop(params, POINTS).items(), ways, strict=True):
                add("", {f"{name}: {stage}": (POINTS if "points" in stage else n, flop, way)})

    def steps(self, variants: Sequence[str], views: Sequence[int], ways: Sequence[str]) -> None:
        """One guided step; one of the turbo model is one of the fast model. `difference` is that to plain."""
        for variant in variants:
            if variant == "turbo" and "fast" in variants:
                continue
            transformer = self._transformer(variant)
            for v in views:
                run = self._run(variant, transformer, v)
                steps = {way: prepared(way, run) for way in ways}
                took = paired({way: partial(steps[way], run.latents, 1) for way in ways}, self.repeats, self.device)
                row = {"model": variant, "views": v, **{f"{way}, ms": ms for way, ms in took.items()}}
                expected = plain(run)(run.latents, 1)
                for way in ways:
                    if way != "plain":
                        row[f"plain / {way}"] = took.get("plain", math.nan) / took[way]
                        off = difference(steps[way](run.latents, 1), expected) if took[way] < math.inf else ""
                        row[f"difference, {way}"] = off
                counts = [run.context.shape[1]] if variant != "base" else [run.context.shape[1], 1]
                flop = sum(transformer_flop(transformer.params, count + run.latents.shape[1]) for count in counts)
                best = min(took, key=lambda way: took[way])
                self._row("One step", row | {"best": best, **self._rate(flop, took[best])})

    def batches(self, views: Sequence[int]) -> None:
        """Guided steps of several runs that share passes, each run a step later than the next."""
        transformer = self._transformer("base")
        for v in views:
            row: dict[str, Any] = {"views": v}
            for count in (1, 2, 4):
                batcher = Batcher(transformer, most=count)
                for _ in range(count):
                    run = self._run("base", transformer, v)
                    batcher.join(run.context, run.latents, flow_schedule(WARM_UP + self.repeats + 9), GUIDANCE)
                    batcher.step()
                row[f"{count} at once, ms a run"] = self._time(batcher.step) / count
            self._row("One step in a batch", row)

    def runs(self, variants: Sequence[str], views: Sequence[int], ways: Sequence[str]) -> None:
        """From noise to latents, and from those to the samples of a grid of 256 cells, whose surface is a ball's."""
        for variant in variants:
            transformer = self._transformer(variant)
            vae = self._vae(self.sizes.turbo_vae if variant == "turbo" else self.sizes.vae)
            for v in views:
                run = self._run(variant, transformer, v)
                steps = {way: prepared(way, run) for way in ways}
                walks: dict[str, Way] = {}
                for way, step in steps.items():
                    along = plain_walk if way in ("plain", "apart") else walk
                    walks[way] = partial(along, step, run.latents, run.schedule)
                took = paired(walks, 3, self.device)
                row = {"model": variant, "views": v, "steps": len(run.schedule.lengths)}
                row |= {f"{way}, ms": ms for way, ms in took.items()}
                latents = denoise(transformer, run.context, run.latents, run.schedule, GUIDANCE)
                field = ball(vae, vae.tokens(latents))
                row["decode, ms"] = paired({"": partial(sample, field, CELLS)}, 3, self.device)[""]
                self._row("Whole runs", row | {"share of points": sample(field, CELLS).share})

    # What is measured

    @property
    def rows_a_view(self) -> int:
        return (self.sizes.image_size // self.sizes.dino.patch_size) ** 2 + 1

    def _conditioner(self) -> Conditioner:
        return self._filled(lambda: Conditioner(self.sizes.dino, self.sizes.image_size))

    def _transformer(self, variant: str) -> Transformer:
        return self._filled(lambda: Transformer(replace(self.sizes.transformer, guidance_embed=variant != "base")))

    def _vae(self, params: VaeParams) -> ShapeVae:
        vae = self._filled(lambda: ShapeVae(params))
        rates = torch.tensor(vae.points.frequencies, device=self.device, dtype=self.dtype).repeat(6)
        vae.points.query_proj.weight[:, 3:] /= rates**2  # fast sinusoids count for little, as in trained fields
        return vae

    def _filled(self, build: Callable[[], M]) -> M:
        """A module of random numbers that keep rows at about their size."""
        with torch.device("meta"):
            module = build()
        module = module.to(self.dtype).to_empty(device=self.device).eval()
        for name, parameter in module.named_parameters():
            if parameter.ndim > 1:
                parameter.normal_(std=parameter[0].numel() ** -0.5)
            else:  # scales of norms and of layers, and biases
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
        return module

    def _drawn(self, *shape: int) -> Tensor:
        return torch.randn(shape, device=self.device, dtype=self.dtype)

    def _run(self, variant: str, transformer: Transformer, views: int) -> Run:
        p = self.sizes.transformer
        context = self._drawn(1, views * self.rows_a_view, p.context_in_dim)
        latents = self._drawn(1, self.sizes.vae.num_latents, p.in_channels)
        return Run(transformer, context, latents, SCHEDULES[variant])

    # How

    def _ceiling(self) -> float:
        """TFLOP/s of a large matrix product."""
        n = 8192 if self.device.type == "cuda" else 2048
        a, b = self._drawn(n, n), self._drawn(n, n)
        return 2e-9 * n**3 / self._time(lambda: a @ b)

    def _time(self, way: Way) -> float:
        return paired({"": way}, self.repeats, self.device)[""]

    def _rate(self, flop: float, ms: float) -> dict[str, float]:
        reached = flop / ms * 1e-9
        return {"TFLOP": flop * 1e-12, "TFLOP/s": reached, "share of ceiling": reached / self.ceiling}

    def _row(self, title: str, row: dict[str, Any]) -> None:
        """Add a row to a table, and print it at once: a call that is cut off has shown what it measured."""
        table = self.tables.setdefault(title, [])
        if not table:
            print(f"\n**{title}**\n\n| {' | '.join(row)} |\n|{'---|' * len(row)}")
        table.append(row)
        print(f"| {' | '.join(shown(name, value) for name, value in row.items())} |", flush=True)


# The ways of a step: (latents, number of the step) -> velocity


def plain(run: Run) -> Step:
    context = run.context
    if not run.transformer.params.guidance_embed:
        context = torch.cat([torch.zeros_like(context), context])
    return lambda latents, i: guide(whole_pass(run, latents, i, context).split(1), GUIDANCE)


def apart(run: Run) -> Step:
    contexts = [run.context]
    if not run.transformer.params.guidance_embed:
        contexts.insert(0, torch.zeros_like(run.context))
    return lambda latents, i: guide([whole_pass(run, latents, i, context) for context in contexts], GUIDANCE)


def whole_pass(run: Run, latents: Tensor, i: int, context: Tensor) -> Tensor:
    """All rows of `context (b, m, d)` in every block, and nothing kept from step to step."""
    transformer, time = run.transformer, run.schedule.times[i : i + 1].to(context.device)
    guidance = torch.full_like(time, GUIDANCE) if transformer.params.guidance_embed else None
    modulations = transformer.modulations(time, guidance)[:, :, None]
    x, c = transformer.latent_in(latents.expand(len(context), -1, -1)), transformer.cond_in(context)
    used = 0
    for block in transformer.double_blocks:
        x, c = block(x, c, modulations[:, used : used + 12])
        used += 12
    rows = torch.cat([c, x], dim=1)
    for block in transformer.single_blocks:
        rows = block(rows, modulations[:, used : used + 3])
        used += 3
    return transformer.final_layer(rows[:, c.shape[1] :], modulations[:, used:])


def fast(run: Run) -> Step:
    steering = steer(run.transformer, run.context, run.schedule, GUIDANCE)
    return lambda latents, i: guided_velocity(run.transformer, latents, steering, i)


def compiled(run: Run) -> Step:
    """A second transformer of the same numbers, whose blocks are compiled; blocks of one kind share the code."""
    torch.compiler.reset()
    with torch.device("meta"):
        transformer = Transformer(run.transformer.params)
    transformer.load_state_dict(run.transformer.state_dict(), assign=True)
    for block in [*transformer.double_blocks, *transformer.single_blocks]:
        block.compile(dynamic=False)
    return fast(replace(run, transformer=transformer.eval()))


def graphed(run: Run) -> Step:
    steering = steer(run.transformer, run.context, run.schedule, GUIDANCE)
    at_hand = replace(steering, modulations=steering.modulations[:1].clone())
    x = run.latents.clone()
    quick_lane = torch.cuda.Stream()
    quick_lane.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(quick_lane):
        for _ in range(WARM_UP):
            guided_velocity(run.transformer, x, at_hand, 0)
    torch.cuda.current_stream().wait_stream(quick_lane)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = guided_velocity(run.transformer, x, at_hand, 0)

    def step(latents: Tensor, i: int) -> Tensor:
        x.copy_(latents)
        at_hand.modulations.copy_(steering.modulations[i : i + 1])
        graph.replay()
        return out

    return step


WAYS: dict[str, Callable[[Run], Step]] = {
    "plain": plain,
    "apart": apart,
    "fast": fast,
    "compile": compiled,
    "graph": graphed,
}


def prepared(way: str, run: Run) -> Step:
    """Made at its first step, which is not timed."""
    make = cache(partial(WAYS[way], run))
    return lambda latents, i: make()(latents, i)


def plain_walk(step: Step, latents: Tensor, schedule: Schedule) -> Tensor:
    """From noise to latents; the step of length 0 is computed too."""
    for i, length in enumerate(schedule.lengths):
        latents = latents + length * step(latents, i)
    return latents


# Points


def ask(vae: ShapeVae, memory: Memory, points: Tensor) -> Tensor:
    """Logits `(b, p)` at `points (b, p, 3)`, a pass after the other."""
    return torch.cat([vae.points(part, memory) for part in points.split(POINTS_A_PASS, dim=1)], dim=1)


def ball(vae: ShapeVae, tokens: Tensor) -> Field:
    """The field of `tokens`, its last row turned toward a ball: random rows have no surface worth the name."""
    memory = vae.points.memory(tokens)
    last, features = vae.points.output_proj, []
    points = torch.rand(1, 8192, 3, device=tokens.device) * 2 - 1
    hook = last.register_forward_hook(lambda module, inputs, output: features.append(inputs[0][0].double()))
    vae.points(points, memory)
    hook.remove()
    x = F.pad(features[0], (0, 1), value=1.0)  # (8192, width + 1)
    y = 10 * (0.8 - points[0].double().norm(dim=-1))
    ridge = 1e-3 * len(x) * torch.eye(x.shape[1], dtype=x.dtype, device=x.device)
    row = torch.linalg.solve(x.mT @ x + ridge, x.mT @ y)
    last.weight.copy_(row[:-1])
    last.bias.copy_(row[-1])
    return Field(lambda points: ask(vae, memory, points[None])[0].float(), BOX, POINTS_A_PASS, torch, tokens.device)


# The losers among the ways of one attention


def with_extra_dimension(q: Tensor, k: Tensor, v: Tensor, log_repeats: Tensor) -> Tensor:
    """Heads 8 wider: 1 in every query, the bias in the first key."""
    width = q.shape[-1]
    q, k, v = (F.pad(t, (0, 8)) for t in (q, k, v))
    q[..., width] = 1
    k[:, :, 0, width] = (log_repeats * width**0.5)[:, None].to(k.dtype)
    return F.scaled_dot_product_attention(q, k, v, scale=width**-0.5)[..., :width]


def cudnn(q: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    out, lse, *_ = torch.ops.aten._scaled_dot_product_cudnn_attention(q, k, v, None, compute_log_sumexp=True)
    return out, lse


def by_backend(backend: SDPBackend, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    with sdpa_kernel(backend):
        return F.scaled_dot_product_attention(q, k, v)


# Work, 2 FLOP for a multiplication and an addition


def attention_flop(queries: int, keys: int, width: int) -> float:
    return 4.0 * queries * keys * width


def transformer_flop(p: TransformerParams, rows: int) -> float:
    """Of one pass; the few rows that the last block leaves out are counted."""
    h = p.hidden_size
    return (p.depth + p.depth_single_blocks) * (24.0 * h**2 * rows + attention_flop(rows, rows, h))


def dino_flop(p: DinoParams, rows: int) -> float:
    """Of one picture."""
    c = p.hidden_size
    inner = int(c * p.mlp_ratio * 2 / 3)
    return p.num_hidden_layers * (2.0 * rows * (4 * c**2 + 3 * c * inner) + attention_flop(rows, rows, c))


def vae_flop(p: VaeParams, points: int) -> dict[str, float]:
    """Of the tokens, of their keys and values, and of `points` points."""
    n, h = p.num_latents, p.width
    inner = h // p.geo_decoder_downsample_ratio
    narrowing = 2.0 * n * h * inner if inner < h else 0.0
    a_point = (4.0 + 4 * p.geo_decoder_mlp_expand_ratio) * inner**2 + 2 * 51 * inner
    return {
        "tokens": p.num_decoder_layers * (24.0 * h**2 * n + attention_flop(n, n, h)),
        "keys and values": narrowing + 4.0 * n * inner**2,
        f"{points:,} points": points * a_point + attention_flop(points, n, inner),
    }


# Time


def paired(ways: Mapping[str, Way], repeats: int, device: torch.device) -> dict[str, float]:
    """Milliseconds of each way: the median of `repeats` rounds in which all take turns, after a warm-up.

    A way that the machine refuses is infinitely slow.
    """
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(WARM_UP + repeats):
        for name, way in ways.items():
            if math.inf in spent[name]:
                continue
            try:
                ms = timed(way, device)
            except (AttributeError, RuntimeError) as error:
                print(f"{name}: {str(error).strip().splitlines()[0]}", file=sys.stderr)
                ms = math.inf
            if turn >= WARM_UP or ms == math.inf:
                spent[name].append(ms)
    return {name: statistics.median(each) for name, each in spent.items()}


def timed(way: Way, device: torch.device) -> float:
    """Milliseconds."""
    if device.type != "cuda":
        began_s = time.perf_counter()
        way()
        return 1e3 * (time.perf_counter() - began_s)
    began, ended = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    began.record()
    way()
    ended.record()
    ended.synchronize()
    return began.elapsed_time(ended)


def difference(found: Tensor, expected: Tensor) -> float:
    """The largest, as a share of the largest expected number."""
    return float((found.double() - expected.double()).abs().max() / expected.double().abs().max())


def shown(name: str, value: Any) -> str:
    if value == math.inf:
        return "refused"
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    if name.startswith("share"):
        return f"{value:.1%}"
    if name.startswith("difference"):
        return f"{value:.1e}"
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"


if __name__ == "__main__":
    main()
