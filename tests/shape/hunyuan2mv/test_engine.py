# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The whole engine, from a folder of weights to a model, on a tiny random checkpoint in the official layout."""

import json
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from parity import oracle
from safetensors.torch import load_file, save_file
from scipy.spatial import cKDTree
from skimage.measure import marching_cubes

import fourview
from fourview.compute import Machine
from fourview.errors import CanceledError, CheckpointError, RecipeError
from fourview.mesh.measure import measure
from fourview.progress import CancelToken
from fourview.shape.engine import Engine, find
from fourview.shape.hunyuan2mv import official
from fourview.shape.hunyuan2mv.checkpoint import check_network, load_network
from fourview.shape.hunyuan2mv.engine import Hunyuan2mv
from fourview.shape.hunyuan2mv.fabricate import fabricate
from fourview.shape.hunyuan2mv.tensor_names import VAE_NAMES, renames
from fourview.shape.hunyuan2mv.vae import ShapeVae, VaeParams
from fourview.surface.extract import extract
from fourview.surface.octree import sample
from fourview.weights.load import renamed

ROBOT = Path(fourview.__file__).parent / "examples" / "robot"
MODEL = "model.fp16.safetensors"
GRID = np.stack(np.meshgrid(*[np.linspace(-0.9, 0.9, 7)] * 3), axis=-1).reshape(-1, 3).astype(np.float32)  # (343, 3)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    folders = {variant: tmp_path_factory.mktemp("weights") / variant for variant in ("base", "fast", "turbo")}
    for variant, folder in folders.items():
        fabricate(folder, variant)
    return folders


def pictures(*sides):
    return {side: ROBOT / f"{side}.png" for side in sides}


def run(folder, sides=("front",), watch=None, cancel=None, machine=None, **parameters):
    small = {"octree_resolution": 32, "target_face_num": 400, "texture": "off", "steps": 4, "seed": 7}
    return fourview.generate(
        pictures(*sides), fourview.Recipe.of(engine="hunyuan2mv", **{**small, **parameters}),
        machine=machine or Machine(weights=str(folder)), progress=watch, cancel=cancel,
    )  # fmt: skip


@pytest.mark.parametrize(
    "sides", [("front",), ("front", "right"), ("front", "left", "back"), ("front", "left", "back", "right")]
)
def test_any_number_of_views_becomes_a_closed_mesh_with_the_faces_asked_for(tiny, sides):
    result = run(tiny["base"], sides, texture="project", texture_size=256)

    health = result.report.mesh
    assert health.watertight
    assert health.manifold
    assert 392 <= health.faces <= 400
    assert set(result.report.silhouette_iou) == set(sides)
    assert result.report.engine["variant"] == "base"
    assert {warning.code for warning in result.report.warnings} <= {
        "unseen_surface_filled",
        "side_not_shown",
        "model_in_pieces",
    }


def test_the_order_in_which_the_pictures_are_given_changes_nothing(tiny):
    assert run(tiny["base"], ("front", "left", "back")).file == run(tiny["base"], ("back", "left", "front")).file


def test_a_seed_repeats_to_the_last_byte_and_another_gives_another_shape(tiny):
    once, again, other = (run(tiny["base"], seed=seed) for seed in (1, 1, 2))

    assert once.file == again.file
    assert (once.report.seed_used, other.report.seed_used) == (1, 2)
    assert once.mesh.vertices.shape != other.mesh.vertices.shape or (once.mesh.vertices != other.mesh.vertices).any()


def test_a_network_that_is_kept_gives_the_same_as_one_that_is_loaded(tiny):
    engine = find("hunyuan2mv", Machine(weights=str(tiny["base"])))
    recipe = fourview.Recipe.of(engine="hunyuan2mv", octree_resolution=32, texture="off", steps=4, seed=3)

    first, second = (fourview.generate(pictures("front"), recipe, engine=engine) for _ in range(2))

    assert first.file == second.file


