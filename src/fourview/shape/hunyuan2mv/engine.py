# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The whole way of the official network: views -> context -> latents -> tokens -> field.

Owns      the order of the steps, which weights are taken, and the network that is kept between runs.
Not here  any step (its own file); sampling the field and all that follows (`pipeline`, as for every engine).
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from fourview.compute import Machine, threads
from fourview.errors import CheckpointError
from fourview.notice import Notice
from fourview.progress import Journey
from fourview.recipe import Recipe
from fourview.shape.engine import Shape
from fourview.shape.hunyuan2mv.checkpoint import Network, NetworkParams, check_network, load_network
from fourview.shape.hunyuan2mv.conditioner import SIDES
from fourview.shape.hunyuan2mv.device import find_device, find_precision
from fourview.shape.hunyuan2mv.preprocess import preprocess
from fourview.shape.hunyuan2mv.sampler import denoise, noise
from fourview.surface.field import Field
from fourview.views.view import View
from fourview.weights import catalogue

LICENCE = catalogue.TERMS[catalogue.MV].name
VARIANTS = {"base": "hunyuan2mv", "fast": "hunyuan2mv-fast", "turbo": "hunyuan2mv-turbo"}  # -> the catalogue's name
TURBO_STEPS = 5  # what its training aimed at
TILE = 8192  # points that the decoder is asked for at once: a matrix product's rounding depends on it


class Hunyuan2mv:
    """The engine on one machine. The network is loaded at the first run and kept."""

    licence = LICENCE

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.device = find_device(machine.device)
        self.dtype = find_precision(machine.precision, self.device)
        self._kept: tuple[Path, Network] | None = None

    def check(self, recipe: Recipe) -> None:
        """Raise now what a run with `recipe` would stumble over: weights missing, unsound or not those asked for."""
        folder = self._folder(recipe)
        if self._kept is None or self._kept[0] != folder:
            _check_variant(check_network(folder), recipe, folder)

    @torch.inference_mode()
    def shape(self, views: Sequence[View], recipe: Recipe, journey: Journey) -> Shape:
        """The field that the network makes of `views`, any of the four sides."""
        torch.set_num_threads(threads())
        folder = self._folder(recipe)
        with journey.stage("encode") as tick:
            network = self._network(folder)
            tick(0.5)
            context = self._context(network, views)
        steps = _steps(recipe, network.params)
        with journey.stage("denoise", steps=steps) as tick:
            schedule = network.params.schedule.schedule(steps)
            latents = denoise(
                network.transformer, context, self._noise(network, recipe.shape.seed), schedule,
                recipe.shape.guidance_scale, tick,
            )  # fmt: skip
        memory = network.vae.points.memory(network.vae.tokens(latents.to(self.dtype)))
        level, half = recipe.surface.level, recipe.surface.box_v

        @torch.inference_mode()
        def value(points: Tensor) -> Tensor:
            return network.vae.points(points[None], memory)[0].float() - level

        field = Field(value, np.array([[-half] * 3, [half] * 3]), TILE, torch, self.device)
        facts = {
            "weights": folder.name, "variant": network.params.variant, "steps": str(steps), "device": str(self.device),
            "precision": str(self.dtype).removeprefix("torch."),
        }  # fmt: skip
        return Shape(field, _notices(recipe, network.params), facts, is_framed=False)

    def _folder(self, recipe: Recipe) -> Path:
        """Where the weights lie that `recipe` asks for."""
        if self.machine.weights is not None:
            return Path(self.machine.weights)
        if recipe.shape.variant is not None:
            return catalogue.path(catalogue.find(VARIANTS[recipe.shape.variant]))
        entries = [catalogue.find(name) for name in VARIANTS.values()]
        here = [place for entry in entries if (place := catalogue.found(entry)) is not None]
        return here[0] if here else catalogue.path(entries[0])

    def _network(self, folder: Path) -> Network:
        if self._kept is None or self._kept[0] != folder:
            self._kept = None  # two do not fit
            self._kept = folder, load_network(folder, self.device, self.dtype)
        return self._kept[1]

    def _context(self, network: Network, views: Sequence[View]) -> Tensor:
        """`(1, v m, c)`: the views in the order of their sides, whatever order they come in."""
        ordered = sorted(views, key=lambda view: SIDES.index(view.name))
        pictures = np.stack([preprocess(_rgba(view), network.params.preprocess, view.name)[0] for view in ordered])
        scaled = torch.from_numpy(pictures).to(self.device).permute(0, 3, 1, 2)[None].float() / 255 * 2 - 1
        return network.conditioner(scaled, [[SIDES.index(view.name) for view in ordered]])

    def _noise(self, network: Network, seed: int) -> Tensor:
        """The first latents, drawn in the precision of the run as officially, kept in float32."""
        device = torch.device("cpu") if self.machine.noise == "cpu" else self.device
        params = network.params.vae
        return noise(params.num_latents, params.embed_dim, seed, device, self.dtype).to(self.device, torch.float32)


def _rgba(view: View) -> np.ndarray:
    """The picture and its matte as one, `(h, w, 4) uint8`."""
    return np.dstack([view.image, np.round(view.matte * 255).astype(np.uint8)])


def _check_variant(params: NetworkParams, recipe: Recipe, folder: Path) -> None:
    if recipe.shape.variant not in (None, params.variant):
        raise CheckpointError(
            f"the weights in {folder} are '{params.variant}', but variant is '{recipe.shape.variant}'; leave variant "
            "unset, or name a folder that holds it"
        )


def _steps(recipe: Recipe, params: NetworkParams) -> int:
    is_asked = "steps" in recipe.given or params.variant != "turbo"
    return recipe.shape.steps if is_asked else TURBO_STEPS


def _notices(recipe: Recipe, params: NetworkParams) -> tuple[Notice, ...]:
    if params.variant == "turbo" and recipe.shape.steps > 20 and "steps" in recipe.given:
        text = (
            f"the turbo weights were made for {TURBO_STEPS} steps; {recipe.shape.steps} take longer and are no better"
        )
        return (Notice("more_steps_than_useful", text, "steps"),)
    return ()
