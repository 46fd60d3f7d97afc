# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What belongs to the subject: a matte for every picture.

Owns      choosing between the picture's own alpha, a plain backdrop and the network; cleaning; what is refused.
Not here  keying (`backdrop`), the network (`saliency`), its quarrels between views (`agreement`), edges (`edges`).

Colours under alpha 0 have no meaning, so a picture with alpha is laid on a plain grey before anything looks at it.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

from fourview.arrays import Byte, Float
from fourview.errors import PictureError
from fourview.notice import Notice
from fourview.progress import Tick, no_tick
from fourview.views import agreement, backdrop, edges, saliency
from fourview.views.beliefs import Answer, ask_network
from fourview.views.fringe import without_fringe
from fourview.views.matte_notices import CLEAR, border_notices, glass_notices, unsure_notices
from fourview.views.subject import check_body, one_subject
from fourview.views.view import Picture

# An alpha channel that somebody cut, as opposed to one that is merely there.
_HAZE = 0.02  # fainter alpha is a remnant of somebody's cutting
_CLEAR_LEAST_SHARE = 0.01  # of the picture; rounded corners of a screenshot are less


def cut_out(
    pictures: Sequence[Picture],
    remove_background: Literal["auto", "always", "never", "whole"] = "auto",
    tick: Tick = no_tick,
    network: str = saliency.OWN_NETWORK,
) -> tuple[list[Float], list[Notice]]:
    """A matte `(h, w) float32` 0..1 for each picture, and what the caller should know.

    auto: the picture's alpha if somebody cut it, else a plain backdrop is keyed, else the network decides;
    always: the same without the picture's alpha; never: the picture's alpha as it is; whole: the same, and an opaque
    picture is subject all over.
    """
    for picture in pictures:
        _check_alpha(picture, remove_background)
    if remove_background in ("never", "whole"):
        taken = [_as_it_is(picture) for picture in pictures]
        return [matte for matte, _ in taken], [notice for _, notices in taken for notice in notices]
    shown = [_over_grey(p) for p in pictures]
    cut = [p.alpha if remove_background == "auto" and _is_cut_out(p.alpha) else None for p in pictures]
    keyed = [backdrop.key(i) if alpha is None else None for i, alpha in zip(shown, cut, strict=True)]
    known = [alpha if k is None else k.silhouette.astype(np.float32) for alpha, k in zip(cut, keyed, strict=True)]
    asked = [alpha is None and (k is None or bool(k.doubtful.any())) for alpha, k in zip(cut, keyed, strict=True)]
    answers = ask_network(pictures, shown, known, asked, network, tick) if any(asked) else [None] * len(pictures)
    mattes, notices = [], []
    for k, picture in enumerate(pictures):
        alone = [n == k for n in range(len(pictures))]

        def ask(alone: list[bool] = alone, k: int = k) -> Answer | None:
            return answers[k] or ask_network(pictures, shown, known, alone, network, no_tick)[k]

        matte, findings = _matte(picture, shown[k], cut[k], keyed[k], answers[k], ask)
        mattes.append(matte)
        notices += [*findings, *border_notices(picture.name, matte)]
    tick(1.0)
    return mattes, notices


def _matte(
    picture: Picture,
    image: Byte,
    alpha: Float | None,
    key: backdrop.Keyed | None,
    answer: Answer | None,
    ask: Callable[[], Answer | None],
) -> tuple[Float, list[Notice]]:
    """The matte of one picture: its `alpha`, or the `key` and the network's `answer`; where keying leaves no single
    subject and the network, which `ask` calls, is sure of one, the network's."""
    if alpha is not None:
        clean, fringe = without_fringe(picture.name, picture.image, np.where(alpha < _HAZE, 0, alpha))
        matte, dropped = one_subject(picture.name, clean, np.ones_like(alpha), is_cut=True)
        return matte, [*dropped, *fringe, *glass_notices(picture.name, alpha)]
    try:
        return _cut(picture, image, key, answer)
    except PictureError as failed:
        answer = ask() if key is not None else None
        if answer is None or answer.agreement < saliency.SURE_AGREEMENT:
            raise
        try:
            matte, dropped = _cut(picture, image, None, answer)
        except PictureError:
            raise failed from None
    message = (
        f"the backdrop of the '{picture.name}' picture is plain, but what stands out from it is no single subject; the"
        f" network's silhouette was taken, {np.count_nonzero(matte >= 0.5)} pixels: look at the matte"
    )
    return matte, [*dropped, Notice("matte_from_network", message, picture.name)]


