# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What belongs to the subject: a matte for every picture.

Owns      choosing between the picture's own alpha, a plain backdrop and the network; cleaning; what is refused.
Not here  keying (`backdrop`), the network (`saliency`), its quarrels between views (`agreement`), edges (`edges`).

Colours under alpha 0 have no meaning, so a picture with alpha is laid on a plain grey before anything looks at it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

from fourview.arrays import Bool, Byte, Float
from fourview.errors import PictureError
from fourview.notice import Notice
from fourview.progress import Tick, no_tick
from fourview.views import agreement, backdrop, edges, saliency
from fourview.views.fringe import without_fringe
from fourview.views.outline import SPECK
from fourview.views.view import Picture

# An alpha channel that somebody cut, as opposed to one that is merely there.
_CLEAR = 0.1
_HAZE = 0.02  # fainter alpha is a remnant of somebody's cutting
_CLEAR_LEAST_SHARE = 0.01  # of the picture; rounded corners of a screenshot are less

# Half-transparent areas in it.
_RIM_SHARE = 0.006  # of the picture's longer side: soft rims are no wider
_GLASS_LEAST_SHARE = 0.01  # of what is not clear; less is no word worth

# The network's answer.
_SEEN_AGREEMENT = 0.15  # of the looks, and
_SEEN_BELIEF = 0.75  # of the surest pixel: subjects reach 0.98, now and then 0.67; noise mostly stays below 0.65 or ...
_RIM_MOST_SHARE = 0.8  # ... fills the picture, up to its rim

# Parts of a subject.
_NEAR_SHARE = 0.05  # of the picture's longer side: parts closer than this are one subject
_SECOND_SUBJECT_SHARE = 0.4  # of the main part's area
_PART_LEAST_SHARE = 0.03  # smaller ones are dropped
_PINHOLE_SHARE = 0.0003  # of the subject's area
_SUBJECT_LEAST_SHARE = 0.001  # of the picture
_BODY_LEAST_SHARE = 0.2  # of an unsure subject lies in strokes of some width; noise has 0.05, real subjects 0.8..1
_STROKE_SHARE = 0.01  # of the picture's longer side: half the width of such a stroke
_TOUCH_SHARE = 0.02  # of a side's length


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
    answers = _ask_network(pictures, shown, known, asked, network, tick) if any(asked) else [None] * len(pictures)
    mattes, notices = [], []
    for k, picture in enumerate(pictures):
        alone = [n == k for n in range(len(pictures))]

        def ask(alone: list[bool] = alone, k: int = k) -> _Answer | None:
            return answers[k] or _ask_network(pictures, shown, known, alone, network, no_tick)[k]

        matte, findings = _matte(picture, shown[k], cut[k], keyed[k], answers[k], ask)
        mattes.append(matte)
        notices += [*findings, *_border_notices(picture.name, matte)]
    tick(1.0)
    return mattes, notices


def _matte(
    picture: Picture,
    image: Byte,
    alpha: Float | None,
    key: backdrop.Keyed | None,
    answer: "_Answer | None",
    ask: Callable[[], "_Answer | None"],
) -> tuple[Float, list[Notice]]:
    """The matte of one picture: its `alpha`, or the `key` and the network's `answer`; where keying leaves no single
    subject and the network, which `ask` calls, is sure of one, the network's."""
    if alpha is not None:
        clean, fringe = without_fringe(picture.name, picture.image, np.where(alpha < _HAZE, 0, alpha))
        matte, dropped = _one_subject(picture.name, clean, np.ones_like(alpha), is_cut=True)
        return matte, [*dropped, *fringe, *_glass_notices(picture.name, alpha)]
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
    picture: Picture, image: Byte, key: backdrop.Keyed | None, answer: "_Answer | None"
) -> tuple[Float, list[Notice]]:
    """The matte by `key`, and the network's `answer` where that is in doubt; raises where there is no one subject."""
    matte = _edged(image, key, answer)
    if key is None and answer is not None and answer.agreement < saliency.SURE_AGREEMENT:
        _check_body(picture.name, matte >= 0.5)
    matte = matte if picture.alpha is None else np.minimum(matte, picture.alpha)
    weight = answer.belief if answer is not None and key is None else np.ones_like(matte)
    matte, dropped = _one_subject(picture.name, matte, weight, is_cut=False)
    return matte, [*_unsure_notices(picture.name, answer), *dropped]


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
            *_glass_notices(picture.name, picture.alpha),
            *_border_notices(picture.name, picture.alpha),
        ]
    height, width = picture.image.shape[:2]
    message = (
        f"the '{picture.name}' picture is opaque all over, so all of its {width} x {height} pixels are the subject; "
        "let the background be removed, or send a cut-out"
    )
    return np.ones((height, width), np.float32), [Notice("whole_picture", message, picture.name)]


def _is_cut_out(alpha: Float | None) -> bool:
    return alpha is not None and float(np.mean(alpha <= _CLEAR)) >= _CLEAR_LEAST_SHARE


def _over_grey(picture: Picture) -> Byte:
    """The picture as it looks on the grey, black or white that differs most from it."""
    if picture.alpha is None:
        return picture.image
    opaque = picture.alpha >= 0.5
    grey = 255.0 if picture.image[opaque].mean() < 128 else 0.0
    alpha = picture.alpha[..., None]
    laid = np.where(alpha > 0, picture.image, 0) * alpha + grey * (1 - alpha)
    return np.round(laid).astype(np.uint8)


@dataclass(frozen=True)
class _Answer:
    """The network's `belief (h, w)`; how far it agrees with itself, 0..1; what the views settled on, `(h, w)`."""

    belief: Float
    agreement: float
    settled: Float


