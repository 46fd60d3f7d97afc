# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Every kind of work for real, small: what goes in, what comes out, what is said of it."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import asdict, replace
from importlib.util import find_spec

import numpy as np
import pytest
import trimesh
from formats.foreign import Gltf, cube, differs, letter, seen
from formats.marked import marked, painted
from PIL import Image
from runners.orders import ROBOT, SMALL, listen, order

from fourview.compute import Machine
from fourview.errors import CanceledError, MeshError, PictureError, RecipeError
from fourview.formats.colours import colours_at
from fourview.formats.model import Model
from fourview.formats.read import read_mesh
from fourview.formats.write import encode
from fourview.mesh.measure import measure
from fourview.mesh.mesh import Mesh
from fourview.progress import STAGES, CancelToken
from fourview.recipe import ExportRecipe, Recipe
from fourview.runners.execute import Executor
from fourview.runners.instant import Instant
from fourview.texture.texture import Texture, linear_from_srgb

SOFT = 0.06  # linear light: colours that were carried over meet at the borders of plain fields


@pytest.fixture(scope="module")
def workshop():
    return Executor(Machine(device="cpu"))


@pytest.fixture(scope="module")
def do(workshop):
    def done(work, watch=lambda event: None):
        outcome = workshop.execute(work, watch, CancelToken())
        json.dumps(asdict(replace(outcome, files=())), allow_nan=False)
        assert outcome.status == "done"
        assert all(file.path.parent == work.folder and file.path.name == file.name for file in outcome.files)
        return outcome

    return done


@pytest.fixture(scope="module")
def robot(do, tmp_path_factory):
    """The robot as a textured OBJ, and its GLB."""
    return do(order(tmp_path_factory.mktemp("robot"), file_type="obj", seed=3, **SMALL))


@pytest.fixture
def solid(tmp_path):
    """The marked solid as a GLB with its texture."""
    return stored(tmp_path / "solid.glb", marked(), painted())


def stored(path, mesh, texture=None, **export):
    path.write_bytes(encode(mesh, texture, ExportRecipe(file_type=path.suffix[1:].replace("zip", "obj"), **export)))
    return path


def names(outcome):
    return [(file.name, file.format) for file in outcome.files]


def codes(outcome):
    return [warning["code"] for warning in outcome.result["warnings"]]


def light_of(model):
    """The linear colour in the middle of each face, `(f, 3)`."""
    return colours_at(model.texture, model.mesh.uv[model.mesh.faces].mean(axis=1))


def size(mesh):
    return np.ptp(mesh.vertices, axis=0)


# generate


def test_pictures_become_the_file_that_was_asked_for_a_glb_and_a_picture(robot):
    assert names(robot) == [("model.zip", "zip"), ("model.glb", "glb"), ("preview.png", "png")]
    models = [read_mesh(file.path) for file in robot.files[:2]]
    for model in models:
        assert model.texture is not None
        health = measure(model.mesh)
        assert (health.faces, health.watertight, health.manifold) == (robot.result["mesh"]["faces"], True, True)
    assert np.allclose(light_of(models[0]), light_of(models[1]), atol=1e-3)
    with Image.open(robot.files[2].path) as picture:
        assert picture.size == (768, 768)


def test_the_report_is_that_of_the_pipeline(robot):
    assert (robot.seed_used, robot.result["seed_used"], robot.result["engine"]["name"]) == (3, 3, Recipe().shape.engine)
    assert robot.result["recipe"]["texture_size"] == 256
    assert list(robot.result["timings_s"]) == [stage for stage in STAGES if stage != "denoise"]


def test_a_glb_is_not_written_twice_and_progress_never_falls(do, tmp_path):
    events = []

    outcome = do(order(tmp_path, **SMALL), events.append)

    assert names(outcome) == [("model.glb", "glb"), ("preview.png", "png")]
    done = [event.done for event in events]
    assert done == sorted(done)
    assert 0.99 < done[-1] < 1


def test_the_double_reports_in_the_same_words(robot, tmp_path):
    double = Instant("instant").execute(order(tmp_path), lambda event: None, CancelToken())

    assert double.result.keys() == robot.result.keys()
    assert double.result["mesh"].keys() == robot.result["mesh"].keys()


