# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures are prepared as the official code prepares them.

To the last bit, but for the last resizing of the colours: OpenCV does it with Intel's IPP, which on another processor
rounds one value of ten thousand or fewer otherwise.
"""

import numpy as np
import pytest
import torch
from parity.golden import Recording, recordings
from PIL import Image

from fourview.shape.hunyuan2mv.conditioner import SIDES
from fourview.shape.hunyuan2mv.preprocess import PreprocessParams, preprocess
from fourview.views.load import read_picture

ROUNDED = 1e-4  # of the values may be off by one level of 255


@pytest.mark.parametrize("path", recordings("pictures"))
def test_pictures_are_framed_as_the_weights_saw_them(path, tmp_path):
    with Recording(path) as recording:
        for case, params in cases(recording):
            sides = [side for side in SIDES if f"{case}in.{side}" in recording]
            if sides:
                check_views(recording, case, sides, params)
            elif f"{case}in.rgba" in recording:
                check_picture(recording, case, recording[f"{case}in.rgba"].numpy(), params)
            else:
                check_picture(recording, case, from_file(recording[f"{case}in.pixels"].numpy(), tmp_path), params)


def cases(recording):
    """What each case's keys begin with, and its params; a file of one case has them at its top."""
    if "size" in recording.words:
        return [("", PreprocessParams(int(recording.words["size"]), float(recording.words["border_ratio"])))]
    return [
        (f"{name}.", PreprocessParams(said["size"], said["border_ratio"]))
        for names in recording.words
        for said in [recording.said(names)]
        for name in names.split("/")
    ]


def check_picture(recording, case, rgba, params):
    square = max(rgba.shape[:2])  # not resized at the end, the picture is as it was before
    on_white, alpha = preprocess(rgba, PreprocessParams(square, params.border_ratio))
    recording.agree(f"{case}mid.recentered_rgb_u8", on_white, 0)
    recording.agree(f"{case}mid.recentered_mask_u8", alpha, 0)

    picture, matte = preprocess(rgba, params)

    agree_to_a_level(picture, recording[f"{case}out.image_u8"].numpy())
    recording.agree(f"{case}out.mask_u8", matte, 0)


def agree_to_a_level(got, recorded):
    """Levels of 0..255 `(..)` each."""
    off = np.rint(np.abs(got.astype(np.float64) - recorded))
    assert got.shape == recorded.shape
    assert off.max() <= 1
    assert (off > 0).mean() <= ROUNDED


def from_file(pixels, folder):
    """What our reader makes of a PNG of `pixels (h, w, 3 or 4)`."""
    Image.fromarray(pixels).save(folder / "picture.png")
    picture = read_picture("front", folder / "picture.png")
    alpha = np.ones(pixels.shape[:2]) if picture.alpha is None else picture.alpha
    return np.dstack([picture.image, np.rint(alpha * 255).astype(np.uint8)])


def check_views(recording, case, sides, params):
    pairs = [preprocess(recording[f"{case}in.{side}"].numpy(), params, side) for side in sides]
    pictures, mattes = (torch.tensor(np.stack(x)) / 255 * 2 - 1 for x in zip(*pairs, strict=True))  # float32

    agree_to_a_level(
        *((x.numpy() + 1) * 127.5 for x in (pictures.permute(0, 3, 1, 2)[None], recording[f"{case}out.image"]))
    )
    recording.agree(f"{case}out.mask", mattes[None, :, None], 0)
    recording.agree(f"{case}out.view_idxs", [SIDES.index(side) for side in sides], 0)
