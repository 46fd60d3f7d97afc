# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The second stage against recordings of the official program: maps, network, masks, sampling, delight.

`FOURVIEW_GOLDEN` names the folder that contains `texture/` and `paint/`. Sizes, steps and schedules come from the
files.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from parity.golden import SHARED, agree, manifests
from require import ELSEWHERE
from safetensors import safe_open

pytest.importorskip("diffusers")

from diffusers import AutoencoderKL, UNet2DConditionModel

from fourview.texture.paint import cameras, maps, raster
from fourview.texture.paint.block import Block, Call
from fourview.texture.paint.checkpoint import build, load_delighter, load_painter
from fourview.texture.paint.delight import STEPS as DELIGHT_STEPS
from fourview.texture.paint.delight import delight
from fourview.texture.paint.masks import near_masks
from fourview.texture.paint.network import PaintNetwork
from fourview.texture.paint.pictures import map_pixels, pixels, recentred, recoloured
from fourview.texture.paint.sampler import Sampling, encode, paint_views, posterior, sample, scheduler_for

pytestmark = pytest.mark.filterwarnings("default")


def root() -> Path | None:
    place = Path(os.environ.get("FOURVIEW_GOLDEN") or SHARED / "golden")
    places = (place, place.parent)
    return next((p for p in places if (p / "texture").is_dir() or (p / "paint").is_dir()), None)


def recorded(pattern: str, key: str = "") -> list:
    """The recordings that match `pattern` and hold a tensor whose name ends with `key`."""
    found = [] if root() is None else sorted(root().glob(pattern))
    found = [path for path in found if any(name.endswith(key) for name in names_in(path))]
    skip = pytest.mark.skip(reason=f"{ELSEWHERE}the recordings {pattern}; FOURVIEW_GOLDEN names their folder")
    return [pytest.param(p, id=p.stem) for p in found] or [pytest.param(None, marks=skip, id="absent")]


def names_in(path: Path) -> list[str]:
    with safe_open(path, "pt") as file:
        return list(file.keys())