def test_work_stops_after_the_run_as_well(workshop, tmp_path):
    cancel = CancelToken()

    def watch(event):
        if event.done >= 0.96:
            cancel.cancel()

    with pytest.raises(CanceledError):
        workshop.execute(order(tmp_path, **SMALL), watch, cancel)


# format


@pytest.mark.parametrize("file_type", ["obj", "ply", "stl"])
def test_a_finished_model_becomes_another_format_of_one_size(do, robot, tmp_path, file_type):
    outcome = do(order(tmp_path, "format", {"mesh": robot.files[1].path}, file_type=file_type))

    suffix = "zip" if file_type == "obj" else file_type
    assert names(outcome) == [(f"model.{suffix}", suffix)]
    ours, theirs = read_mesh(robot.files[1].path), read_mesh(outcome.files[0].path)
    unit = 1000 if file_type == "stl" else 1
    assert size(theirs.mesh) == pytest.approx(size(ours.mesh) * unit, rel=1e-5)
    assert measure(theirs.mesh).watertight
    assert (theirs.texture is not None, theirs.colours is not None) == (file_type == "obj", file_type == "ply")


def test_size_place_and_axes_of_a_finished_model_are_kept(do, tmp_path):
    parameters = {"up": "z", "origin": "bottom", "height_m": 3.0}
    glb = stored(tmp_path / "model.glb", marked(), painted(), **parameters)

    outcome = do(order(tmp_path / "stl", "format", {"mesh": glb}, file_type="stl", **parameters))

    lowest, highest = (
        getattr(read_mesh(outcome.files[0].path, up="y").mesh.vertices, end)(axis=0) for end in ("min", "max")
    )
    assert (lowest[2], highest[2]) == pytest.approx((0, 3000))


def test_a_webp_texture_is_read_again(do, tmp_path):
    glb = stored(tmp_path / "model.glb", marked(), painted(), texture_format="webp")

    outcome = do(order(tmp_path / "obj", "format", {"mesh": glb}, file_type="obj"))

    assert np.array_equal(read_mesh(outcome.files[0].path).texture.albedo, painted().albedo)


# retexture


def test_a_mesh_of_any_unit_is_painted_and_keeps_its_shape(do, robot, tmp_path):
    stl = do(order(tmp_path / "stl", "format", {"mesh": robot.files[1].path}, file_type="stl")).files[0].path

    outcome = do(order(tmp_path / "painted", "retexture", {"mesh": stl, **ROBOT}, texture_size=256))

    assert names(outcome) == [("model.glb", "glb"), ("preview.png", "png")]
    before, after = read_mesh(stl).mesh, read_mesh(outcome.files[0].path)
    assert np.allclose(after.mesh.vertices[after.mesh.faces], before.vertices[before.faces] / 1000, atol=1e-5)
    assert outcome.result["seen"] > 0.9
    assert min(outcome.result["silhouette_iou"].values()) > 0.97
    painted_before = read_mesh(robot.files[1].path)
    assert np.abs(light_of(after) - light_of(painted_before)).mean() < 0.02


# simplify


def test_fewer_faces_keep_the_colours_and_say_that_these_were_painted_anew(do, robot, tmp_path):
    mesh = robot.files[1].path

    outcome = do(order(tmp_path, "simplify", {"mesh": mesh}, target_face_num=500, texture_size=256))

    assert 490 <= outcome.result["mesh"]["faces"] <= 500
    assert outcome.result["faces_before"] == 2000
    assert codes(outcome) == ["colours_transferred"]
    assert measure(read_mesh(outcome.files[0].path).mesh).watertight
    with Image.open(robot.files[2].path) as one, Image.open(outcome.files[1].path) as other:
        assert np.abs(np.asarray(one).astype(int) - np.asarray(other)).mean() < 6  # of 255


def test_a_mesh_of_few_faces_is_left_as_it_is(do, solid, tmp_path):
    outcome = do(order(tmp_path / "more", "simplify", {"mesh": solid}))

    assert codes(outcome) == []
    assert np.array_equal(read_mesh(outcome.files[0].path).texture.albedo, painted().albedo)