def test_the_size_of_a_pass_is_the_plan_s_and_asking_for_another_is_remarked_upon(tiny):
    small, large = (run(tiny["base"], num_chunks=points) for points in (1000, 5_000_000))

    assert small.file == large.file
    assert [warning.field for warning in small.report.warnings] == ["num_chunks"]


def test_a_higher_level_is_a_thinner_shape_and_a_wider_box_the_same_one(tiny):
    # The mesh is laid on the outline afterwards, so what is compared is the field.
    engine = find("hunyuan2mv", Machine(weights=str(tiny["base"])))
    inside = {}
    for name, parameters in {"plain": {}, "thin": {"level": 0.2}, "wide": {"box_v": 1.5}}.items():
        seen = []
        shaped = engine.shape

        def keep(views, recipe, journey, shaped=shaped, seen=seen):
            seen.append(shaped(views, recipe, journey))
            return seen[0]

        recipe = fourview.Recipe.of(
            engine="hunyuan2mv", octree_resolution=24, texture="off", steps=3, seed=3, **parameters
        )
        fourview.generate(pictures("front"), recipe, engine=Engine("hunyuan2mv", "1", "", keep))
        field = seen[0].field
        assert field.bounds.tolist() == [[-recipe.surface.box_v] * 3, [recipe.surface.box_v] * 3]
        points = field.backend.array(GRID)
        inside[name] = field(points).numpy()

    assert (inside["plain"] - inside["thin"]).tolist() == pytest.approx([0.2] * len(GRID), abs=1e-6)
    assert inside["plain"].tolist() == inside["wide"].tolist()


@pytest.mark.parametrize(
    ("variant", "asked", "taken"), [("turbo", {}, "5"), ("turbo", {"steps": 3}, "3"), ("fast", {}, "30")]
)
def test_turbo_weights_take_their_five_steps_unless_told_otherwise(tiny, variant, asked, taken):
    recipe = fourview.Recipe.of(engine="hunyuan2mv", octree_resolution=24, texture="off", **asked)

    result = fourview.generate(pictures("front"), recipe, machine=Machine(weights=str(tiny[variant])))

    assert (result.report.engine["variant"], result.report.engine["steps"]) == (variant, taken)
    assert result.report.mesh.watertight


def test_many_steps_of_turbo_weights_are_done_and_remarked_upon(tiny):
    assert [w.code for w in run(tiny["turbo"], steps=25).report.warnings] == ["more_steps_than_useful"]


def test_every_step_is_told_and_a_cancel_stops_before_the_next(tiny):
    cancel, seen = CancelToken(), []

    def watch(event):
        if event.stage == "denoise":
            seen.append((event.step, event.steps))
            if event.step == 2:
                cancel.cancel()

    with pytest.raises(CanceledError, match="'denoise'"):
        run(tiny["base"], watch=watch, cancel=cancel, steps=30)

    assert list(dict.fromkeys(seen)) == [(0, 30), (1, 30), (2, 30)]


@pytest.mark.parametrize("is_sparse", [False, True])
def test_an_official_grid_becomes_the_official_surface_in_the_official_place(is_sparse):
    # A ball, known everywhere or only near its surface; a grid of 30 cells where 32 were asked for.
    values = 0.6 - official.lattice(1.01, 30).norm(dim=-1)
    grid = values.masked_fill(values.abs() > 0.2, torch.nan) if is_sparse else values

    mesh = extract(sample(official.as_field(grid, 32, 1.01), 32))

    expected = oracle.mapped(marching_cubes(values.numpy(), 0.0)[0], 32, 1.01)
    cell = 2.02 / 33
    assert measure(mesh).watertight
    assert len(mesh.vertices) == len(expected)
    assert cKDTree(mesh.vertices).query(expected)[0].max() < 0.03 * cell  # the house keeps 2 % off the samples