def read(path: Path):
    with safe_open(path, "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118


def same_picture(got, want, stage, equal=0.999):
    """Within one level everywhere, equal on a share `equal`."""
    off = np.abs(got.astype(int) - np.asarray(want).astype(int))
    assert off.max() <= 1, f"{stage}: off by {off.max()} levels"
    assert (off == 0).mean() >= equal, f"{stage}: {(off > 0).mean():.2%} differ"


@pytest.mark.parametrize("path", recorded("texture/cameras*.safetensors"))
def test_cameras(path):
    t, _ = read(path)
    agree(cameras.projection(), t["proj_ortho"], 1e-6, "projection")
    for kind in ("views6", "input4", "extra", "table"):
        for i, (elevation, azimuth) in enumerate(t[f"{kind}.elev_azim"].numpy()):
            assert cameras.camera_number(azimuth, elevation) == t[f"{kind}.camera_index"][i]
            if f"{kind}.w2c" in t:
                agree(cameras.view_matrix(azimuth, elevation), t[f"{kind}.w2c"][i], 1e-6, f"{kind} {i}")


@pytest.mark.parametrize("path", recorded("texture/raster*.safetensors"))
def test_rasteriser(path):
    t = {key: value.numpy() for key, value in read(path)[0].items()}
    agree(cameras.render_frame(t["mesh.vertices"]), t["mesh.vtx_pos_render"], 1e-6, "render frame")
    for key in [key for key in t if key.endswith(".face_index")]:
        name = key.removesuffix(".face_index")
        faces = t.get(f"{name}.tri", t["mesh.faces"])
        drawn = raster.draw(t[f"{name}.clip"], faces, t[key].shape)
        same = drawn.face == t[key]
        assert same.mean() >= 0.999, f"{name}: {(~same).mean():.2%} of the faces differ"
        agree(drawn.weight[same], t[f"{name}.bary"][same], 1e-5, name)


@pytest.mark.parametrize("path", recorded("texture/maps*.safetensors"))
def test_maps(path):
    t, words = read(path)
    t = {key: value.numpy() for key, value in t.items()}
    points, faces = t["mesh.vtx_pos_render"], t["mesh.faces"]
    for i, (azimuth, elevation) in enumerate(zip(*(json.loads(words[k]) for k in ("azim", "elev")), strict=True)):
        clip = cameras.clip_space(points, cameras.view_matrix(azimuth, elevation))
        drawn = raster.draw(clip, faces, t[f"v{i}.normal"].shape[:2])
        normal = maps.normal_map(drawn, faces, maps.vertex_normals(points, faces))
        position = maps.position_map(drawn, faces, points)
        for got, kind in ((normal, "normal"), (position, "position")):
            assert (np.abs(got - t[f"v{i}.{kind}"]) <= 1e-5).mean() >= 0.999
            same_picture(maps.codes(got), t[f"v{i}.{kind}_u8"], f"v{i}.{kind}", 0.99)


@pytest.mark.parametrize("path", recorded("texture/paint_unet*.safetensors"))
def test_network(path):
    t, words = read(path)
    network = build_network(json.loads(words["config"]), t)
    outs = {}
    for block in network.modules():
        if isinstance(block, Block) and hasattr(block, "attn_multiview"):
            block.register_forward_hook(lambda b, i, out: outs.__setitem__(b.name, out))
    for case in sorted({key.split(".")[0] for key in t if ".in." in key}):
        given = {key.split(".in.")[1]: t[key] for key in t if key.startswith(f"{case}.in.")}
        features = network.references(given["ref_latents"])
        views = given["sample"].shape[1]
        call = Call(views, given.get("ref_scale", 1.0), float(given.get("mva_scale", 1.0)), read=features)
        sample, normal, position = (given[key] for key in ("sample", "normal", "position"))
        out = network(sample, normal, position, given["text"], given["camera_gen"], given["timestep"], call)
        for key in t:
            if key.startswith(f"{case}.ref_feature."):
                agree(features[key.rpartition(".")[2]], t[key], 1e-4, key)
            if key.startswith(f"{case}.block_out."):
                agree(outs[key.rpartition(".")[2]], t[key], 1e-4, key)
        agree(out.flatten(0, 1), t[f"{case}.out"], 1e-4, case)
        if f"{case}.guided" in t:
            guided = out[0] + float(t[f"{case}.guidance_scale"]) * (out[1] - out[0])
            agree(guided, t[f"{case}.guided"], 1e-4, f"{case}.guided")


def build_network(config, tensors):
    with torch.device("meta"):
        network = PaintNetwork(config).eval()
    weights = {key.removeprefix("w."): value for key, value in tensors.items() if key.startswith("w.")}
    network.load_state_dict(weights, strict=True, assign=True)
    return network.requires_grad_(False)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("paint-v2-0-unet", PaintNetwork),
        ("paint-delight-v2-0-unet", UNet2DConditionModel.from_config),
        ("paint-vae", AutoencoderKL.from_config),
    ],
)
def test_manifests(name, kind):
    path = manifests() and manifests() / f"{name}.json"
    if not path or not path.is_file():
        pytest.skip(f"{ELSEWHERE}the manifests; FOURVIEW_MANIFESTS names their folder")
    manifest = json.loads(path.read_text())
    with torch.device("meta"):
        module = kind(manifest["config"])
    assert {key: list(value.shape) for key, value in module.state_dict().items()} == manifest["tensors"]


@pytest.mark.parametrize("path", recorded("texture/misc*.safetensors"))
def test_pictures_and_schedules(path):
    t, words = read(path)
    assert (recentred(t["recenter.in_rgba"].numpy()) == t["recenter.out_rgba"].numpy()).all()
    for name in ("recorrect", "recorrect2", "recorrect3"):
        alpha = t.get(f"{name}.alpha", t["recorrect.alpha"])
        out = recoloured(t[f"{name}.src"], t.get(f"{name}.target", t["recorrect.target"]), alpha)
        agree(torch.cat([out, alpha], dim=-1), t[f"{name}.out"], 1e-5, name)
    for variant, name in (("standard", "euler_a"), ("turbo", "turbo")):
        steps = len(t[f"{name}.timesteps"])
        scheduler = scheduler_for(json.loads(words["scheduler_config"]), variant, steps)
        agree(scheduler.timesteps, t[f"{name}.timesteps"], 0, name)
        if f"{name}.sigmas" in t:
            agree(scheduler.sigmas, t[f"{name}.sigmas"], 1e-6, name)
            agree(scheduler.init_noise_sigma.reshape(1), t[f"{name}.init_noise_sigma"], 1e-6, name)
    for key in [key for key in t if key.startswith("turbo.fp32_in.mask.")]:
        positions = t["turbo.position_maps"][0]
        tokens = int(key.rpartition(".")[2])
        grid = round((tokens / len(positions)) ** 0.5)
        want = np.unpackbits(t[key].numpy(), axis=-1).astype(bool)
        assert (near_masks(positions, [grid])[tokens].numpy() == want).mean() >= 0.995, key