# convert


def test_a_mesh_with_one_picture_keeps_it_to_the_texel(do, solid, tmp_path):
    as_zip = do(order(tmp_path / "zip", "convert", {"mesh": solid}, file_type="obj"))
    again = do(order(tmp_path / "glb", "convert", {"mesh": as_zip.files[0].path}))

    assert names(as_zip) == [("model.zip", "zip"), ("model.glb", "glb"), ("preview.png", "png")]
    assert codes(as_zip) == codes(again) == []
    assert np.array_equal(read_mesh(again.files[0].path).texture.albedo, painted().albedo)


def test_colours_of_vertices_become_a_texture(do, tmp_path):
    ply = stored(tmp_path / "mesh.ply", marked(8), painted())

    outcome = do(order(tmp_path / "glb", "convert", {"mesh": ply}, texture_size=256))

    model = read_mesh(outcome.files[0].path)
    there = read_mesh(ply)
    assert codes(outcome) == ["colours_transferred"]
    assert np.abs(light_of(model) - there.colours[there.mesh.faces].mean(axis=1)).mean() < SOFT


def test_a_picture_that_repeats_is_laid_out_once(do, tmp_path):
    mesh = marked()
    repeating = stored(tmp_path / "mesh.glb", replace(mesh, uv=mesh.uv + 1), painted())
    clamps, repeats = (f'"wrapS":{wrap},"wrapT":{wrap}'.encode() for wrap in (33071, 10497))
    repeating.write_bytes(repeating.read_bytes().replace(clamps, repeats))

    outcome = do(order(tmp_path / "glb", "convert", {"mesh": repeating}, texture_size=256))

    model, there = read_mesh(outcome.files[0].path), read_mesh(repeating)
    assert codes(outcome) == ["colours_transferred"]
    assert model.mesh.uv.min() >= 0
    assert model.mesh.uv.max() <= 1
    assert np.abs(light_of(model) - light_of(there)).mean() < SOFT


def lettered(path, cuts=1, repeat=1):
    """A cube as a GLB with an A on front and back and a B on the other sides, each `repeat` times along each edge."""
    vertices, uv, faces = cube(cuts)
    made = Gltf()
    shared = {"POSITION": made.array(vertices), "TEXCOORD_0": made.array(uv * repeat)}
    for text, part in (("A", faces[: 4 * cuts**2]), ("B", faces[4 * cuts**2 :])):
        material = made.material(made.texture(letter(text)))
        made.show({"attributes": shared, "indices": made.array(part.ravel()), "material": material})
    path.write_bytes(made.glb())
    return path


def by_trimesh(path):
    """The model as an independent reader sees it."""
    read = trimesh.load_scene(path, process=False).to_mesh()
    image = np.asarray(read.visual.material.baseColorTexture.convert("RGB"))
    mesh = Mesh(read.vertices.astype(np.float32), read.faces, read.visual.uv)
    return Model(mesh, Texture(linear_from_srgb(image), np.ones(image.shape[:2], bool)))


def shows(model, repeat=1):
    """How far front and right of a model are from their letters, and right from the other's, of 255."""
    pictures = {text: tiled(letter(text), repeat) for text in "AB"}
    front, right = seen(model, "front"), seen(model, "right")
    return [differs(front, pictures["A"]), differs(right, pictures["B"]), differs(right, pictures["A"])]


def tiled(image, repeat):
    return Image.fromarray(np.tile(np.asarray(image), (repeat, repeat, 1)))