@pytest.mark.parametrize("compat", ["official", "official-flashvdm"])
def test_the_official_switch_changes_the_place_and_not_the_shape(tiny, compat):
    official_engine = Hunyuan2mv(Machine(weights=str(tiny["base"])), compat)
    recipe = fourview.Recipe.of(engine="hunyuan2mv", octree_resolution=32, texture="off", steps=4, seed=7, level=0.4)
    fields = {}
    for name, engine in (("ours", find("hunyuan2mv", official_engine.machine)), ("official", official_engine)):

        def keep(views, recipe, journey, engine=engine, name=name):
            fields[name] = engine.shape(views, recipe, journey)
            return fields[name]

        fourview.generate(pictures("front"), recipe, engine=Engine("hunyuan2mv", "1", "", keep))

    ours, theirs = (extract(sample(fields[name].field, 32)).vertices for name in ("ours", "official"))
    expected = (ours + 1.01) * 32 / 33 - 1.01
    if compat == "official":
        assert np.allclose(expected, theirs, atol=1e-4)
    else:  # another grid, of 31 points a side, and a third of the keys
        assert 1e-4 < np.median(cKDTree(theirs).query(expected)[0]) < 0.2


def test_the_terminal_runs_it_with_what_the_machine_is_told(tiny, tmp_path):
    told = (
        f"--weights {tiny['fast']} --precision bfloat16 --memory low --approximate velocity-cache,flashvdm --threads 1"
    )
    asked = "--engine hunyuan2mv --steps 6 --octree-resolution 32 --texture off"
    pictures = f"{ROBOT / 'front.png'} --left {ROBOT / 'left.png'}"
    out = f"-o {tmp_path / 'm.glb'} --report {tmp_path / 'm.json'}"
    command = f"{sys.executable} -m fourview generate {pictures} {out} {asked} {told}"

    process = subprocess.run(command.split(), capture_output=True, text=True, check=False)

    assert (process.returncode, process.stderr) == (0, "")
    report = json.loads((tmp_path / "m.json").read_text())
    engine = report["engine"]
    assert (engine["variant"], engine["precision"], engine["approximations"]) == (
        "fast",
        "bfloat16",
        "velocity-cache, flashvdm",
    )
    assert engine["memory"].startswith("low: needs ")
    assert report["mesh"]["watertight"]
    assert (tmp_path / "m.glb").read_bytes()[:4] == b"glTF"


def broken(tiny, folder, how):
    """A copy of the tiny checkpoint with one thing wrong."""
    folder.mkdir()
    tensors = load_file(tiny["base"] / MODEL)
    config = yaml.safe_load((tiny["base"] / "config.yaml").read_text())
    blob = (tiny["base"] / MODEL).read_bytes()
    if how == "truncated":
        blob = blob[: len(blob) // 2]
    elif how == "corrupt":
        blob = b"\xff" * 64 + blob[64:]
    elif how == "pickle":
        blob = b"PK\x03\x04" + blob
    elif how == "without vae":
        blob = None
        save_file({n: t for n, t in tensors.items() if not n.startswith("vae.")}, folder / MODEL)
    elif how == "renamed":
        blob = None
        tensors["model.latent_inn.weight"] = tensors.pop("model.latent_in.weight")
        save_file(tensors, folder / MODEL)
    elif how == "narrow":
        blob = None
        tensors["model.cond_in.bias"] = tensors["model.cond_in.bias"][:-1].clone()
        save_file(tensors, folder / MODEL)
    elif how == "single-view":
        config["conditioner"]["params"]["main_image_encoder"]["type"] = "DinoImageEncoder"
    elif how == "unknown size":
        config["model"]["params"]["num_experts"] = 8
    if blob is not None:
        (folder / MODEL).write_bytes(blob)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("truncated", "model.fp16.safetensors"),
        ("corrupt", "model.fp16.safetensors"),
        ("pickle", "unpickled"),
        ("without vae", "holds no vae"),
        ("renamed", r"1 missing: latent_in.weight; 1 unexpected: latent_inn.weight"),
        ("narrow", r"1 of another shape: cond_in.bias \(63,\) for \(64,\)"),
        ("single-view", "single-view"),
        ("unknown size", "num_experts"),
    ],
)
def test_weights_that_are_not_sound_are_named_before_a_picture_is_read(tiny, tmp_path, how, says):
    folder = broken(tiny, tmp_path / "weights", how)

    with pytest.raises(CheckpointError, match=says):
        fourview.generate({"front": "no such picture.png"}, fourview.Recipe.of(engine="hunyuan2mv"),
                          machine=Machine(weights=str(folder)))  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.params.hidden_size", "sixty"), ("model.params.hidden_size", [64]), ("model.params.num_heads", 0),
        ("model.params.hidden_size", -4), ("model.params.num_heads", 5), ("model.params.qkv_bias", 1),
        ("vae.params.geo_decoder_downsample_ratio", 8), ("scheduler.params.shift", "a"),
        ("image_processor.params.size", "x"),
        ("conditioner.params.main_image_encoder.kwargs.image_size", None),
    ],
)  # fmt: skip
def test_a_config_that_makes_no_network_is_named(tiny, tmp_path, path, value):
    config = yaml.safe_load((tiny["base"] / "config.yaml").read_text())
    *above, name = path.split(".")
    at = config
    for step in above:
        at = at[step]
    at[name] = value
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    (tmp_path / MODEL).write_bytes((tiny["base"] / MODEL).read_bytes())

    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        check_network(tmp_path)