@pytest.mark.parametrize("path", recorded("texture/misc*.safetensors"))
def test_trajectories_of_a_toy_model(path, monkeypatch):
    t, words = read(path)
    for variant, name in (("standard", "euler_a"), ("turbo", "turbo")):
        noises, want = iter(t[f"traj.{name}.noise"]), t[f"traj.{name}.latents"]
        scheduler = scheduler_for(json.loads(words["scheduler_config"]), variant, len(want) - 1)
        for module in ("euler_ancestral_discrete", "lcm"):
            place = f"diffusers.schedulers.scheduling_{module}.randn_tensor"
            monkeypatch.setattr(place, lambda *_, noises=noises, **__: next(noises))
        latents = t["traj.x0"] * scheduler.init_noise_sigma
        for i, time in enumerate(scheduler.timesteps):
            agree(latents, want[i], 1e-3, f"{name} {i}")
            scaled = scheduler.scale_model_input(latents, time)
            out = torch.tanh(torch.einsum("ij,bjhw->bihw", t["traj.w"], scaled) + time / 1000)
            latents = scheduler.step(out, time, latents, return_dict=False)[0]
        agree(latents, want[-1], 1e-3, f"{name} end")


@pytest.fixture(scope="module")
def painter():
    return load_painter(root() / "paint/tiny-paint", dtype=torch.float32)


@pytest.mark.parametrize("path", recorded("paint/paint_masked*.safetensors"))
def test_masks(path, painter):
    t, _ = read(path)
    views = t["in.sample"].shape[1]
    call = Call(views, read=painter.network.references(t["in.ref_latents"]))
    given = [t[f"in.{key}"] for key in ("sample", "normal", "position")]
    positions = t["in.position_maps_u8"].permute(0, 3, 1, 2).float() / 255
    for variant in ("unmasked", "intended", "aliased"):
        start = f"mid.{variant}.mask."
        call.masks = {
            int(key.removeprefix(start)): torch.from_numpy(np.unpackbits(t[key].numpy(), axis=-1).astype(bool))
            for key in t
            if key.startswith(start)
        }
        if variant == "intended":
            for tokens, want in call.masks.items():
                got = near_masks(positions, [round((tokens / views) ** 0.5)])[tokens]
                assert (got == want).float().mean() >= 0.995
        out = painter.network(*given, painter.network.prompt, t["in.camera_index"][None], t["in.timestep"], call)
        agree(out.flatten(0, 1), t[f"out.{variant}"], 1e-4, variant)


@pytest.mark.parametrize("path", recorded("paint/paint*.safetensors", ".in.references_u8"))
def test_whole_runs(path, painter):
    t, words = read(path)
    cases = sorted({key.split(".")[0] for key in t if key.endswith(".in.references_u8")})
    # a turbo file has no maps of its own: it takes those of the standard run
    maps_of, _ = read(path if "in.normals_u8" in t else path.with_name("paint.safetensors"))
    normals, positions = maps_of["in.normals_u8"].numpy(), maps_of["in.positions_u8"].numpy()
    variant = "standard" if "guidance" in words else "turbo"
    sampling = Sampling(variant, int(words["steps"]), guidance=float(words.get("guidance", 1)))
    for case in cases:
        references = t[f"{case}.in.references_u8"].numpy()
        for kind, batch in (
            ("references", pixels(references)), ("normals", map_pixels(normals)), ("positions", map_pixels(positions))
        ):  # fmt: skip
            mean, log_variance = posterior(painter.vae, batch)
            agree(mean, t[f"{case}.mid.posterior_mean.{kind}"], 1e-5, kind)
            agree(log_variance, t[f"{case}.mid.posterior_logvar.{kind}"], 1e-5, kind)

        def compare(i, out, latents, case=case):
            for name, value, tolerance in (("model_output", out, 1e-4), ("latents_after", latents, 1e-3)):
                if (key := f"{case}.mid.step_{i}.{name}") in t:
                    agree(value, t[key], tolerance, key)

        numbers = maps_of["in.camera_index"].tolist()
        views = paint_views(painter, references, normals, positions, numbers, sampling, on_step=compare)
        same_picture(views, t[f"{case}.out.views_u8"], case)