@pytest.mark.parametrize(
    ("kind", "cuts", "repeat", "parameters"),
    [
        ("convert", 1, 1, {}),
        ("convert", 1, 1, {"file_type": "obj"}),
        ("convert", 1, 3, {}),
        ("simplify", 12, 1, {"target_face_num": 200}),
        ("simplify", 12, 2, {"target_face_num": 200}),
    ],
)
def test_all_pictures_of_a_model_can_be_read_on_what_becomes_of_it(do, tmp_path, kind, cuts, repeat, parameters):
    mesh = lettered(tmp_path / "mesh.glb", cuts, repeat)

    outcome = do(order(tmp_path / "done", kind, {"mesh": mesh}, texture_size=512, **parameters))

    glb = next(file.path for file in outcome.files if file.format == "glb")
    for model in (read_mesh(outcome.files[0].path), by_trimesh(glb)):
        front, right, wrong = shows(model, repeat)
        assert max(front, right) < 8
        assert wrong > 20
    assert codes(outcome) == ["colours_transferred"]


def test_a_picture_finer_than_the_new_texture_becomes_its_mean_and_does_not_flicker(do, tmp_path):
    vertices, uv, faces = cube()
    made = Gltf()
    checks = (np.indices((512, 512)).sum(axis=0) % 2).astype(np.uint8) * 255
    colours = made.array(np.linspace(0.99, 1, 72).reshape(24, 3).astype("f4"))  # so that it needs a new texture
    attributes = {"POSITION": made.array(vertices), "TEXCOORD_0": made.array(uv * 8), "COLOR_0": colours}
    material = made.material(made.texture(Image.fromarray(checks)))
    made.show({"attributes": attributes, "indices": made.array(faces.ravel()), "material": material})
    (tmp_path / "mesh.glb").write_bytes(made.glb())

    outcome = do(order(tmp_path / "done", "convert", {"mesh": tmp_path / "mesh.glb"}, texture_size=256))

    shown = seen(read_mesh(outcome.files[0].path), size=64)[4:-4, 4:-4]
    half_light = 188  # sRGB
    assert np.abs(shown.astype(int) - half_light).max() < 10


@pytest.mark.parametrize("kind", ["convert", "simplify", "retexture"])
def test_what_the_reader_left_out_stands_in_the_report(do, tmp_path, kind):
    made = Gltf()
    made.show(made.cube(made.material(normalTexture={"index": made.texture(letter("N"))})))
    made.tree["animations"] = [{}]
    (tmp_path / "mesh.glb").write_bytes(made.glb())

    outcome = do(order(tmp_path / "done", kind, {"mesh": tmp_path / "mesh.glb", **ROBOT}, texture_size=256))

    assert {"animations_dropped", "material_maps_dropped"} <= set(codes(outcome))


def test_texture_off_leaves_colours_out(do, solid, tmp_path):
    outcome = do(order(tmp_path / "plain", "convert", {"mesh": solid}, texture="off", file_type="obj"))

    assert names(outcome)[0] == ("model.obj", "obj")
    assert read_mesh(outcome.files[1].path).texture is None


def test_a_mesh_without_colours_stays_without(do, tmp_path):
    outcome = do(order(tmp_path / "glb", "convert", {"mesh": stored(tmp_path / "mesh.stl", marked())}))

    assert codes(outcome) == []
    assert read_mesh(outcome.files[0].path).texture is None


def test_a_mesh_may_not_name_files_of_this_machine(do, tmp_path):
    Image.new("RGB", (8, 8), "red").save(tmp_path / "secret.png")
    (tmp_path / "secret.mtl").write_text("newmtl a\nmap_Kd secret.png\n")
    obj = tmp_path / "mesh.obj"
    obj.write_text("mtllib secret.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 0 1\nusemtl a\nf 1/1 2/2 3/3\n")

    outcome = do(order(tmp_path / "glb", "convert", {"mesh": obj}))

    assert read_mesh(obj).texture is not None
    assert read_mesh(outcome.files[0].path).texture is None
    assert codes(outcome) == ["material_file_missing"]


@pytest.mark.parametrize("kind", ["simplify", "convert", "retexture"])
@pytest.mark.parametrize(
    ("error", "vertices", "parameters"),
    [
        (MeshError, [[1, 2, 3], [1, 2, 3], [1, 2, 3]], {}),
        (RecipeError, [[0, 2, 0], [1, 2, 0], [0, 2, 1]], {"height_m": 1.8}),
    ],
)
def test_what_has_no_size_is_refused(workshop, tmp_path, kind, error, vertices, parameters):
    obj = tmp_path / "mesh.obj"
    obj.write_text("".join("v {} {} {}\n".format(*vertex) for vertex in vertices) + "f 1 2 3\n")

    with pytest.raises(error):
        workshop.execute(order(tmp_path, kind, {"mesh": obj, **ROBOT}, **parameters), lambda event: None, CancelToken())