def test_a_config_s_number_may_be_written_as_text(tiny, tmp_path):
    config = (tiny["base"] / "config.yaml").read_text()
    (tmp_path / "config.yaml").write_text(config.replace("layer_norm_eps: 1.0e-06", "layer_norm_eps: 1e-06"))
    (tmp_path / MODEL).write_bytes((tiny["base"] / MODEL).read_bytes())

    assert check_network(tmp_path).params == check_network(tiny["base"]).params


def test_a_cancel_is_seen_between_two_tiles_of_decoding(tiny):
    cancel, seen = CancelToken(), []

    def watch(event):
        if event.stage == "decode":
            seen.append(event.stage_done)
            if len(seen) == 2:
                cancel.cancel()

    with pytest.raises(CanceledError, match="'decode'"):
        run(tiny["base"], watch=watch, cancel=cancel, octree_resolution=64, num_chunks=5_000_000)

    assert len(seen) == 2


def test_runs_of_one_engine_take_turns(tiny):
    engine = find("hunyuan2mv", Machine(weights=str(tiny["base"])))
    recipe = fourview.Recipe.of(engine="hunyuan2mv", octree_resolution=24, texture="off", steps=3, seed=3)
    under_way = []

    def watch(event):
        if event.stage == "denoise":
            under_way.append(threading.get_ident())

    with ThreadPoolExecutor(2) as pool:
        files = list(
            pool.map(
                lambda _: fourview.generate(pictures("front"), recipe, engine=engine, progress=watch).file, range(2)
            )
        )

    assert files[0] == files[1]
    assert len([1 for a, b in pairwise(under_way) if a != b]) == 1


def test_weights_ask_for_no_gradient(tiny):
    network = load_network(tiny["base"])

    assert not any(tensor.requires_grad for tensor in network.transformer.parameters())


def test_weights_of_another_variant_than_asked_for_are_refused(tiny):
    with pytest.raises(CheckpointError, match="are 'turbo', but variant is 'base'"):
        run(tiny["turbo"], variant="base")


def test_weights_that_are_nowhere_come_with_the_line_that_brings_them(tmp_path, monkeypatch):
    monkeypatch.setenv("FOURVIEW_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HY3DGEN_MODELS", str(tmp_path))

    with pytest.raises(CheckpointError, match="fourview weights pull hunyuan2mv-fast"):
        run(None, variant="fast", machine=Machine())


