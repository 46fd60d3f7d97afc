# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Draw the example pictures that ship with the project: a little robot from its four sides.

    python examples/make_pictures.py --out src/fourview/examples

writes `robot/{front,left,back,right}.png` (transparent) and `robot_photo/*.jpg` (the same toy photographed in a room).
Uses numpy and Pillow only, and nothing of `fourview`: users' pictures come from elsewhere, too.

The robot is a signed distance function: a list of rounded boxes, capsules and cylinders, each with a paint that may
look at the place it paints. It is sphere-traced (J. C. Hart, "Sphere Tracing", 1996) with parallel rays along the
cameras of CONVENTIONS.md: front looks along -z, left from +x, back along +z, right from -x; one scale for all four.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

SIDES = {"front": 0, "left": 90, "back": 180, "right": 270}
PIXELS = 512
FILL = 0.85  # share of the picture that the longest side of the robot takes
STEPS, HIT = 120, 2e-4
ROWS = 16  # of rays, traced at once


def srgb(code: str) -> np.ndarray:
    """Linear light of a colour written as `#rrggbb`."""
    return linear(codes(code)).astype(np.float32)


def codes(code: str) -> np.ndarray:
    """The three codes 0..255 of a colour written as `#rrggbb`."""
    return np.array([int(code[k : k + 2], 16) for k in (1, 3, 5)])


def linear(codes):
    """Linear light of sRGB codes 0..255."""
    c = np.clip(codes, 0, 255) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def encoded(light):
    """sRGB codes of linear light."""
    c = np.where(light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 1e-6) ** (1 / 2.4) - 0.055)
    return (np.clip(c, 0, 1) * 255 + 0.5).astype(np.uint8)


CORAL, CREAM, TEAL, SLATE = srgb("#e8604a"), srgb("#f3e8d2"), srgb("#2a9d96"), srgb("#36414d")
YELLOW, NIGHT, GLOW, WHITE, STEEL = srgb("#f6bd3d"), srgb("#17202a"), srgb("#7cf3ea"), srgb("#fffdf6"), srgb("#aab3b8")


# Distances. Each takes points (n, 3) and returns (n,).


def box(p, middle, half, rounding):
    q = np.abs(p - np.float32(middle)) - (np.float32(half) - np.float32(rounding))
    outside = np.sqrt((np.maximum(q, 0) ** 2).sum(axis=1))
    return outside + np.minimum(q.max(axis=1), 0) - np.float32(rounding)


def capsule(p, a, b, radius):
    a, ab = np.float32(a), np.float32(b) - np.float32(a)
    along = np.clip((p - a) @ ab / (ab @ ab), 0, 1)
    return np.linalg.norm(p - a - along[:, None] * ab, axis=1) - np.float32(radius)


def disc(p, middle, axis, radius, half, rounding):
    """A cylinder along `axis` (0, 1, 2) with rounded rims."""
    q = p - np.float32(middle)
    across = np.sqrt(sum(q[:, k] ** 2 for k in range(3) if k != axis))
    d = np.stack([across - (radius - rounding), np.abs(q[:, axis]) - (half - rounding)], axis=1).astype(np.float32)
    return np.sqrt((np.maximum(d, 0) ** 2).sum(axis=1)) + np.minimum(d.max(axis=1), 0) - np.float32(rounding)


def ball(p, middle, radius):
    return np.linalg.norm(p - np.float32(middle), axis=1) - np.float32(radius)


def bellows(p, middle, radius, half, rings):
    """A soft ribbed tube along y."""
    wave = 0.014 * np.cos((p[:, 1] - middle[1]) / half * np.pi * rings)
    return (disc(p, middle, 1, radius, half, 0.02) - wave.astype(np.float32)) * np.float32(0.7)


# Paints. Each takes points (n, 3) and returns linear light (n, 3); GLOWING ones shine by themselves.


def plain(colour):
    return lambda p: np.broadcast_to(colour, p.shape)


def where(*layers):
    """The first paint, then for each (mask of points, colour) the colour where the mask is true."""
    base, *over = layers

    def paint(p):
        colour = np.array(np.broadcast_to(base, p.shape))
        for mask, layer in over:
            colour[mask(p)] = layer
        return colour

    return paint


def ellipse(axes, middle, radii):
    """Mask: inside an ellipse in the plane of two `axes`."""
    return lambda p: sum(((p[:, a] - m) / r) ** 2 for a, m, r in zip(axes, middle, radii, strict=True)) < 1