def test_a_line_of_a_mesh_has_no_face_to_paint(workshop, tmp_path):
    obj = tmp_path / "mesh.obj"
    obj.write_text("v 0 0 0\nv 0 0 0\nv 0 1 0\nf 1 2 3\n")

    with pytest.raises(MeshError, match="no face"):
        workshop.execute(order(tmp_path, "retexture", {"mesh": obj, **ROBOT}), lambda event: None, CancelToken())


# preview


def test_a_preview_shows_what_belongs_to_the_subject(do, tmp_path):
    outcome = do(order(tmp_path, "preview", {side: ROBOT[side] for side in ("front", "back")}))

    assert names(outcome) == [
        (f"{side}_{what}.png", "png") for side in ("front", "back") for what in ("matte", "cutout")
    ]
    assert (outcome.result["kind"], outcome.result["warnings"]) == ("preview", ())
    with Image.open(outcome.files[0].path) as matte:
        assert matte.getextrema() == (0, 255)


def test_a_preview_tells_what_the_views_disagree_on(do, tmp_path):
    outcome = do(order(tmp_path, "preview", {**ROBOT, "left": ROBOT["right"], "right": ROBOT["left"]}))

    assert "views_probably_swapped" in codes(outcome)


def test_a_preview_needs_a_subject(workshop, tmp_path):
    with pytest.raises(PictureError, match="front"):
        workshop.execute(order(tmp_path, "preview", {"back": ROBOT["back"]}), lambda event: None, CancelToken())


# engines


def test_an_engine_without_weights_is_not_offered(workshop, monkeypatch, tmp_path):
    for place in ("FOURVIEW_WEIGHTS", "HY3DGEN_MODELS"):
        monkeypatch.setenv(place, str(tmp_path))

    ability = workshop.ability()

    assert ability.engines == ("mini", "hull")
    assert ability.about["engines"]["hull"] == {
        "installed": True, "version": "1", "licence": "Apache-2.0", "lacks": None,
    }  # fmt: skip
    absent = ability.about["engines"]["hunyuan2mv"]
    assert (absent["installed"], absent["lacks"]) == (False, "its weights")
    assert str(tmp_path) not in json.dumps(ability.about)


def test_an_engine_that_is_broken_takes_no_other_along(capfd):
    broken = Executor(Machine(weights="/nowhere", device="cuda:99", memory="no such word"))

    assert broken.ability().engines == ("mini", "hull")


def test_a_learned_engine_runs_step_by_step_and_keeps_its_network(make_runner, tmp_path):
    if find_spec("torch") is None:
        pytest.skip("torch is not installed: the extra [hunyuan] brings it")
    weights = tmp_path / "tiny"
    subprocess.run(
        [sys.executable, "-m", "fourview", "weights", "fabricate", "--tiny", weights, "--variant", "turbo"],
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # a network so small is faster so
        check=True,
    )
    runner = make_runner("cpu", Machine(weights=str(weights)), threads=1)
    small = {"engine": "hunyuan2mv", "octree_resolution": 32, "target_face_num": 400, "texture": "off", "seed": 7}
    outcomes = []

    ability = runner.start()
    for name in ("first", "second"):
        runner.begin(order(tmp_path / name, inputs={"front": ROBOT["front"]}, **small))
        steps, outcome = listen(runner)
        outcomes.append(outcome)
        shutil.rmtree(weights, ignore_errors=True)

    assert ability.engines == ("mini", "hull", "hunyuan2mv")
    assert (5, 5) in {(step.step, step.steps) for step in steps if step.stage == "denoise"}
    assert [outcome.status for outcome in outcomes] == ["done", "done"]
    assert outcomes[0].files[0].path.read_bytes() == outcomes[1].files[0].path.read_bytes()
