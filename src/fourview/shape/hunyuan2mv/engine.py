# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The engine `hunyuan2mv`: views -> context -> latents -> tokens -> field.

Owns      the order of the steps, which weights are taken, and the network that is kept between runs.
Not here  any step (its own file); sampling the field and all that follows (`pipeline`, as for every engine).
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from fourview.compute import Machine, threads
from fourview.engines import ENGINES
from fourview.errors import CheckpointError, RecipeError
from fourview.notice import Notice
from fourview.progress import RunProgress, Tick
from fourview.recipe import Recipe
from fourview.shape.engine import Engine
from fourview.shape.hunyuan2mv import official
from fourview.shape.hunyuan2mv.approximate import Approximations, approximate_velocity
from fourview.shape.hunyuan2mv.checkpoint import (
    Network,
    NetworkParams,
    check_network,
    check_vae,
    load_network,
    load_vae,
)
from fourview.shape.hunyuan2mv.conditioner import SIDES
from fourview.shape.hunyuan2mv.device import find_device, find_precision
from fourview.shape.hunyuan2mv.int8 import check_int8, quantize
from fourview.shape.hunyuan2mv.key_selection import KeySelection
from fourview.shape.hunyuan2mv.memory import PLANS, Halving, Plan, Work, choose, encode, free_bytes
from fourview.shape.hunyuan2mv.preprocess import preprocess
from fourview.shape.hunyuan2mv.sampler import noise, walk
from fourview.shape.hunyuan2mv.vae import Memory, PointDecoder
from fourview.shape.shape import Shape
from fourview.surface.field import Field
from fourview.views.view import View
from fourview.weights import catalogue

VARIANTS = {"base": "hunyuan2mv", "fast": "hunyuan2mv-fast", "turbo": "hunyuan2mv-turbo"}  # -> the catalogue's name
TURBO_VAE = "hunyuan2-vae-turbo"
TURBO_STEPS = 5  # what the turbo weights were distilled for
MANY_TURBO_STEPS = 20

# For comparisons only, no interface offers it: official grids, key selection and mapping instead of ours.
Compat = Literal["official", "official-flashvdm"]
OFFICIAL_GRIDS: dict[str, Callable[..., Tensor]] = {
    "official": official.vanilla,
    "official-flashvdm": official.flashvdm,
}


@dataclass(frozen=True)
class _Loaded:
    """A network between runs, and where it lies."""

    folder: Path
    plan: Plan
    network: Network

    @property
    def bytes_on_device(self) -> int:
        """The bytes that it takes on its plan's device."""
        parts = (self.network.conditioner, self.network.transformer, self.network.vae)
        tensors = [tensor for part in parts for tensor in part.state_dict().values()]
        return sum(tensor.nbytes for tensor in tensors if tensor.device.type == self.plan.device.type)


def engine(machine: Machine) -> Engine:
    """The engine on `machine`."""
    made = Hunyuan2mv(machine)
    return Engine("hunyuan2mv", "1", ENGINES["hunyuan2mv"].licence, made.shape, made.check)