@pytest.mark.parametrize("path", recorded("paint/delight*.safetensors"))
def test_delight(path):
    t, words = read(path)
    delighter = load_delighter(path.parent / words["folder"], dtype=torch.float32)
    assert int(words["steps"]) == DELIGHT_STEPS
    for case in sorted({key.split(".")[0] for key in t}):
        if f"{case}.mid.input_ids" in t:
            assert (delighter.words == t[f"{case}.mid.input_ids"]).all()
            agree(delighter.prompt, t[f"{case}.mid.prompt_embeds"], 1e-4, "prompt")

        def compare(i, out, latents, case=case):
            for name, value in (("model_output", out), ("latents_after", latents)):
                if (key := f"{case}.mid.step_{i}.{name}") in t:
                    agree(value, t[key], 1e-4, key)

        out = delight(delighter, t[f"{case}.in.picture"].numpy(), int(words["side"]), on_step=compare)
        same_picture(out, t[f"{case}.out"], case)


@pytest.mark.parametrize("path", recorded("paint/whole*.safetensors"))
def test_from_files_to_views(path, painter):
    t, words = read(path)
    side = int(words["side"])
    delighter = load_delighter(path.parent / json.loads(words["folders"])[0], dtype=torch.float32)
    lit = []
    for i in range(sum(key.startswith("in.picture_") for key in t)):
        placed = recentred(t[f"in.picture_{i}"].numpy())
        assert (placed == t[f"mid.recentered_{i}"].numpy()).all()
        lit.append(delight(delighter, placed, side))
        same_picture(lit[-1], t[f"mid.delight_{i}"], f"delight {i}", 0.99)
    placed = cameras.render_frame(t["in.vertices"].numpy())
    drawn = maps.render_maps(placed, t["in.faces"].numpy(), cameras.SIX, int(words["render_size"]), side)
    for got, key in ((drawn.normals, "mid.normals_u8"), (drawn.positions, "mid.positions_u8")):
        if key in t:
            assert (np.abs(got.astype(int) - t[key].numpy()) <= 1).mean() >= 0.999
    noises = int(words["step_noises"])
    sampling = Sampling("turbo", noises + 1) if "turbo" in path.stem else Sampling("standard", noises)
    numbers = [camera.number for camera in cameras.SIX]
    views = paint_views(painter, np.stack(lit), drawn.normals, drawn.positions, numbers, sampling)
    off = np.abs(views.astype(int) - t["mid.views_u8"].numpy())
    assert (off <= 1).mean() >= 0.999, f"{(off > 1).mean():.2%} are off by more than a level"


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@pytest.mark.parametrize("variant", ["standard", "turbo"])
def test_the_prepared_path_equals_the_plain_one(dtype, tolerance, variant):
    folder = root() and root() / "paint/tiny-paint"
    if not folder or not folder.is_dir():
        pytest.skip(f"{ELSEWHERE}the recordings; FOURVIEW_GOLDEN names their folder")
    painter = load_painter(folder, dtype=dtype)
    rng = np.random.default_rng(3)
    side = 64
    references, normals, positions = (rng.integers(0, 256, (n, side, side, 3), np.uint8) for n in (3, 6, 6))
    numbers = [camera.number for camera in cameras.SIX]
    conditions = encode(painter, references, normals, positions, numbers, 0)
    runs = []
    for prepared in (True, False):
        outs = []
        sample(
            painter,
            conditions,
            Sampling(variant, 4, prepared=prepared),
            on_step=lambda i, o, x, outs=outs: outs.append(o),
        )
        runs.append(torch.stack(outs))
    agree(runs[0], runs[1], tolerance, variant)


def test_a_folder_that_does_not_fit_is_refused_with_names(tmp_path):
    from fourview.errors import CheckpointError

    with pytest.raises(CheckpointError, match="is missing"):
        load_painter(tmp_path)
    (tmp_path / "config.json").write_text("[1]")
    with pytest.raises(CheckpointError, match="not an object"):
        build(PaintNetwork, tmp_path)