def _cut(
    picture: Picture, image: Byte, key: backdrop.Keyed | None, answer: Answer | None
) -> tuple[Float, list[Notice]]:
    """The matte by `key`, and the network's `answer` where that is in doubt; raises where there is no one subject."""
    matte = _edged(image, key, answer)
    if key is None and answer is not None and answer.agreement < saliency.SURE_AGREEMENT:
        check_body(picture.name, matte >= 0.5)
    matte = matte if picture.alpha is None else np.minimum(matte, picture.alpha)
    weight = answer.belief if answer is not None and key is None else np.ones_like(matte)
    matte, dropped = one_subject(picture.name, matte, weight, is_cut=False)
    return matte, [*unsure_notices(picture.name, answer), *dropped]


def _check_alpha(picture: Picture, remove_background: str) -> None:
    alpha, name = picture.alpha, picture.name
    if alpha is not None and alpha.max() < 0.5:
        raise PictureError(
            f"the '{name}' picture is transparent all over (its alpha reaches {alpha.max():.2f}); a part must be "
            "opaque: send a picture with its subject in it"
        )
    if remove_background == "never" and not _shows_outline(alpha):
        raise PictureError(
            f"the '{name}' picture is opaque all over and remove_background is never; its alpha must show the subject: "
            "cut it out, or use remove_background auto, or whole where the picture is all subject"
        )


def _shows_outline(alpha: Float | None) -> bool:
    return alpha is not None and float(alpha.min()) < 0.5


def _as_it_is(picture: Picture) -> tuple[Float, list[Notice]]:
    """The picture's alpha `(h, w)`; ones where it shows no outline."""
    if picture.alpha is not None and _shows_outline(picture.alpha):
        return picture.alpha, [
            *glass_notices(picture.name, picture.alpha),
            *border_notices(picture.name, picture.alpha),
        ]
    height, width = picture.image.shape[:2]
    message = (
        f"the '{picture.name}' picture is opaque all over, so all of its {width} x {height} pixels are the subject; "
        "let the background be removed, or send a cut-out"
    )
    return np.ones((height, width), np.float32), [Notice("whole_picture", message, picture.name)]


def _is_cut_out(alpha: Float | None) -> bool:
    return alpha is not None and float(np.mean(alpha <= CLEAR)) >= _CLEAR_LEAST_SHARE


def _over_grey(picture: Picture) -> Byte:
    """The picture as it looks on the grey, black or white that differs most from it."""
    if picture.alpha is None:
        return picture.image
    opaque = picture.alpha >= 0.5
    grey = 255.0 if picture.image[opaque].mean() < 128 else 0.0
    alpha = picture.alpha[..., None]
    laid = np.where(alpha > 0, picture.image, 0) * alpha + grey * (1 - alpha)
    return np.round(laid).astype(np.uint8)


def _edged(image: Byte, key: backdrop.Keyed | None, answer: Answer | None) -> Float:
    """The matte `(h, w)` with soft edges, from what keying said and, where it is in doubt, the network."""
    pixels = image.astype(np.float32)
    scale = float(np.max(image.shape)) / agreement.WORKING_SIDE_PX
    if key is None:
        assert answer is not None, "without a plain backdrop the network is always asked"
        return edges.soften(pixels, answer.settled >= 0.5, max(1.0, 1.5 * scale))
    silhouette = (
        key.silhouette
        if answer is None
        else np.where(key.doubtful, (answer.settled + answer.belief) / 2 >= 0.5, key.silhouette)
    )
    return edges.soften(pixels, silhouette, max(2.0, 0.75 * scale), key.backdrop)