class Hunyuan2mv:
    """The engine on one machine. The network is loaded at the first run and kept; one run goes on at a time."""

    def __init__(self, machine: Machine, compat: Compat | None = None) -> None:
        for name, word, words in (
            ("noise", machine.noise, ("cpu", "device")),
            ("memory", machine.memory, ("auto", *PLANS)),
            ("compat", compat, (None, *OFFICIAL_GRIDS)),
        ):
            if word not in words:
                raise RecipeError(f"{name} is '{word}'; it takes one of {', '.join(map(str, words))}")
        self.machine, self.compat = machine, compat
        self.device = find_device(machine.device)
        self.dtype = find_precision(machine.precision, self.device)
        self.approximations = Approximations.of(machine.approximate)
        if self.approximations.int8:
            check_int8(self.device)
        self._one_at_a_time = threading.Lock()
        self._sizes: tuple[Path, Network] | None = None  # the network without numbers
        self._loaded: _Loaded | None = None

    def check(self, recipe: Recipe) -> None:
        """Raise what a run with `recipe` would fail at: weights that are missing, damaged or of another variant."""
        folder = self._folder(recipe)
        params = self._sizes_of(folder).params
        params.schedule.schedule(_steps(recipe, params))
        if self.approximations.turbo_vae:
            check_vae(catalogue.path(catalogue.find(TURBO_VAE)), params.vae)
        variant = params.variant
        if recipe.shape.variant not in (None, variant):
            raise CheckpointError(
                f"the weights in {folder} are '{variant}', but variant is '{recipe.shape.variant}'; leave variant "
                "unset, or name a folder that holds it"
            )

    def shape(self, views: Sequence[View], recipe: Recipe, run: RunProgress) -> Shape:
        """The field that the network makes of `views`, any of the four sides."""
        with self._one_at_a_time, torch.inference_mode():
            return self._shape(views, recipe, run)

    def _shape(self, views: Sequence[View], recipe: Recipe, run: RunProgress) -> Shape:
        torch.set_num_threads(threads())
        folder = self._folder(recipe)
        params = self._sizes_of(folder).params
        steps = _steps(recipe, params)
        plan = self._plan(folder, Work(len(views), steps, recipe.surface.octree_resolution))
        with run.stage("encode", note=f"memory: {plan}") as tick:
            network = self._network(folder, plan)
            tick(0.5)
            pictures, sides = _pictures(views, params)
            with plan.on_device(network.conditioner):
                context = encode(network.conditioner, pictures.to(self.device), [sides], plan)
            self._finish()
        with run.stage("denoise", steps=steps) as tick:
            with plan.on_device(network.transformer):
                schedule, guidance = params.schedule.schedule(steps), recipe.shape.guidance_scale
                velocity = approximate_velocity(network.transformer, context, schedule, guidance, self.approximations)
                latents = walk(velocity, self._noise(params, recipe.shape.seed), schedule, tick)
            with plan.on_device(network.vae):
                memory = network.vae.points.memory(network.vae.tokens(latents.to(self.dtype)))
            if self.compat is not None:
                field = _official_field(self.compat, network.vae.points, memory, recipe, tick)
            else:
                field = _field(network.vae.points, memory, recipe, plan, self.approximations)
            self._finish()
        facts = {
            "weights": folder.name, "variant": params.variant, "steps": str(steps), "device": str(self.device),
            "precision": str(self.dtype).removeprefix("torch."), "memory": str(plan),
            "approximations": ", ".join(self.approximations.words) or "none",
        }  # fmt: skip
        return Shape(field, _notices(recipe, params), facts, is_framed=self.compat is not None)

    def _folder(self, recipe: Recipe) -> Path:
        """The folder of the weights for `recipe`."""
        if self.machine.weights is not None:
            return Path(self.machine.weights)
        if recipe.shape.variant is not None:
            return catalogue.path(catalogue.find(VARIANTS[recipe.shape.variant]))
        entries = [catalogue.find(name) for name in VARIANTS.values()]
        here = [place for entry in entries if (place := catalogue.found(entry)) is not None]
        return here[0] if here else catalogue.path(entries[0])

    def _sizes_of(self, folder: Path) -> Network:
        """The network in `folder` without its numbers."""
        if self._sizes is None or self._sizes[0] != folder:
            self._sizes = folder, check_network(folder)
        return self._sizes[1]

    def _plan(self, folder: Path, work: Work) -> Plan:
        free = free_bytes(self.device)
        if free is not None and self._loaded is not None:
            free += self._loaded.bytes_on_device
        return choose(self.machine.memory, self._sizes_of(folder), work, self.device, self.dtype, free)

    def _network(self, folder: Path, plan: Plan) -> Network:
        kept = self._loaded
        if kept is None or (kept.folder, kept.plan.name) != (folder, plan.name):
            self._loaded = kept = None  # two networks do not fit
            network = load_network(folder, plan.loads_to, self.dtype)
            if self.approximations.turbo_vae:
                vae = load_vae(catalogue.path(catalogue.find(TURBO_VAE)), plan.loads_to, self.dtype)
                network = replace(network, vae=vae)
            plan.settle(network)
            if self.approximations.int8:
                quantize(network.transformer, self.device)
            self._loaded = kept = _Loaded(folder, plan, network)
        return kept.network

    def _finish(self) -> None:
        """Wait for the device, so that stages are timed correctly."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def _noise(self, params: NetworkParams, seed: int) -> Tensor:
        """The first latents, drawn in the precision of the run as officially, kept in float32."""
        device = torch.device("cpu") if self.machine.noise == "cpu" else self.device
        latents = noise(params.vae.num_latents, params.vae.embed_dim, seed, device, self.dtype)
        return latents.to(self.device, torch.float32)


def _pictures(views: Sequence[View], params: NetworkParams) -> tuple[Tensor, list[int]]:
    """The views in the order of their sides, `(1, v, 3, s, s)` -1..1, and the numbers of these sides."""
    ordered = sorted(views, key=lambda view: SIDES.index(view.name))
    framed = []
    for view in ordered:
        rgba = np.dstack([view.image, np.round(view.matte * 255).astype(np.uint8)])
        framed.append(preprocess(rgba, params.preprocess, view.name)[0])
    pictures = torch.from_numpy(np.stack(framed)).permute(0, 3, 1, 2)[None]
    return pictures.float() / 255 * 2 - 1, [SIDES.index(view.name) for view in ordered]


def _field(decoder: PointDecoder, memory: Memory, recipe: Recipe, plan: Plan, approximations: Approximations) -> Field:
    """The field of the decoder's logits, 0 at the recipe's level, within its box."""
    level, half = recipe.surface.level, recipe.surface.box_v
    selection = KeySelection(decoder, memory, half) if approximations.flashvdm else None

    def logits(points: Tensor) -> Tensor:
        return decoder(points[None], memory)[0] if selection is None else selection(points)

    ask = Halving(logits, plan.points_a_pass, plan, "points were decoded")

    @torch.inference_mode()
    def value(points: Tensor) -> Tensor:
        return ask(points).float() - level

    # Matrix products round differently for each size, so all passes have one size.
    return Field(value, np.array([[-half] * 3, [half] * 3]), plan.points_a_pass, torch, plan.device)


def _official_field(compat: Compat, decoder: PointDecoder, memory: Memory, recipe: Recipe, tick: Tick) -> Field:
    """The grid that official code decodes, where official code puts it."""
    cells, half, chunk = recipe.surface.octree_resolution, recipe.surface.box_v, recipe.surface.num_chunks
    level = recipe.surface.level
    selects = {} if compat == "official" else {"level": level}  # the plain grid is every point
    grid = OFFICIAL_GRIDS[compat](decoder, memory, cells, half, chunk, tick=tick, **selects)
    return official.as_field(grid, cells, half, level)


def _steps(recipe: Recipe, params: NetworkParams) -> int:
    is_asked = "steps" in recipe.given or params.variant != "turbo"
    return recipe.shape.steps if is_asked else TURBO_STEPS


def _notices(recipe: Recipe, params: NetworkParams) -> tuple[Notice, ...]:
    if params.variant == "turbo" and _steps(recipe, params) > MANY_TURBO_STEPS:
        text = (
            f"the turbo weights were made for {TURBO_STEPS} steps; {recipe.shape.steps} take longer and are no better"
        )
        return (Notice("more_steps_than_useful", text, "steps"),)
    return ()