def bar(axes, middle, half):
    """Mask: inside a rectangle in the plane of two `axes`."""
    return lambda p: np.all([np.abs(p[:, a] - m) < h for a, m, h in zip(axes, middle, half, strict=True)], axis=0)


def both(*masks):
    return lambda p: np.all([mask(p) for mask in masks], axis=0)


def facing(axis, sign):
    """Mask: the half of space on one side."""
    return lambda p: p[:, axis] * sign > 0


def spot(axes, middle, radius):
    """Mask: inside a circle."""
    return ellipse(axes, middle, (radius, radius))


def ring(axes, middle, radius, width):
    return lambda p: np.abs(np.hypot(*(p[:, a] - m for a, m in zip(axes, middle, strict=True))) - radius) < width


def smile(p):
    """Mask: an arc on the face."""
    x, y = p[:, 0], p[:, 1] - 0.40
    return (np.abs(np.hypot(x, y) - 0.125) < 0.014) & (y < -0.075)


def star(axes, middle, radius):
    """Mask: a five-pointed star."""

    def mask(p):
        u, v = (p[:, a] - m for a, m in zip(axes, middle, strict=True))
        turn = np.abs((np.arctan2(u, v) + np.pi / 5) % (2 * np.pi / 5) - np.pi / 5)
        return np.hypot(u, v) * (np.cos(turn) + 1.35 * np.sin(turn)) < radius

    return mask


@dataclass(frozen=True)
class Part:
    distance: Callable[[np.ndarray], np.ndarray]
    paint: Callable[[np.ndarray], np.ndarray]
    is_glowing: Callable[[np.ndarray], np.ndarray] | None = None


def robot() -> list[Part]:
    """Height 2, feet at y = -1; it faces +z, its own left is +x."""
    eyes = [ellipse((0, 1), (s * 0.155, 0.445), (0.062, 0.085)) for s in (-1, 1)]
    sparkles = [ellipse((0, 1), (s * 0.155 + 0.022, 0.478), (0.018, 0.022)) for s in (-1, 1)]
    cheeks = [ellipse((0, 1), (s * 0.265, 0.335), (0.042, 0.026)) for s in (-1, 1)]
    head = where(
        CREAM,
        (bar((0, 2), (0, 0), (0.055, 9)), CORAL),  # a stripe over the top and down the back
        *((both(bar((0, 1), (0, y), (0.2, 0.016)), facing(2, -1)), SLATE) for y in (0.30, 0.36, 0.42)),
    )
    face = where(
        NIGHT,
        (smile, GLOW),
        *((cheek, CORAL) for cheek in cheeks),
        *((eye, GLOW) for eye in eyes),
        *((sparkle, WHITE) for sparkle in sparkles),
    )
    body = where(CORAL, (bar((1,), (-0.53,), (0.035,)), CREAM))  # with a belt
    panel = where(
        CREAM,
        (ring((0, 1), (-0.115, -0.185), 0.075, 0.011), SLATE),
        (spot((0, 1), (-0.115, -0.185), 0.064), WHITE),
        (bar((0, 1), (-0.100, -0.165), (0.007, 0.036)), CORAL),
        *((bar((0, 1), (0.0, y), (0.17, 0.009)), STEEL) for y in (-0.315, -0.345)),
        *((spot((0, 1), (x, -0.15), 0.029), colour) for x, colour in ((0.02, CORAL), (0.095, YELLOW), (0.17, TEAL))),
        *((spot((0, 1), (x, -0.22), 0.029), SLATE) for x in (0.055, 0.13)),
    )
    pack = where(
        TEAL,
        (bar((0, 1), (0, -0.20), (0.13, 0.075)), CREAM),
        (bar((0, 1), (0, -0.20), (0.105, 0.05)), TEAL),
        (star((0, 1), (0, -0.205), 0.05), YELLOW),
    )
    tank = where(CREAM, (bar((1,), (-0.13,), (0.03,)), CORAL))
    ears, hands = [], []
    for of_ear, of_cuff in ((TEAL, TEAL), (CORAL, YELLOW)):  # its right, its left
        ears.append(where(YELLOW, (spot((1, 2), (0.40, 0), 0.075), of_ear), (spot((1, 2), (0.40, 0), 0.03), CREAM)))
        hands.append(where(CREAM, (bar((1,), (-0.305,), (0.025,)), of_cuff)))
    boot = where(TEAL, (bar((1,), (-0.965,), (0.035,)), SLATE), (bar((1,), (-0.79,), (0.02,)), CREAM))
    parts = [
        Part(lambda p: box(p, (0, 0.41, 0), (0.47, 0.29, 0.35), 0.17), head),
        Part(
            lambda p: box(p, (0, 0.41, 0.315), (0.355, 0.19, 0.06), 0.055),
            face,
            lambda p: np.any([m(p) for m in (smile, *eyes)], axis=0),
        ),
        Part(lambda p: disc(p, (0.14, 0.73, -0.03), 1, 0.085, 0.05, 0.03), plain(SLATE)),
        Part(lambda p: capsule(p, (0.14, 0.70, -0.03), (0.14, 0.92, -0.03), 0.04), plain(SLATE)),
        Part(lambda p: ball(p, (0.14, 0.915, -0.03), 0.085), plain(CORAL)),
        Part(lambda p: disc(p, (0, 0.09, 0), 1, 0.19, 0.08, 0.03), plain(SLATE)),
        Part(lambda p: box(p, (0, -0.28, 0), (0.43, 0.36, 0.28), 0.14), body),
        Part(lambda p: box(p, (0, -0.235, 0.255), (0.235, 0.165, 0.035), 0.02), panel),
        Part(lambda p: box(p, (0, -0.25, -0.26), (0.28, 0.25, 0.13), 0.12), pack),
    ]  # fmt: skip
    for s in (-1, 1):
        parts += [
            Part(lambda p, s=s: disc(p, (s * 0.445, 0.40, 0), 0, 0.14, 0.065, 0.06), ears[s > 0]),
            Part(lambda p, s=s: capsule(p, (s * 0.125, -0.34, -0.355), (s * 0.125, -0.16, -0.355), 0.085), tank),
            Part(lambda p, s=s: ball(p, (s * 0.41, -0.19, 0), 0.135), plain(YELLOW)),
            Part(lambda p, s=s: capsule(p, (s * 0.44, -0.19, 0.0), (s * 0.45, -0.36, 0.08), 0.085), plain(SLATE)),
            Part(lambda p, s=s: ball(p, (s * 0.45, -0.395, 0.10), 0.115), hands[s > 0]),
            Part(lambda p, s=s: capsule(p, (s * 0.43, -0.40, 0.18), (s * 0.42, -0.36, 0.23), 0.045), plain(CREAM)),
            Part(lambda p, s=s: bellows(p, (s * 0.22, -0.70, 0), 0.125, 0.14, 3), plain(SLATE)),
            Part(lambda p, s=s: box(p, (s * 0.225, -0.88, 0.06), (0.185, 0.12, 0.27), 0.09), boot),
        ]  # fmt: skip
    return parts


