# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A run on a pack of three objects: it reads what was written, learns, stops, and goes on as if it had not stopped."""

import io
import json
import lzma
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lopsided import CPU, overlap
from PIL import Image
from training.checkpoint import begin, load
from training.pack import Pack
from training.render import made_up
from training.smoke import TINY
from training.train import Plan, Trainer

PLAN = Plan(
    minutes=1, steps=4, finish=0, batch=2, points=256, made_up=0.5, fresh=0.5, pool=4, rate=1e-3, seed=0, is_bf16=False,
    workers=0,
)  # fmt: skip
ROOT = Path(__file__).parent.parent.parent
KINDS = ("character", "prop", "prop")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A pack in the format of the training pack's README."""
    folder = tmp_path_factory.mktemp("pack")
    rows, data, offsets, boxes = ["id,name,category,shard,split"], b"", [], []
    for number, kind in enumerate(KINDS):
        made = made_up(number, CPU)
        parts = []
        for picture in made.pictures[0].permute(0, 2, 3, 1).numpy():
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "webp", lossless=True, exact=True)
            parts.append(file.getvalue())
        parts.append(lzma.compress(np.packbits(made.distance[0].numpy() > 0).tobytes()))
        offsets.append(len(data) + np.cumsum([0, *map(len, parts)]))
        data += b"".join(parts)
        boxes.append(np.stack([-made.half[0].numpy(), made.half[0].numpy()]))
        rows += [f"o{number},n{number},{kind},s.npz,{split}" for split in ("train", "val")[: 2 if number == 0 else 1]]
    (folder / "manifest.csv").write_text("\n".join(rows))
    np.savez(
        folder / "s.npz", ids=np.array([f"o{n}" for n in range(len(KINDS))]), offsets=np.array(offsets),
        box=np.array(boxes, np.float32), data=np.frombuffer(data, np.uint8),
    )  # fmt: skip
    return folder


def trained(folder, out, run, steps):
    trainer = Trainer(PLAN, run, out, CPU, folder)
    for _ in range(steps):
        trainer.step(is_timed=False)
    return trainer


def test_the_pack_gives_back_what_was_written(folder):
    pack = Pack(folder, "train", CPU)

    objects = pack.take(torch.tensor([2, 0]))

    for at, number in enumerate((2, 0)):
        made = made_up(number, CPU)
        assert torch.equal(objects.pictures[at], made.pictures[0])
        assert overlap(objects.distance[at] > 0, made.distance[0] > 0) == 1
        assert torch.allclose(objects.half[at], made.half[0])


def test_a_rare_category_is_drawn_as_often_as_its_share_says(folder):
    pack = Pack(folder, "train", CPU)

    assert pack.weight.tolist() == pytest.approx([0.10, 0.045, 0.045])


def test_a_resumed_run_goes_on_bit_for_bit(folder, tmp_path):
    whole = trained(folder, tmp_path, begin(TINY, 0, CPU), 2)
    whole.save()
    resumed = trained(folder, tmp_path, load(tmp_path / "checkpoint.pt", CPU), 2)
    for _ in range(2):
        whole.step(is_timed=False)

    assert whole.run.step == resumed.run.step == 4
    for mine, theirs in (
        (whole.run.mean, resumed.run.mean),
        (whole.run.network.state_dict(), resumed.run.network.state_dict()),
    ):
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert not torch.equal(whole.run.mean["stem.weight"], begin(TINY, 0, CPU).mean["stem.weight"])


def test_the_rate_rises_stays_and_falls_to_nothing_at_the_end_of_the_call(folder, tmp_path):
    trainer = Trainer(replace(PLAN, steps=1000, finish=0.2), begin(TINY, 0, CPU), tmp_path, CPU, folder)

    rates = []
    for step in (0, 99, 500, 800, 900, 1000):
        trainer.run.step = step
        rates.append(trainer.rate())

    assert rates == pytest.approx([1e-5, 1e-3, 1e-3, 1e-3, 5e-4, 0])


def test_a_finish_leaves_the_checkpoint_as_it_was_before(folder, tmp_path):
    ended, other = tmp_path / "ended", tmp_path / "other"
    for out, plan in ((ended, replace(PLAN, finish=0.5)), (other, replace(PLAN, steps=2))):
        out.mkdir()
        Trainer(plan, begin(TINY, 0, CPU), out, CPU, folder).go(save_every=5, score_every=5, score_objects=1)

    finished, mine, theirs = (
        load(path, CPU) for path in (ended / "finished.pt", ended / "checkpoint.pt", other / "checkpoint.pt")
    )
    assert (finished.step, mine.step, theirs.step) == (4, 2, 2)
    assert all(torch.equal(mine.mean[name], theirs.mean[name]) for name in mine.mean)


def test_a_run_leaves_a_checkpoint_a_curve_and_scores_by_views(folder, tmp_path):
    trainer = Trainer(PLAN, begin(TINY, 0, CPU), tmp_path, CPU, folder)

    trainer.go(save_every=5, score_every=5, score_objects=1)

    rows = json.loads((tmp_path / "curve.json").read_text())
    assert trainer.is_over()
    assert set(rows[-1]["iou"]) == {"1", "2", "3", "4", "4 plain"}
    assert load(tmp_path / "checkpoint.pt", CPU).step == 4
    with Image.open(tmp_path / "curve.png") as curve:
        assert np.asarray(curve.convert("L")).min() < 200  # something is drawn


def test_training_needs_nothing_but_torch_numpy_pillow_and_mahotas():
    code = "import sys, training.train\nprint(*{name.split('.')[0] for name in sys.modules})"

    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert not set(found.split()) & {"onnx", "onnxruntime", "onnxscript", "scipy", "matplotlib", "trimesh"}
