# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How much of the network is on the device at once, chosen before the run.

Owns      the plans, what each of them needs, which one fits, what happens when memory runs out all the same.
Not here  which device (`device`), what the networks compute.

    full      everything stays on the device
    offload   a network is on the device while it is used; modulation layers, a quarter of the transformer, only while
              they compute their part of the schedule's table; the point decoder of the VAE stays, for the field
    low       as offload; also, blocks take turns in two slots of the device's memory (`Relay`), pictures are encoded
              one at a time, and points are decoded in smaller passes

What a plan needs is counted: weights from the modules, rows from the sizes. docs/how/hunyuan2mv_memory.md says how,
and what was measured.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from fourview.errors import MemoryShortError, RecipeError
from fourview.shape.hunyuan2mv.conditioner import Conditioner
from fourview.shape.hunyuan2mv.placement import (
    Relay,
    at_call,
    blocks_of,
    bytes_of,
    modulations_of,
    owned,
    visiting,
    without,
)

if TYPE_CHECKING:  # a machine that only measures has no YAML, which checkpoints need
    from fourview.shape.hunyuan2mv.checkpoint import Network

PLANS = ("full", "offload", "low")
POINTS_A_PASS = {"full": 8_192, "offload": 8_192, "low": 2_048}  # larger passes waste more padding than they save
HEADROOM = 1.1  # factor: the prediction may be wrong by a tenth
LIBRARIES = 40 << 20  # bytes that the CUDA libraries keep for themselves

# Numbers a row needs at the peak of a pass, in widths of the row; a test counts what the code does.
PER_TRANSFORMER_ROW = 20  # in a single block: rows twice, normed, 7 projected, attended, 4 of the MLP, 5 joined
PER_TOKEN = 13
PER_NODE = 5  # bytes of the octree for a node of its grid, and for a node of one side
PER_SIDE_NODE = 400


@dataclass(frozen=True)
class Work:
    """The sizes of one run that its memory depends on."""

    views: int
    steps: int
    octree_resolution: int  # cells along the box


@dataclass(frozen=True)
class Plan:
    """One of `PLANS`, for one run on one device. `need` and `free` in bytes; `free` is None where it is unknown."""

    name: str
    device: torch.device
    need: int
    free: int | None
    views_a_pass: int
    points_a_pass: int

    def __str__(self) -> str:
        return f"{self.name}: needs {_gib(self.need)}, {_gib(self.free)} free on {self.device}"

    @property
    def fits(self) -> bool:
        """Whether the need is free, with headroom."""
        return self.free is None or self.need * HEADROOM <= self.free

    @property
    def keeps_all(self) -> bool:
        """Whether nothing ever leaves the device."""
        return self.name == "full" or self.device.type == "cpu"

    @property
    def loads_to(self) -> torch.device:
        """Where the weights are loaded to."""
        return self.device if self.keeps_all else torch.device("cpu")

    def settle(self, network: "Network") -> None:
        """Bring to the device what a field needs while it exists; call it once after loading."""
        network.vae.points.to(self.device)

    @contextmanager
    def on_device(self, module: nn.Module) -> Iterator[None]:
        """Within the block `module` can be called on the device; weights that the plan does not keep there leave it.

        Raises `MemoryShortError` when memory runs out.
        """
        guests: list[nn.Module] = [*modulations_of(module)]
        with self.watched(f"the {type(module).__name__.lower()} ran"), ExitStack() as stack:
            if not self.keeps_all:
                for guest in guests:
                    stack.enter_context(at_call(guest, self.device))
                if self.name == "low":
                    blocks = blocks_of(module)
                    stack.enter_context(Relay(blocks, guests, self.device).running())
                    guests = guests + blocks
                stack.enter_context(visiting(without(module, guests), self.device))
            yield

    @contextmanager
    def watched(self, doing: str) -> Iterator[None]:
        """Raise `MemoryShortError` when memory runs out within the block."""
        try:
            yield
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise MemoryShortError(
                f"memory ran out while {doing}: the plan '{self.name}' needs about {_gib(self.need)}, "
                f"{_gib(free_bytes(self.device))} are free on {self.device}: {CURE}"
            ) from error