def nearest(parts, p):
    """Distance `(n,)` to the nearest part and its number."""
    best, which = np.full(len(p), np.inf, np.float32), np.zeros(len(p), np.int8)
    for number, part in enumerate(parts):
        d = part.distance(p)
        closer = d < best
        best[closer], which[closer] = d[closer], number
    return best, which


def trace(parts, origin, direction, reach):
    """Where rays `origin (n, 3)` hit, as distance along the ray; inf where they miss."""
    along = np.zeros(len(origin), np.float32)
    active = np.arange(len(origin))
    for _ in range(STEPS):
        d, _ = nearest(parts, origin[active] + along[active, None] * direction)
        along[active] += d
        active = active[(d > HIT) & (along[active] < reach)]
        if not len(active):
            break
    along[active] = np.inf  # these passed so close that they never got away
    along[along >= reach] = np.inf
    return along


def normals(parts, p):
    """Unit normals by central differences, `(n, 3)`."""
    e = np.float32(1.5e-3)
    steps = np.eye(3, dtype=np.float32) * e
    n = np.stack([nearest(parts, p + s)[0] - nearest(parts, p - s)[0] for s in steps], axis=1)
    return n / np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-9)


def shade(parts, p, which, view):
    """Linear light that leaves the points `p (n, 3)`; `view` rows: right, up, toward the camera."""
    n = normals(parts, p)
    # Ambient light, less where other parts are near: five looks along the normal.
    blocked = sum((h - nearest(parts, p + h * n)[0]) * w for h, w in ((0.03, 5), (0.07, 2.6), (0.13, 1.4), (0.22, 0.8)))
    open_sky = np.clip(1 - 0.42 * np.clip(blocked / 0.3, 0, 2), 0.25, 1)
    sky = srgb("#eef3f8") * 0.62 + 0.22 * n[:, 1:2] * srgb("#dfeaf5")
    light = np.float32([-0.35, 0.62, 0.70]) @ view
    light /= np.linalg.norm(light)
    # A soft shadow: how closely the way to the light passes by other parts.
    clear, along = np.ones(len(p), np.float32), np.full(len(p), 0.02, np.float32)
    for _ in range(18):
        d, _ = nearest(parts, p + n * 0.01 + along[:, None] * light)
        clear = np.minimum(clear, np.clip(d / along * 5, 0, 1))
        along += np.clip(d, 0.015, 0.12)
    key = np.clip(n @ light, 0, 1) * (0.25 + 0.75 * clear)
    half = light + view[2]
    gloss = np.clip(n @ (half / np.linalg.norm(half)), 0, 1) ** 60 * clear
    colour, glow = np.zeros_like(p), np.zeros(len(p), bool)
    for number, part in enumerate(parts):
        mine = which == number
        if mine.any():
            colour[mine] = part.paint(p[mine])
            if part.is_glowing is not None:
                glow[mine] = part.is_glowing(p[mine])
    lit = colour * (sky * open_sky[:, None] + 0.62 * key[:, None] * srgb("#fff6e8")) + 0.05 * gloss[:, None]
    return np.where(glow[:, None], colour * 1.05, lit)


