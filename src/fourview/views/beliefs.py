# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The network is asked about several pictures of one object, and its answers are brought to agree.

Owns      which answers are trusted, the working size, the error where the network sees nothing.
Not here  one look at one picture (`saliency`), the agreement itself (`agreement`), what becomes of it (`matting`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fourview.arrays import Byte, Float
from fourview.errors import PictureError
from fourview.progress import Tick
from fourview.views import agreement, saliency
from fourview.views.subject import no_subject
from fourview.views.view import Picture

_SEEN_AGREEMENT = 0.15  # of the looks, and
_SEEN_BELIEF = 0.75  # of the surest pixel: subjects reach 0.98, now and then 0.67; noise mostly stays below 0.65 or ...
_RIM_MOST_SHARE = 0.8  # ... fills the picture, up to its rim


@dataclass(frozen=True)
class Answer:
    """The network's `belief (h, w)`; how far it agrees with itself, 0..1; what the views settled on, `(h, w)`."""

    belief: Float
    agreement: float
    settled: Float


def ask_network(
    pictures: Sequence[Picture],
    shown: Sequence[Byte],
    known: Sequence[Float | None],
    asked: Sequence[bool],
    network: str,
    tick: Tick,
) -> list[Answer | None]:
    """The answers for the pictures that are `asked`; the `known` mattes of the others have a voice in them."""
    beliefs, trust = [], []
    for k, (image, matte) in enumerate(zip(shown, known, strict=True)):
        if matte is not None and not asked[k]:
            beliefs.append(matte)
            trust.append(1.0)
            continue
        belief, agreed = saliency.study(image, network, _share_of(tick, k, len(shown)))
        is_seen = agreed >= _SEEN_AGREEMENT and belief.max() >= _SEEN_BELIEF and _rim_share(belief) <= _RIM_MOST_SHARE
        beliefs.append(belief if is_seen else np.minimum(belief, 0.5))
        trust.append(agreed if is_seen else 0.0)
    saliency.rest()
    if max(trust) == 0:
        raise PictureError(no_subject(pictures[0].name, "the network sees nothing that it is sure of"))
    sizes = [_working_size(image) for image in shown]
    small = [
        np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX))
        for image, size in zip(shown, sizes, strict=True)
    ]
    doubted = [saliency.resized(b, s) for b, s in zip(beliefs, sizes, strict=True)]
    coarse = agreement.settle([p.name for p in pictures], small, doubted, trust)
    tick(0.95)
    return [
        Answer(belief, agreed, saliency.resized(settled, belief.shape)) if wanted else None
        for belief, agreed, settled, wanted in zip(beliefs, trust, coarse, asked, strict=True)
    ]


def _rim_share(belief: Float) -> float:
    """The share of the picture's outermost pixels that belong to what is believed to be the subject."""
    return float((np.concatenate([belief[0], belief[-1], belief[:, 0], belief[:, -1]]) >= 0.5).mean())


def _share_of(tick: Tick, k: int, count: int) -> Tick:
    """The tick of the `k`-th of `count` pictures, which together take nine tenths of the work."""
    return lambda done: tick(0.9 * (k + done) / count)


def _working_size(image: Byte) -> tuple[int, int]:
    height, width = image.shape[:2]
    scale = min(1.0, agreement.WORKING_SIDE_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