CURE = "close what else uses it, or take a smaller plan, fewer pictures, a smaller octree_resolution, another device"


def choose(
    wish: str, network: "Network", work: Work, device: torch.device, dtype: torch.dtype, free: int | None
) -> Plan:
    """The first plan that fits into `free` bytes, or the requested one; raises `MemoryShortError` where none fits.

    Only the sizes of `network` are read: it may lie on the meta device. `wish` is "auto" or one of `PLANS`; `free` is
    `free_bytes(device)`, and what the network already takes there.
    """
    if wish not in ("auto", *PLANS):
        raise RecipeError(f"memory is '{wish}'; it takes one of {', '.join(PLANS)}, or 'auto'")
    names = PLANS if wish == "auto" else (wish,)
    plans = [predict(name, network, work, device, dtype, free) for name in names]
    fitting = [plan for plan in plans if plan.fits]
    if not fitting:
        raise MemoryShortError(f"{plans[-1]}, and a tenth of the need should be spare: {CURE}")
    return fitting[0]


def predict(
    name: str, network: "Network", work: Work, device: torch.device, dtype: torch.dtype, free: int | None = None
) -> Plan:
    """The plan called `name`, with the greatest number of bytes that it has on the device at once."""
    plan = Plan(name, device, 0, free, 1 if name == "low" else work.views, POINTS_A_PASS[name])
    return replace(plan, need=max(stage_bytes(network, work, plan, dtype).values()))


def stage_bytes(network: "Network", work: Work, plan: Plan, dtype: torch.dtype) -> dict[str, int]:
    """The greatest number of bytes that `plan` has on its device at once, for each stage."""
    modules = (network.conditioner, network.transformer, network.vae)
    stays = LIBRARIES if plan.device.type == "cuda" else 0
    if plan.keeps_all:
        weights = 4 * [sum(weight_bytes(module, dtype) for module in modules)]
    else:
        decoder = weight_bytes(network.vae.points, dtype)
        stays += decoder
        weights = [_visiting_bytes(module, dtype, plan.name == "low") for module in modules] + [0]
        weights[2] -= decoder
    rows = rows_bytes(network, work, plan, dtype)
    return {stage: stays + there + rows[stage] for stage, there in zip(rows, weights, strict=True)}


def weight_bytes(module: nn.Module, dtype: torch.dtype) -> int:
    """The bytes of `module`'s tensors once floating ones are of `dtype`."""
    return bytes_of(owned(list(module.modules())), dtype)


def _visiting_bytes(module: nn.Module, dtype: torch.dtype, is_streamed: bool) -> int:
    """The bytes of `module` that are on the device at once while it runs, without modulations."""
    guests: list[nn.Module] = [*modulations_of(module)]
    blocks = blocks_of(module) if is_streamed else []
    largest = max((bytes_of(owned(without(block, guests)), dtype) for block in blocks), default=0)
    return 2 * largest + bytes_of(owned(without(module, guests + blocks)), dtype)