def _ask_network(
    pictures: Sequence[Picture],
    shown: Sequence[Byte],
    known: Sequence[Float | None],
    asked: Sequence[bool],
    network: str,
    tick: Tick,
) -> list[_Answer | None]:
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
        raise PictureError(_no_subject(pictures[0].name, "the network sees nothing that it is sure of"))
    sizes = [_working_size(image) for image in shown]
    small = [
        np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX))
        for image, size in zip(shown, sizes, strict=True)
    ]
    doubted = [saliency.resized(b, s) for b, s in zip(beliefs, sizes, strict=True)]
    coarse = agreement.settle([p.name for p in pictures], small, doubted, trust)
    tick(0.95)
    return [
        _Answer(belief, agreed, saliency.resized(settled, belief.shape)) if wanted else None
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


def _no_subject(name: str, why: str) -> str:
    return (
        f"no subject was found in the '{name}' picture ({why}); one that stands out is needed: send it on a "
        "transparent or plain background"
    )


def _edged(image: Byte, key: backdrop.Keyed | None, answer: _Answer | None) -> Float:
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


def _check_body(name: str, solid: Bool) -> None:
    """Raise `PictureError` where what was found is dust, as it is in a picture of noise beside good ones."""
    stroke = max(1.5, _STROKE_SHARE * max(solid.shape))
    core = edges.depth(solid) > stroke
    body = int(np.count_nonzero(solid & (edges.depth(~core) <= stroke))) if core.any() else 0
    share = body / max(int(np.count_nonzero(solid)), 1)
    if share < _BODY_LEAST_SHARE:
        raise PictureError(_no_subject(name, f"{1 - share:.0%} of what was found is dust"))


def _one_subject(name: str, matte: Float, weight: Float, is_cut: bool) -> tuple[Float, list[Notice]]:
    """The matte `(h, w) float32` without specks and pinholes; raises `PictureError` if there is no subject, or two.

    `weight (h, w)` 0..1 says how much each pixel counts when parts are compared. In a picture that `is_cut` out
    already, parts are real, however far apart: all but specks stay.
    """
    solid = matte >= 0.5
    _, areas = edges.parts(solid)
    if areas.max() < _SUBJECT_LEAST_SHARE * solid.size:
        raise PictureError(_no_subject(name, f"the largest thing in it covers {areas.max()} pixels"))
    reach = _NEAR_SHARE * max(solid.shape) / 2
    groups, _ = edges.parts(edges.depth(~solid) <= reach)
    weights = np.bincount(groups[solid], weight[solid])  # (groups + 1,)
    order = np.argsort(-weights, kind="stable")
    main = weights[order[0]]
    if not is_cut and len(order) > 1 and weights[order[1]] >= _SECOND_SUBJECT_SHARE * main:
        first, second = np.bincount(groups[solid])[order[:2]]
        raise PictureError(
            f"the '{name}' picture shows two subjects, of {first} and {second} pixels; one is needed: crop to the "
            "one you mean, or cut it out and use remove_background never"
        )
    kept = (weights >= (SPECK if is_cut else _PART_LEAST_SHARE) * main)[groups] & solid
    left = solid & ~kept
    matte = np.where(edges.flood((matte > 0) & ~left, kept), matte, 0).astype(np.float32)
    holes, hole_areas = edges.parts(matte < 0.5)
    area = np.count_nonzero(kept)
    matte[(hole_areas < _PINHOLE_SHARE * area)[holes] & (matte < 0.5)] = 1
    share = np.count_nonzero(left) / area
    if share < 0.001:
        return matte, []
    message = f"parts beside the '{name}' picture's subject were dropped, {share:.1%} of its area"
    return matte, [Notice("small_parts_dropped", message, name)]


def _glass_notices(name: str, alpha: Float) -> list[Notice]:
    """Half-transparent matter that the silhouette leaves out: areas, not the soft rim of something solid."""
    faint = (alpha > _CLEAR) & (alpha < 0.5)
    rim = max(2.0, _RIM_SHARE * max(alpha.shape))
    areas = faint & (edges.depth(alpha > _CLEAR) > rim) & (edges.depth(alpha < 0.5) > rim)
    left = faint & (edges.depth(~areas) <= 2 * rim) if areas.any() else areas
    share = np.count_nonzero(left) / max(int(np.count_nonzero(alpha > _CLEAR)), 1)
    if share < _GLASS_LEAST_SHARE:
        return []
    message = (
        f"{share:.0%} of the subject in the '{name}' picture is half-transparent (alpha {alpha[left].mean():.2f} on the"
        " average) and was left out; alpha of 0.5 and more counts as matter: raise it where glass or cloth must stay"
    )
    return [Notice("half_transparent_left_out", message, name)]


def _unsure_notices(name: str, answer: _Answer | None) -> list[Notice]:
    if answer is None or answer.agreement >= saliency.SURE_AGREEMENT:
        return []
    message = (
        f"the '{name}' picture's subject is uncertain: looks at it agree over {answer.agreement:.0%}, "
        f"{saliency.SURE_AGREEMENT:.0%} is usual; a plain or transparent background would settle it"
    )
    return [Notice("matte_unsure", message, name)]


def _border_notices(name: str, matte: Float) -> list[Notice]:
    """One notice that names each side the subject runs out of."""
    solid = matte >= 0.5
    sides = {"top": solid[0], "bottom": solid[-1], "left": solid[:, 0], "right": solid[:, -1]}
    counts = {side: int(np.count_nonzero(row)) for side, row in sides.items()}
    touched = [f"{side} ({n} px)" for side, n in counts.items() if n >= max(2, _TOUCH_SHARE * len(sides[side]))]
    if not touched:
        return []
    message = f"the '{name}' picture's subject runs out of the picture: {', '.join(touched)}; leave a margin around it"
    return [Notice("matte_touches_border", message, name)]
