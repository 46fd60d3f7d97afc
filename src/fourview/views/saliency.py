# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Where the subject of a picture is, as a network sees it.

Owns      the network, its input, and how far its answers agree.
Not here  what is made of the answers (`beliefs`, `agreement`, `matting`).

U-2-Net-p (Qin et al., "U2-Net: Going deeper with nested U-structure for salient object detection", 2020) ships as
package data: u2netp.onnx, Apache-2.0, credits in u2netp.LICENSE. Other networks come with the `rembg` extra.
Answers are used unchanged: stretching them to 0..1, as is often done, makes a subject out of noise.
"""

from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np
from PIL import Image

from fourview import compute
from fourview.arrays import Byte, Float
from fourview.errors import MissingExtraError
from fourview.install import install_line
from fourview.progress import Tick, no_tick

OWN_NETWORK = "u2netp"
SURE_AGREEMENT = 0.7  # of two looks, IoU: most subjects score 0.8..1, noise 0..0.2

_SIDE_PX = 320  # the network takes squares of this size
# Mean and spread of the pictures that it was trained on, shares of the brightest value of each picture.
_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
_SPREAD = np.array([0.229, 0.224, 0.225], np.float32)


def study(image: Byte, network: str = OWN_NETWORK, tick: Tick = no_tick) -> tuple[Float, float]:
    """How surely each pixel of `image (h, w, 3)` belongs to the subject `(h, w) float32`, and how far the looks agree.

    The network sees the picture a second time, turned a quarter and with red and blue exchanged: its errors then lie
    elsewhere. (A mirror image, the usual second look, errs in the same places.) Where the two looks disagree, it sees
    the picture a third time, in grey.
    """
    tick(0.0)
    looks = [look(image, network)]
    tick(0.4)
    turned = np.ascontiguousarray(np.rot90(image)[..., ::-1])
    looks.append(np.rot90(look(turned, network), -1))
    if _agreement(looks) < SURE_AGREEMENT:
        tick(0.7)
        grey = np.asarray(Image.fromarray(image).convert("L").convert("RGB"))
        looks.append(look(np.ascontiguousarray(grey[:, ::-1]), network)[:, ::-1])
    tick(1.0)
    mean: Float = np.mean(looks, axis=0, dtype=np.float32)
    return mean, _agreement(looks)


def _agreement(looks: Sequence[Float]) -> float:
    """Mean IoU of each two of the silhouettes seen."""
    seen = [look >= 0.5 for look in looks]
    pairs = [(a, b) for k, a in enumerate(seen) for b in seen[:k]]
    return float(np.mean([(a & b).sum() / max(int((a | b).sum()), 1) for a, b in pairs]))


def look(image: Byte, network: str = OWN_NETWORK) -> Float:
    """How surely each pixel of `image (h, w, 3)` belongs to the subject, `(h, w) float32` 0..1."""
    if network != OWN_NETWORK:
        return _rembg_look(image, network)
    height, width = image.shape[:2]
    small = Image.fromarray(image).resize((_SIDE_PX, _SIDE_PX), Image.Resampling.LANCZOS)
    values = np.asarray(small, np.float32)
    values = (values / max(values.max(), 1.0) - _MEAN) / _SPREAD
    session = _session(compute.threads())
    answer = session.run(
        [session.get_outputs()[0].name], {session.get_inputs()[0].name: values.transpose(2, 0, 1)[None]}
    )
    return resized(answer[0][0, 0], (height, width))


def resized(values: Float, size: tuple[int, int]) -> Float:
    """`values` 0..1 at (height, width), averaged when smaller and interpolated when larger, `(h, w) float32`."""
    image = Image.fromarray(np.ascontiguousarray(values, np.float32))
    method = Image.Resampling.BOX if size[0] < values.shape[0] else Image.Resampling.BICUBIC
    out: Float = np.clip(np.asarray(image.resize((size[1], size[0]), method)), 0, 1)
    return out


def rest() -> None:
    """Give back the 450 MB that a session holds; the next look sets one up again, in 0.05 s."""
    _session.cache_clear()
    _rembg_session.cache_clear()


@lru_cache(maxsize=1)
def _session(threads: int) -> Any:
    import onnxruntime  # takes 0.1 s, and pictures that are cut out already never need it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    weights = resources.files("fourview.views").joinpath("u2netp.onnx").read_bytes()
    return onnxruntime.InferenceSession(weights, options, providers=["CPUExecutionProvider"])


def _rembg_look(image: Byte, network: str) -> Float:
    answer = _rembg_session(network).predict(Image.fromarray(image))[0]
    return resized(np.asarray(answer.convert("L"), np.float32) / 255, (image.shape[0], image.shape[1]))


@lru_cache(maxsize=1)
def _rembg_session(network: str) -> Any:
    try:
        import rembg
    except ImportError as error:
        raise MissingExtraError(
            f"the matting network '{network}' needs an extra that is not installed; "
            f"{install_line('rembg')}, or use '{OWN_NETWORK}'"
        ) from error
    return rembg.new_session(network)
