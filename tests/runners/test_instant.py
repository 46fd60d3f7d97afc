# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The double: everything that the doors see is real but the shape."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image
from runners.orders import ROBOT, listen, order

from fourview.errors import CanceledError, MeshError, PictureError, RecipeError
from fourview.formats.read import read_mesh
from fourview.mesh.measure import measure
from fourview.progress import STAGES, CancelToken
from fourview.runners.instant import Instant


def made(work, device="instant"):
    return Instant(device).execute(work, lambda event: None, CancelToken())


def test_a_job_goes_through_all_stages_and_never_back(make_runner, tmp_path):
    runner = make_runner("instant:0.3")
    runner.start()

    runner.begin(order(tmp_path, seed=5, target_face_num=300))
    steps, outcome = listen(runner)

    assert list(dict.fromkeys(step.stage for step in steps)) == list(STAGES)
    assert [step.done for step in steps] == sorted(step.done for step in steps)
    assert (5, 5) in {(step.step, step.steps) for step in steps if step.stage == "denoise"}
    assert (outcome.status, outcome.seed_used, outcome.result["seed_used"]) == ("done", 5, 5)
    assert outcome.result["recipe"]["target_face_num"] == 300


def test_it_can_do_what_any_engine_can(make_runner):
    ability = make_runner("instant").start()

    assert ability.engines == ("mini", "hull", "hunyuan2mv")
    assert ability.about["device"] == "instant"


@pytest.mark.parametrize("file_type", ["glb", "obj", "ply", "stl"])
def test_the_box_is_closed_and_as_reported_in_every_format(tmp_path, file_type):
    outcome = made(order(tmp_path, file_type=file_type))

    assert [file.name for file in outcome.files] == list(
        dict.fromkeys([f"model.{file_type}", "model.glb", "preview.png"])
    )
    mesh = read_mesh(outcome.files[0].path).mesh
    box_units = mesh.vertices * (0.002 if file_type == "stl" else 2)
    health = json.loads(json.dumps(dataclasses.asdict(measure(dataclasses.replace(mesh, vertices=box_units)))))
    reported = outcome.result["mesh"]
    assert {**health, "volume": 0, "bounds": 0} == {**reported, "volume": 0, "bounds": 0}
    assert health["volume"] == pytest.approx(reported["volume"], rel=1e-5)
    assert np.array(health["bounds"]) == pytest.approx(np.array(reported["bounds"]), rel=1e-5)


def test_pictures_are_pictures(tmp_path):
    files = made(order(tmp_path / "model")).files[-1:] + made(order(tmp_path / "mattes", "preview")).files

    modes = {}
    for file in files:
        with Image.open(file.path) as image:
            image.load()
            modes[file.name] = image.mode

    assert modes["preview.png"] == "RGB"
    assert {modes[f"{side}_matte.png"] for side in ROBOT} == {"L"}
    assert {modes[f"{side}_cutout.png"] for side in ROBOT} == {"RGBA"}


def test_another_format_is_one_file(tmp_path):
    model = made(order(tmp_path)).files[0].path

    outcome = made(order(tmp_path / "more", "format", {"mesh": model}, file_type="stl"))

    assert [(file.name, file.format) for file in outcome.files] == [("model.stl", "stl")]


def test_it_stops_when_it_is_told(tmp_path):
    cancel = CancelToken()

    def watch(event):
        if event.stage == "matte":
            cancel.cancel()

    with pytest.raises(CanceledError, match="matte"):
        Instant("instant:3").execute(order(tmp_path), watch, cancel)


@pytest.mark.parametrize(
    ("error", "kind", "inputs", "parameters"),
    [
        (RecipeError, "generate", ROBOT, {"steps": 1000}),
        (PictureError, "generate", {"back": ROBOT["back"]}, {}),
        (PictureError, "generate", {"front": ROBOT["front"].with_name("nothing")}, {}),
        (PictureError, "preview", {"front": __file__}, {}),
        (MeshError, "convert", {"mesh": ROBOT["front"].with_suffix(".glb")}, {}),
    ],
)
def test_what_an_engine_refuses_is_refused(tmp_path, error, kind, inputs, parameters):
    with pytest.raises(error):
        made(order(tmp_path, kind, inputs, **parameters))
