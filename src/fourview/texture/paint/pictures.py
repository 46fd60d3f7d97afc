# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Pictures on their way into the networks and back, by the official steps.

Owns      recentring, the numbers a VAE sees, 8-bit results, the delight stage's edge and colour correction.
Not here  the networks (`network`, `delight`).

Pillow resizes RGBA through premultiplied colour. Control maps are rounded to float16 before and after scaling,
whatever the precision of the network; references are not.
"""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fourview.arrays import Byte
from fourview.errors import PictureError

BORDER = 0.2  # of the subject's box, on each side
GREY = 127  # behind a transparent reference
PULL = 0.95  # share of both means that the colour correction takes
SOLID = 0.5  # alpha from which a pixel counts in the colour correction


def recentred(picture: Byte) -> Byte:
    """`picture (h, w, 3 or 4)`: RGBA cropped to its subject, in the middle of a transparent white square."""
    if picture.shape[2] == 3:
        return picture
    rows, columns = (np.flatnonzero((picture[..., 3] > 0).any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        raise PictureError("the picture is transparent everywhere; a picture with a subject is expected")
    subject = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = subject.shape[:2]
    side = max(width + 2 * int(BORDER * width), height + 2 * int(BORDER * height))
    square = np.full((side, side, 4), (255, 255, 255, 0), np.uint8)
    top, left = (side - height) // 2, (side - width) // 2
    square[top : top + height, left : left + width] = subject
    return square


def fitted(picture: Byte, side: int) -> Byte:
    """`picture` resized to a square of `side` px (bicubic)."""
    if picture.shape[:2] == (side, side):
        return picture
    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def on_colour(picture: Byte, grey: int) -> Byte:
    """RGBA laid on a grey, 8 bits; RGB as it is."""
    if picture.shape[2] == 3:
        return picture
    ground = Image.new("RGB", picture.shape[1::-1], (grey, grey, grey))
    image = Image.fromarray(picture)
    ground.paste(image, mask=image.getchannel("A"))
    return np.asarray(ground)


def pixels(pictures: Byte, dtype: torch.dtype = torch.float32) -> Tensor:
    """What a VAE sees of references `(n, h, w, 3)`: `(n, 3, h, w)`, -1..1."""
    scaled = torch.from_numpy(pictures.astype(np.float32) / 255).to(dtype)
    return ((scaled - 0.5) * 2).permute(0, 3, 1, 2).contiguous()


def map_pixels(maps: Byte) -> Tensor:
    """What a VAE sees of control maps: as `pixels`, through float16; float32."""
    return pixels(maps, torch.float16).float()


def as_codes(decoded: Tensor) -> Byte:
    """8-bit pictures `(n, h, w, 3)` of decoded ones `(n, 3, h, w)`, -1..1, rounded."""
    light = (decoded.float() / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1).cpu().numpy()
    codes: Byte = (light * 255).round().astype(np.uint8)
    return codes


def shrunk_alpha(picture: Byte) -> tuple[Byte, Byte]:
    """RGB with white where nothing is, and alpha eroded by one pixel, of `picture (h, w, 3 or 4)`."""
    if picture.shape[2] == 3:
        return picture, np.full(picture.shape[:2], 255, np.uint8)
    alpha = np.pad(picture[..., 3], 1, constant_values=255)
    height, width = picture.shape[:2]
    windows = [alpha[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    eroded = np.min(windows, axis=0)
    return np.where(eroded[..., None] == 0, np.uint8(255), picture[..., :3]), eroded


def recoloured(model: Tensor, target: Tensor, alpha: Tensor) -> Tensor:
    """`model (h, w, 3)` with the mean and spread of `target` where `alpha (h, w, 1)` is solid; all 0..1.

    `model` itself where it is nearer to `target` than the result.
    """
    solid = alpha[..., 0] > SOLID
    corrected = torch.zeros_like(model)
    for k in range(3):
        x, t = model[..., k][solid], target[..., k][solid]
        scaled = (model[..., k] - PULL * x.mean()) * (t.std() / x.std()) + PULL * t.mean()
        corrected[..., k] = scaled.clamp(0, 1)
    nearer = ((model - target) ** 2).mean() < ((corrected - target) ** 2).mean()
    return model if bool(nearer) else corrected


def on_white(colours: Tensor, alpha: Tensor) -> Byte:
    """8-bit codes, cut off, of `colours (h, w, 3)` on white by `alpha (h, w, 1)`; all 0..1."""
    laid = colours * alpha + (1 - alpha)
    codes: Byte = (laid * 255).clamp(0, 255).numpy().astype(np.uint8)
    return codes
