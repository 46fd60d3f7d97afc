# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The network is asked about several pictures of one object, and its answers are brought to agree.

Owns      which answers are trusted, the working size, the error where the network sees nothing.
Not here  one look at one picture (`saliency`), the agreement itself (`agreement`), what becomes of it (`matting`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from fourview.arrays import Byte, Float
from fourview.errors import PictureError
from fourview.progress import Tick, part
from fourview.views import agreement, saliency
from fourview.views.backdrop import Keyed
from fourview.views.subject import no_subject
from fourview.views.view import Picture

# An answer of the network is believed only above these; what noise gives is below.
_SEEN_AGREEMENT = 0.15  # intersection over union of the network's looks
# Belief of the surest pixel. Subjects reach 0.98 and noise mostly stays below 0.65. A few subjects reach only 0.67:
# they are missed, so that noise is not taken for a subject.
_SEEN_BELIEF = 0.75
_RIM_MOST_SHARE = 0.8  # most of the picture's outermost pixels that a subject covers; noise may fill the picture
_LOOKS_SHARE = 0.9  # of the work; the agreement takes the rest


@dataclass(frozen=True)
class Case:
    """A picture on its way to a matte.

    `image (h, w, 3)`: the picture on a plain grey. `alpha (h, w)`: its own matte, if it is a cut-out. `key`: what
    stands before a plain backdrop, if the picture has one and is no cut-out.
    """

    picture: Picture
    image: Byte
    alpha: Float | None
    key: Keyed | None

    @property
    def name(self) -> str:
        """The side."""
        return self.picture.name

    @property
    def known(self) -> Float | None:
        """The matte `(h, w)` that needs no network; None where only the network can tell."""
        return self.alpha if self.key is None else self.key.silhouette.astype(np.float32)

    @property
    def is_doubtful(self) -> bool:
        """Whether the network must be asked."""
        return self.alpha is None and (self.key is None or bool(self.key.doubtful.any()))


@dataclass(frozen=True)
class Answer:
    """The network's `belief (h, w)`; how far its looks agree, 0..1; the belief after the views agreed, `(h, w)`."""

    belief: Float
    agreement: float
    settled: Float


def ask_network(cases: Sequence[Case], asked: Collection[str], network: str, tick: Tick) -> dict[str, Answer]:
    """The answers for the pictures named in `asked`; the known mattes of the others take part in the agreement."""
    beliefs, trust = [], []
    for number, case in enumerate(cases):
        known = case.known
        if known is not None and case.name not in asked:
            beliefs.append(known)
            trust.append(1.0)
            continue
        ends = (_LOOKS_SHARE * k / len(cases) for k in (number, number + 1))
        belief, agreed = saliency.study(case.image, network, part(tick, *ends))
        is_seen = agreed >= _SEEN_AGREEMENT and belief.max() >= _SEEN_BELIEF and _rim_share(belief) <= _RIM_MOST_SHARE
        beliefs.append(belief if is_seen else np.minimum(belief, 0.5))
        trust.append(agreed if is_seen else 0.0)
    saliency.rest()
    if max(trust) == 0:
        raise PictureError(no_subject(cases[0].name, "the network sees nothing that it is sure of"))
    sizes = [_working_size(case.image) for case in cases]
    small = [
        np.asarray(Image.fromarray(case.image).resize(size[::-1], Image.Resampling.BOX))
        for case, size in zip(cases, sizes, strict=True)
    ]
    coarse_beliefs = [saliency.resized(b, s) for b, s in zip(beliefs, sizes, strict=True)]
    coarse = agreement.settle([case.name for case in cases], small, coarse_beliefs, trust)
    tick(0.95)
    return {
        case.name: Answer(belief, agreed, saliency.resized(settled, belief.shape))
        for case, belief, agreed, settled in zip(cases, beliefs, trust, coarse, strict=True)
        if case.name in asked
    }


def _rim_share(belief: Float) -> float:
    """The share of the picture's outermost pixels that are believed to be subject."""
    return float((np.concatenate([belief[0], belief[-1], belief[:, 0], belief[:, -1]]) >= 0.5).mean())


def _working_size(image: Byte) -> tuple[int, int]:
    """Height and width at which the views agree, pixels."""
    height, width = image.shape[:2]
    scale = min(1.0, agreement.WORKING_SIDE_PX / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))