def test_weights_where_the_hub_s_download_put_them_are_found(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURVIEW_WEIGHTS", str(tmp_path))
    home = tmp_path / "tencent/Hunyuan3D-2mv/hunyuan3d-dit-v2-mv-turbo"
    home.parent.mkdir(parents=True)
    home.symlink_to(tiny["turbo"])

    assert run(None, machine=Machine()).report.engine["variant"] == "turbo"


@pytest.mark.parametrize("words", [("guidance-interval",), ("velocity-cache",), ("flashvdm",), ("int8",)])
def test_a_shortcut_is_named_in_the_report_and_makes_nearly_the_same_shape(tiny, words):
    exact, short = (
        run(tiny["base"], steps=12, machine=Machine(weights=str(tiny["base"]), approximate=chosen))
        for chosen in ((), words)
    )

    assert (exact.report.engine["approximations"], short.report.engine["approximations"]) == ("none", *words)
    assert short.report.mesh.watertight
    distance = cKDTree(short.mesh.vertices).query(exact.mesh.vertices)[0]
    assert distance.max() > 0
    assert np.median(distance) < 0.15


@torch.no_grad()
def write_turbo_vae(folder):
    """A random smaller decoder that heeds no token, and whose last row makes about a ball."""
    tiny = {
        "num_latents": 64, "embed_dim": 16, "num_freqs": 8, "include_pi": False, "heads": 4, "width": 64,
        "num_decoder_layers": 1, "qkv_bias": False, "qk_norm": True, "scale_factor": 1.0,
        "geo_decoder_mlp_expand_ratio": 1, "geo_decoder_downsample_ratio": 2, "geo_decoder_ln_post": False,
    }  # fmt: skip
    torch.manual_seed(0)
    vae, rows = ShapeVae(VaeParams(**tiny)), []
    for layer in (vae.points.project, vae.points.mlp_out):
        layer.weight.zero_()
    points = torch.rand(2000, 3) * 2 - 1
    hook = vae.points.output_proj.register_forward_hook(lambda module, inputs, output: rows.append(inputs[0][0]))
    vae(torch.zeros(1, 64, 64), points[None])
    hook.remove()
    vae.points.output_proj.weight.copy_(torch.linalg.lstsq(rows[0], (0.7 - points.norm(dim=1))[:, None]).solution.T)
    vae.points.output_proj.bias.zero_()
    back = renames(tuple((ours, theirs) for theirs, ours in VAE_NAMES))
    folder.mkdir(parents=True)
    save_file({renamed(name, back): tensor for name, tensor in vae.state_dict().items()}, folder / MODEL)
    (folder / "config.yaml").write_text(yaml.safe_dump({"target": "ShapeVAE", "params": tiny}))


def test_the_turbo_decoder_is_taken_where_it_is_asked_for(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("FOURVIEW_WEIGHTS", str(tmp_path))
    machine = Machine(weights=str(tiny["fast"]), approximate=("turbo-vae",))
    with pytest.raises(CheckpointError, match="fourview weights pull hunyuan2-vae-turbo"):
        run(None, machine=machine)

    write_turbo_vae(tmp_path / "tencent/Hunyuan3D-2/hunyuan3d-vae-v2-0-turbo")
    once, again = (run(None, machine=machine, seed=seed) for seed in (1, 2))

    assert once.report.engine["approximations"] == "turbo-vae"
    assert once.mesh.vertices.tolist() == again.mesh.vertices.tolist()  # it heeds no token


@pytest.mark.parametrize(
    "machine",
    [
        Machine(approximate=("magic",)),
        Machine(device="abacus"),
        Machine(precision="float8"),
        Machine(noise="gpu"),
        Machine(memory="all"),
    ],
)
def test_a_shortcut_a_device_or_a_precision_that_is_not_there_is_an_error(machine):
    with pytest.raises(RecipeError, match=r"magic|abacus|float8|gpu|all"):
        find("hunyuan2mv", machine)
