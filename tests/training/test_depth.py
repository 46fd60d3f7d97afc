# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The depth network: its truth lies in the frame of CONVENTIONS.md, the hull too; a run goes on as if never stopped."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from lopsided import CPU, odd_one
from training.depth.checkpoint import begin, load
from training.depth.hulls import Hulls
from training.depth.loss import depth_loss
from training.depth.network import Depth, Network, NetworkParams, count_parameters, seen
from training.depth.sample import FILL, PIXELS, Pose, draw, plain, posed_depth
from training.depth.smoke import TINY
from training.depth.store import Store, first_surface, make_up
from training.depth.train import Plan, Trainer

ROOT = Path(__file__).parent.parent.parent

SMALL = NetworkParams(widths=(8, 8, 8, 8), last=4)
PLAN = Plan(
    minutes=100, steps=4, finish=0, batch=2, made_up=0.5, rate=1e-3, seed=0, is_bf16=False, workers=0
)  # fmt: skip


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One lopsided object twice, and its names."""
    folder, one = tmp_path_factory.mktemp("store"), odd_one()
    store = Store.empty(folder, 3)
    for at in range(2):
        store.put(at, one.pictures[0], one.distance[0] > 0, one.half[0])
    (folder / "objects.json").write_text(json.dumps({"names": ["a", "b"], "categories": ["animal", "prop"]}))
    return store


@pytest.fixture(scope="module")
def whole(store):
    return plain(store.take([0]), (1, 1, 1, 1))


def says(network, sample):
    with torch.no_grad():
        return network(sample.pictures, Hulls().start(sample.pictures)())


def awake():
    """A network whose answers depend on everything: new ones end in zeros."""
    torch.manual_seed(0)
    network = Network(SMALL).eval().requires_grad_(False)
    for parameter in network.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def test_the_first_surface_of_a_single_voxel_lies_where_each_camera_sees_it():
    solid = torch.zeros((128, 128, 128), dtype=torch.bool)
    solid[100, 90, 20] = True  # to the right, above, far from the front

    first = first_surface(solid)

    where = [(view, *(first[view] != 255).nonzero()[0].tolist()) for view in range(4)]
    assert where == [(0, 37, 100), (1, 37, 107), (2, 37, 27), (3, 37, 20)]
    assert [first[v, r, c].item() for v, r, c in where] == [107, 27, 20, 100]


def test_a_store_counts_what_it_holds(store):
    assert len(store) == 2
    assert len(Store(store.folder)) == 2
    assert store.take([])[0].shape[0] == 0


def test_pictures_and_depth_show_the_same(whole):
    matte = whole.pictures[0, :, 3] > 0.5
    is_seen = ~whole.depth[0].isnan()

    assert (matte == is_seen).float().mean() > 0.99
    assert whole.longest.item() == pytest.approx(FILL)


def test_depth_of_a_view_runs_along_the_columns_of_the_next(whole):
    for view in range(4):
        depth, beside = whole.depth[0, view], ~whole.depth[0, (view + 1) % 4].isnan()
        for row in range(0, PIXELS, 8):
            found = depth[row][~depth[row].isnan()]
            if len(found):
                assert found.min().item() * PIXELS == pytest.approx(beside[row].nonzero().min().item(), abs=2)


def test_a_mirrored_and_turned_object_is_seen_as_its_solid_would_be(store):
    _, first, _ = store.take([0])
    # At this scale a pixel is a voxel.
    pose = Pose(torch.tensor([1]), torch.tensor([True]), torch.full((1, 3), 2.0), torch.ones((1, 4)).bool())
    solid = odd_one().distance[0] > 0
    turned = solid.permute(2, 1, 0).flip(2)  # new x is the old z, new z the old -x

    found = posed_depth(first, pose)[0]

    wanted = first_surface(turned.flip(0))
    assert torch.equal(found.isnan(), (wanted == 255) | (wanted == 0))
    assert torch.allclose(found.nan_to_num(0), torch.where(found.isnan(), 0, wanted / 128))


@pytest.mark.parametrize("given", [(1, 1, 1, 1), (1, 0, 0, 1), (1, 1, 0, 0)])
def test_the_hull_lies_in_the_frame_of_the_truth(store, given):
    sample = plain(store.take([0]), given)

    hull = torch.nn.functional.interpolate(Hulls().start(sample.pictures)(), scale_factor=2.0)

    both = ~sample.depth.isnan() & (hull >= 0)
    assert both.sum() > 0.9 * (~sample.depth.isnan()).sum()
    assert (hull - sample.depth)[both].abs().mean() < 0.05
    assert (hull - sample.depth.flip(1))[both & ~sample.depth.flip(1).isnan()].abs().mean() > 0.05


def test_without_a_side_depth_is_squeezed(store):
    front, whole = (plain(store.take([0]), given).depth[0, 1] for given in ((1, 0, 0, 0), (1, 1, 1, 1)))

    widths = [(~depth.isnan()).any(0).sum().item() for depth in (front, whole)]

    assert widths[0] == pytest.approx(widths[1] / 2, rel=0.25)


def test_the_interval_that_outlines_allow_holds_the_truth(whole):
    maps = seen(whole.pictures, Hulls().start(whole.pictures)())

    enter, leave, depth = maps[:, 6], maps[:, 7], whole.depth[0]
    is_seen = ~depth.isnan()
    assert ((depth >= enter - 0.02) & (depth <= leave + 0.02))[is_seen].float().mean() > 0.99


def test_every_view_matters_and_missing_ones_have_an_answer(store):
    network = awake()
    whole, less = (says(network, plain(store.take([0]), given)).depth for given in ((1, 1, 1, 1), (1, 1, 1, 0)))

    assert (whole - less).abs().amax((0, 2, 3)).min() > 1e-5
    assert less.isfinite().all()


def test_an_answer_does_not_depend_on_the_other_objects_of_a_batch(store):
    network = awake()
    mixed = draw(store.take([0, 1]), torch.Generator().manual_seed(0))

    both = says(network, mixed)
    alone = says(network, replace(mixed, pictures=mixed.pictures[1:]))

    assert torch.allclose(both.depth[1:], alone.depth, atol=1e-5)


def test_the_loss_forgets_what_is_not_seen_and_likes_the_truth(whole):
    spread = torch.full_like(whole.depth, 0.02)
    truth = Depth(whole.depth.nan_to_num(0.3), spread)
    other = Depth(whole.depth.nan_to_num(0.9), spread)
    off = Depth(truth.depth + 0.02, spread)

    assert depth_loss(truth, whole.depth) == depth_loss(other, whole.depth)
    assert depth_loss(off, whole.depth) > depth_loss(truth, whole.depth) + 0.05


def test_the_sizes_keep_to_their_budget():
    assert 4 * count_parameters(Network(NetworkParams())) <= 12e6  # bytes as float32
    assert count_parameters(Network(TINY)) < 3e5


def test_a_resumed_run_goes_on_bit_for_bit(store, tmp_path):
    made = make_up(tmp_path / "made-up", 2)

    def trainer(out, run, steps):
        return Trainer(replace(PLAN, steps=steps), run, out, CPU, store, made, store)

    whole = trainer(tmp_path / "whole", begin(SMALL, 0, CPU), 4)
    whole.go(5, 5, 1)
    trainer(tmp_path / "half", begin(SMALL, 0, CPU), 2).go(5, 5, 1)
    resumed = trainer(tmp_path / "half", load(tmp_path / "half" / "checkpoint.pt", CPU), 4)
    resumed.go(5, 5, 1)

    mine, theirs = (load(tmp_path / name / "checkpoint.pt", CPU) for name in ("whole", "half"))
    assert mine.step == theirs.step == 4
    assert mine.samples == theirs.samples == 8
    assert all(torch.equal(mine.mean[name], theirs.mean[name]) for name in mine.mean)
    rows = json.loads((tmp_path / "half" / "curve.json").read_text())
    assert set(rows[-1]["depth"]) == {"all", "animal", "prop"}


def test_training_needs_nothing_but_torch_numpy_pillow_and_mahotas():
    code = "import sys, training.depth.train\nprint(*{name.split('.')[0] for name in sys.modules})"

    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert not set(found.split()) & {"onnx", "onnxruntime", "onnxscript", "scipy", "matplotlib", "trimesh"}