def draw(parts, boxes, azimuth_deg, fine):
    """Linear premultiplied `(PIXELS, PIXELS, 4)`, drawn with `fine` x `fine` rays a pixel."""
    a = np.deg2rad(azimuth_deg)
    view = np.float32([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    low, high = boxes[:, 0].min(axis=0), boxes[:, 1].max(axis=0)
    half = (high - low).max() / 2 / FILL
    side = PIXELS * fine
    at = ((np.arange(side, dtype=np.float32) + 0.5) / side * 2 - 1) * half
    u, v = np.meshgrid(at, -at)
    origin = ((low + high) / 2 + np.stack([u, v, np.full_like(u, 2)], axis=2).reshape(-1, 3) @ view).astype(np.float32)
    picture = np.zeros((side * side, 4), np.float32)
    for start in range(0, len(origin), side * ROWS):
        rays = origin[start : start + side * ROWS]
        # Rays are level: only parts at their height are hit, only parts near it darken what they hit.
        top, bottom = rays[0, 1], rays[-1, 1]
        met, near = ([part for part, (least, most) in zip(parts, boxes[:, :, 1], strict=True)
                      if least - room < top and most + room > bottom] for room in (0.02, 0.3))  # fmt: skip
        if not met:
            continue
        along = trace(met, rays, -view[2], 4.0)
        hit = np.flatnonzero(np.isfinite(along))
        if len(hit):
            p = rays[hit] - along[hit, None] * view[2]
            picture[start + hit, :3] = np.clip(shade(near, p, nearest(near, p)[1], view), 0, 1)
            picture[start + hit, 3] = 1
    return picture.reshape(PIXELS, fine, PIXELS, fine, 4).mean(axis=(1, 3))


def bounds(parts):
    """The box `(2, 3)` of each part, from a grid of distances."""
    at = np.linspace(-1.1, 1.1, 111, dtype=np.float32)
    grid = np.stack(np.meshgrid(at, at, at, indexing="ij"), axis=3).reshape(-1, 3)
    boxes = []
    for part in parts:
        solid = grid[part.distance(grid) < 0.01]
        boxes.append(np.stack([solid.min(axis=0), solid.max(axis=0)]))
    return np.stack(boxes)


def cut_out(picture):
    """RGBA, straight alpha."""
    alpha = picture[:, :, 3:]
    colour = encoded(picture[:, :, :3] / np.maximum(alpha, 1e-6)) * (alpha > 0)
    return Image.fromarray(np.concatenate([colour, (alpha * 255 + 0.5).astype(np.uint8)], axis=2).astype(np.uint8))


def room(side, rng):
    """A room out of focus behind a wooden table, linear `(PIXELS, PIXELS, 3)`; each side sees another wall."""
    walls = {"front": ("#7d90a3", 395), "left": ("#84999a", 330), "back": ("#8a93a8", -85), "right": ("#87967f", 400)}
    wall, window = walls[side]
    pixels = np.broadcast_to(codes(wall), (PIXELS, PIXELS, 3)).astype(np.float32)
    furniture = ("#5f7260", "#6b5344", "#a9b4b8", "#46555f", "#8f5f50", "#6f86a0")
    horizon = int(PIXELS * 0.70)
    rows, columns = np.indices((PIXELS, PIXELS))
    for _ in range(9):  # shelves, frames, furniture
        left, top = rng.uniform(-80, PIXELS), rng.uniform(20, horizon - 60)
        wide, high = rng.uniform(40, 150), rng.uniform(30, 190)
        inside = (columns > left) & (columns < left + wide) & (rows > top) & (rows < top + high)
        pixels[inside] += rng.uniform(0.35, 0.8) * (codes(str(rng.choice(furniture))) - pixels[inside])
    inside = (columns > window) & (columns < window + 150) & (rows > 10) & (rows < 190)
    pixels[inside & (np.abs(columns - window - 75) > 5)] = (246, 250, 255)
    pixels = blurred(pixels, 13)

    depth = (rows - horizon) / (PIXELS - horizon)  # 0 at the horizon .. 1 in front
    across = (columns - PIXELS / 2) / (0.35 + depth)
    grain = blurred(rng.normal(0, 1, (PIXELS, PIXELS, 1)).repeat(3, axis=2) * 60 + 128, 1.2)[:, :, 0] - 128
    plank = np.floor(across / 95 + 0.3)
    wood = np.array([166, 117, 76]) * (1 + 0.06 * np.sin(plank * 2.4 + 1) + 0.10 * depth)[:, :, None]
    wood = wood + (grain * 0.5 + 5 * np.sin(across / 7 + 3 * np.sin(across / 40 + depth)))[:, :, None]
    wood[np.abs(across / 95 + 0.3 - plank) < 0.012] *= 0.72
    far = np.clip(1 - depth * 2.2, 0, 1)[:, :, None]
    table = blurred(wood, 6) * far + blurred(wood, 1.2) * (1 - far)
    edge = np.clip((rows - horizon) / 9 + 0.5, 0, 1)[:, :, None]
    return linear(pixels * (1 - edge) + table * edge)


def photographed(picture, side, rng):
    """The robot on a table in a room: contact shadow, a lens that is not perfect, vignette, grain."""
    behind = room(side, rng)
    alpha = picture[:, :, 3]
    rows, columns = np.indices(alpha.shape)
    feet = np.flatnonzero(alpha.max(axis=1) > 0.5)[-1]
    stands = np.flatnonzero(alpha[feet - 12] > 0.5)
    middle, half = (stands[0] + stands[-1]) / 2, (stands[-1] - stands[0]) / 2
    for reach, flat, dark in ((1.6, 0.32, 0.7), (1.2, 0.16, 0.9)):  # a wide soft shadow, a narrow deep one
        x, y = (columns - middle) / (half * reach), (rows - feet + 2) / (half * reach * flat)
        behind = behind * (1 - dark * np.clip(1 - np.hypot(x, y) ** 2, 0, 1) ** 1.5)[:, :, None]
    light = picture[:, :, :3] * linear(np.array([255, 250, 240])) + behind * (1 - alpha[:, :, None])
    away = np.hypot(columns / PIXELS - 0.5, rows / PIXELS - 0.5)
    light = light * (1 - 0.55 * away**2)[:, :, None]
    grain = rng.normal(0, 2.2, light.shape) + rng.normal(0, 2.2, (*alpha.shape, 1))
    return Image.fromarray(np.clip(blurred(encoded(light), 0.6) + grain + 0.5, 0, 255).astype(np.uint8))


def blurred(pixels, radius):
    """`pixels (h, w, 3)` 0..255 under a Gaussian."""
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius))).astype(np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="folder that gets robot/ and robot_photo/")
    parser.add_argument("--fine", type=int, default=3, help="rays a pixel, each way")
    args = parser.parse_args()
    parts = robot()
    boxes = bounds(parts)
    for name in ("robot", "robot_photo"):
        (args.out / name).mkdir(parents=True, exist_ok=True)
    for side, azimuth_deg in SIDES.items():
        picture = draw(parts, boxes, azimuth_deg, args.fine)
        cut_out(picture).save(args.out / "robot" / f"{side}.png", optimize=True)
        photo = photographed(picture, side, np.random.default_rng(azimuth_deg))
        photo.save(args.out / "robot_photo" / f"{side}.jpg", quality=90, subsampling=0)


if __name__ == "__main__":
    main()
