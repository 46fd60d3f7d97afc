# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What belongs to the subject: a matte for every picture.

Owns      choosing between the picture's own alpha, a plain backdrop and the network; which pictures are refused.
Not here  keying (`backdrop`), the network (`saliency`, `beliefs`), edges (`edges`), which parts are kept (`subject`).

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
from fourview.views.beliefs import Answer, Case, ask_network
from fourview.views.fringe import without_fringe
from fourview.views.matte_notices import CLEAR, border_notices, glass_notices, unsure_notices
from fourview.views.subject import check_body, one_subject
from fourview.views.view import Picture

_CLEAR_LEAST_SHARE = 0.01  # of the picture must be clear in a cut-out; rounded corners of a screenshot are less
_HAZE = 0.02  # alpha below this is a remnant of the cutting and counts as 0


def cut_out(
    pictures: Sequence[Picture],
    remove_background: Literal["auto", "always", "never", "whole"] = "auto",
    tick: Tick = no_tick,
    network: str = saliency.OWN_NETWORK,
) -> tuple[list[Float], list[Notice]]:
    """A matte `(h, w) float32` 0..1 for each picture, and notices about them. Raises `PictureError`.

    auto: a cut-out keeps its alpha, a plain backdrop is keyed, all else is decided by the network;
    always: the same, but alpha is ignored; never: the picture's alpha as it is; whole: the same, and an opaque picture
    is subject all over.
    """
    for picture in pictures:
        _check_alpha(picture, remove_background)
    if remove_background in ("never", "whole"):
        taken = [_as_it_is(picture) for picture in pictures]
        return [matte for matte, _ in taken], [notice for _, notices in taken for notice in notices]
    cases = [_case(picture, remove_background == "always") for picture in pictures]
    asked = {case.name for case in cases if case.is_doubtful}
    answers = ask_network(cases, asked, network, tick) if asked else {}
    mattes, notices = [], []
    for case in cases:

        def ask(case: Case = case) -> Answer:
            return answers.get(case.name) or ask_network(cases, {case.name}, network, no_tick)[case.name]

        matte, findings = _matte(case, answers.get(case.name), ask)
        mattes.append(matte)
        notices += [*findings, *border_notices(case.name, matte)]
    tick(1.0)
    return mattes, notices


def _case(picture: Picture, ignores_alpha: bool) -> Case:
    """What is known of the picture without the network."""
    image = _over_grey(picture)
    if _is_cut_out(picture.alpha) and not ignores_alpha:
        return Case(picture, image, picture.alpha, None)
    return Case(picture, image, None, backdrop.key(image))


def _matte(case: Case, answer: Answer | None, ask: Callable[[], Answer]) -> tuple[Float, list[Notice]]:
    """The matte `(h, w)` of one picture: its alpha, or its key and the network's `answer`.

    Where keying leaves no single subject, `ask` calls the network, and its silhouette is taken if it is sure.
    """
    picture, alpha = case.picture, case.alpha
    if alpha is not None:
        clean, fringe = without_fringe(picture.name, picture.image, np.where(alpha < _HAZE, 0, alpha))
        matte, dropped = one_subject(picture.name, clean, np.ones_like(alpha), is_cut=True)
        return matte, [*dropped, *fringe, *glass_notices(picture.name, alpha)]
    try:
        return _cut(case, case.key, answer)
    except PictureError as failed:
        if case.key is None:
            raise
        answer = ask()
        if answer.agreement < saliency.SURE_AGREEMENT:
            raise
        try:
            matte, dropped = _cut(case, None, answer)
        except PictureError:
            raise failed from None
    message = (
        f"the backdrop of the '{picture.name}' picture is plain, but what stands out from it is no single subject; the"
        f" network's silhouette was taken, {np.count_nonzero(matte >= 0.5)} pixels: look at the matte"
    )
    return matte, [*dropped, Notice("matte_from_network", message, picture.name)]


def _cut(case: Case, key: backdrop.Keyed | None, answer: Answer | None) -> tuple[Float, list[Notice]]:
    """The matte `(h, w)` by `key`, with the network's `answer` where the key is in doubt; by the answer without a key.

    Raises `PictureError` where there is no single subject.
    """
    matte = _edged(case, key, answer)
    if key is None and answer is not None and answer.agreement < saliency.SURE_AGREEMENT:
        check_body(case.name, matte >= 0.5)
    alpha = case.picture.alpha
    matte = matte if alpha is None else np.minimum(matte, alpha)
    weight = answer.belief if answer is not None and key is None else np.ones_like(matte)
    matte, dropped = one_subject(case.name, matte, weight, is_cut=False)
    agreed = None if answer is None else answer.agreement
    return matte, [*unsure_notices(case.name, agreed), *dropped]


def _edged(case: Case, key: backdrop.Keyed | None, answer: Answer | None) -> Float:
    """The matte `(h, w)` with soft edges, before parts are dropped."""
    pixels = case.image.astype(np.float32)
    scale = float(np.max(case.image.shape)) / agreement.WORKING_SIDE_PX
    if key is None:
        assert answer is not None, "without a plain backdrop the network is always asked"
        return edges.soften(pixels, answer.settled >= 0.5, max(1.0, 1.5 * scale))
    silhouette = key.silhouette
    if answer is not None:
        silhouette = np.where(key.doubtful, (answer.settled + answer.belief) / 2 >= 0.5, silhouette)
    return edges.soften(pixels, silhouette, max(2.0, 0.75 * scale), key.backdrop)


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