def rows_bytes(network: "Network", work: Work, plan: Plan, dtype: torch.dtype) -> dict[str, int]:
    """The greatest number of bytes that are there besides weights, for each stage."""
    conditioner, transformer, vae = network.conditioner, network.transformer, network.vae
    size, params = dtype.itemsize, conditioner.dino.params
    n, context_rows = vae.params.num_latents, work.views * conditioner.rows_a_view

    pictures = 4 * params.num_channels * work.views * conditioner.image_size**2
    inner = max(part.in_features for part in conditioner.modules() if isinstance(part, nn.Linear))
    per_row = 6 * params.hidden_size + 4 * inner + params.num_channels * params.patch_size**2
    context = context_rows * params.hidden_size * size
    encode = pictures + context + plan.views_a_pass * conditioner.rows_a_view * per_row * size

    h = transformer.params.hidden_size
    modulations = modulations_of(transformer)
    table = work.steps * sum(linear.out_features for linear in modulations) * size
    setup = 2 * table + max(weight_bytes(linear, dtype) for linear in modulations)
    step = table + (context_rows + PER_TRANSFORMER_ROW * (context_rows + n)) * h * size
    denoise = context + max(setup, step)

    w, inner = vae.points.query.in_features, vae.points.mlp_in.out_features
    memory = 2 * n * w * size
    surface = PER_NODE * (work.octree_resolution + 3) ** 3 + PER_SIDE_NODE * work.octree_resolution**2
    decode = memory + surface + plan.points_a_pass * (3 * w + 2 * inner) * size
    tokens = PER_TOKEN * n * vae.params.width * size
    return {"encode": encode, "denoise": denoise, "tokens": tokens, "decode": decode}


def free_bytes(device: torch.device) -> int | None:
    """The bytes that this process may still take on `device`; None where that is unknown."""
    if device.type == "cuda":
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return int(torch.cuda.mem_get_info(device)[0]) + unused
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    meminfo = Path("/proc/meminfo")
    if device.type == "cpu" and meminfo.exists():
        lines = dict(line.split(":") for line in meminfo.read_text().splitlines())
        return min([int(lines["MemAvailable"].split()[0]) << 10, *_left_in_container()])
    return None


def _left_in_container() -> list[int]:
    """What the limit of this process's control group leaves, if there is one."""
    most, used = (Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory.current"))
    try:
        return [int(most.read_text()) - int(used.read_text())]
    except (OSError, ValueError):  # no such groups here, or "max"
        return []


def encode(conditioner: Conditioner, pictures: Tensor, sides: Sequence[Sequence[int]], plan: Plan) -> Tensor:
    """`conditioner(pictures, sides)`, with as many views at a time as `plan` says."""

    def of_views(views: Tensor) -> Tensor:
        chosen = views.tolist()
        return conditioner(pictures[:, chosen], [[row[view] for view in chosen] for row in sides])

    return Halving(of_views, plan.views_a_pass, plan, "pictures were encoded", dim=1)(torch.arange(pictures.shape[1]))


class Halving:
    """Calls a function of rows with `size` rows at a time, and with half as many once memory has run out.

    The second time raises `MemoryShortError`. Results are joined along `dim`.
    """

    def __init__(self, run: Callable[[Tensor], Tensor], size: int, plan: Plan, doing: str, dim: int = 0) -> None:
        self.run, self.size, self.plan, self.doing, self.dim = run, size, plan, doing, dim
        self.has_halved = size == 1

    def __call__(self, rows: Tensor) -> Tensor:
        """All of `rows (n, ...)`."""
        if not self.has_halved:
            try:
                return self._in_passes(rows)
            except (RuntimeError, MemoryError) as error:
                if not is_out_of_memory(error):
                    raise
            # Outside of the block above, because the error keeps the memory of the pass.
            self.has_halved, self.size = True, -(-self.size // 2)
            if self.plan.device.type == "cuda":
                torch.cuda.empty_cache()
        with self.plan.watched(self.doing):
            return self._in_passes(rows)

    def _in_passes(self, rows: Tensor) -> Tensor:
        return torch.cat([self.run(part) for part in rows.split(self.size)], dim=self.dim)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out; torch has an error class for CUDA only."""
    text = str(error)
    return isinstance(error, MemoryError) or any(
        words in text for words in ("out of memory", "can't allocate memory", "not enough memory", "ALLOC_FAILED")
    )


def _gib(size: int | None) -> str:
    return "an unknown amount" if size is None else f"{size / 2**30:.1f} GiB"
