# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""How well backgrounds are removed: matte IoU against a true alpha.

    python benchmarks/mattes.py --cases DIR                 folders with cluttered/NAME.jpg and the true NAME.png (RGBA)
    python benchmarks/mattes.py --pack DIR --count 40       composites: objects of a training pack on made backgrounds
        --kind photo|plain    photographic-like backgrounds (default), or a plain backdrop with noise, vignette, shadow
        --sheet sheet.png     pictures, found mattes and their errors side by side, the worst sets first

The composites are what the matting was developed on; the `--cases` pictures are only looked at to judge it. Both sides
are cut at 0.5. Time is CPU time of this process, threads included.
"""

import argparse
import importlib.util
import io
import time
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from fourview import compute
from fourview.errors import PictureError
from fourview.views.load import read_picture
from fourview.views.matting import cut_out

NAMES = ("front", "left", "back", "right")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=Path)
    parser.add_argument("--pack", type=Path)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--split", default="train")
    parser.add_argument("--kind", choices=("photo", "plain"), default="photo")
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    compute.set_threads(args.threads)
    rows, shown = [], []
    for name, pictures, truths in cases(args.cases) if args.cases else composites(args):
        began = time.process_time()
        try:
            mattes, notices = cut_out(pictures, "auto")
        except PictureError as error:
            print(f"{name}: {error}")
            mattes, notices = [np.zeros_like(t) for t in truths], []
        seconds = (time.process_time() - began) / len(pictures)
        scores = [iou(m, t) for m, t in zip(mattes, truths, strict=True)]
        rows.append((name, scores, seconds))
        words = " ".join(sorted({f"{n.field}:{n.code}" for n in notices}))
        print(f"{name:38.38} {' '.join(f'{s:.3f}' for s in scores):24} {seconds:6.2f} s  {words}")
        shown.append((min(scores), pictures, mattes, truths))
    every = np.concatenate([scores for _, scores, _ in rows])
    print(
        f"{len(every)} pictures: IoU mean {every.mean():.4f}, least {every.min():.3f}, "
        f"under 0.75 {np.mean(every < 0.75):.1%}, "
        f"5th percentile {np.percentile(every, 5):.3f}; {np.mean([s for _, _, s in rows]):.2f} s a picture"
    )
    if args.sheet:
        draw(args.sheet, sorted(shown, key=lambda s: s[0])[:14])


def iou(matte, truth):
    a, b = matte >= 0.5, truth >= 0.5
    return np.count_nonzero(a & b) / max(np.count_nonzero(a | b), 1)


def cases(folder):
    for cluttered in sorted(folder.glob("*/cluttered")):
        names = [n for n in NAMES if (cluttered / f"{n}.jpg").exists()]
        pictures = [read_picture(n, cluttered / f"{n}.jpg") for n in names]
        yield cluttered.parent.name, pictures, [read_picture(n, cluttered.parent / f"{n}.png").alpha for n in names]


def composites(args):
    """Objects drawn evenly over the categories, each of the four views on a background of its own."""
    spec = importlib.util.spec_from_file_location("read_pack", args.pack / "read_pack.py")
    reader = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(reader)
    by_category = {}
    for item in reader.iterate(args.pack, args.split, seed=args.seed):
        queue = by_category.setdefault(item["category"], [])
        if len(queue) < -(-args.count // 8):
            queue.append((item["name"], item["views"]))
    items = [q[k] for k in range(max(map(len, by_category.values()))) for q in by_category.values() if k < len(q)]
    items = items[: args.count]
    rng = np.random.default_rng(args.seed)
    for index, (name, views) in enumerate(items):
        other = items[(index + 1) % len(items)][1]
        pictures, truths = [], []
        for side in NAMES:
            rgba = Image.fromarray(views[side]).resize((512, 512), Image.Resampling.BICUBIC)
            make = photo if args.kind == "photo" else plain
            picture, truth = make(np.asarray(rgba, np.float32) / 255, other, rng)
            file = io.BytesIO()
            picture.save(file, "JPEG", quality=int(rng.integers(78, 96)))
            pictures.append(read_picture(side, file.getvalue()))
            truths.append(truth)
        yield name, pictures, truths


def photo(rgba, other, rng):
    """The subject on a wall and floor, on a texture, or before out-of-focus things, with a contact shadow."""
    size = rgba.shape[0]
    kind = rng.integers(4)
    base, second = rng.uniform(0.1, 0.95, (2, 3))
    ground = np.ones((size, size, 3)) * (base * 0.6 + base.mean() * 0.4)
    if kind == 0:  # wall and floor, each with a texture and a gradient
        horizon = rng.uniform(0.45, 0.9) * size
        floor = 1 / (1 + np.exp((horizon - np.arange(size)) / rng.uniform(0.5, 8)))[:, None, None]
        wall = ground + rng.uniform(0.02, 0.15) * clouds(size, rng)
        wood = second * (0.8 + 0.2 * np.sin(np.linspace(0, rng.uniform(20, 120), size))[None, :, None])
        ground = wall * (1 - floor) + (wood + rng.uniform(0.02, 0.15) * clouds(size, rng)) * floor
    elif kind == 1:  # foliage, carpet, plaster
        ground = ground + rng.uniform(0.1, 0.4) * clouds(size, rng) * (second - 0.5 + rng.uniform(-0.3, 0.3))
        ground = ground + rng.uniform(0.02, 0.2) * clouds(size, rng)
    elif kind == 2:  # tiles or bricks
        step = int(rng.integers(24, 90))
        row, column = np.mgrid[:size, :size]
        joint = ((row % step < 3) | ((column + (row // step % 2) * step // 2) % step < 3))[..., None]
        tint = rng.uniform(-0.1, 0.1, (size // step + 2, size // step + 2, 1))
        ground = (ground + tint[row // step, column // step]) * (1 - joint) + second * joint
        ground = ground + 0.06 * clouds(size, rng)
    else:  # a room or a street out of focus
        for _ in range(rng.integers(8, 30)):
            row, column, height, width = rng.integers(0, size, 4)
            ground[row : row + height // 2, column : column + width // 3] = rng.uniform(0, 1, 3)
    canvas = Image.fromarray(to_bytes(ground))
    for _ in range(rng.integers(0, 4) if kind in (0, 3) else 0):  # other things stand around
        thing = Image.fromarray(other[NAMES[rng.integers(4)]])
        scale = int(rng.integers(100, 300))
        thing = thing.resize((scale, scale))
        canvas.paste(thing, tuple(int(v) for v in rng.integers(-scale // 2, size - scale // 2, 2)), thing)
    blur = rng.uniform(4, 14) if kind == 3 else rng.uniform(0, 3)
    ground = np.asarray(canvas.filter(ImageFilter.GaussianBlur(blur)), np.float64) / 255
    light = 1 + rng.uniform(-0.25, 0.25) * np.linspace(-1, 1, size)[:, None, None]
    light = light + rng.uniform(-0.25, 0.25) * np.linspace(-1, 1, size)[None, :, None]
    return finish(rgba, ground * light, rng)


def plain(rgba, other, rng):
    """The subject before a studio backdrop: one colour, perhaps a gradient, a vignette and a soft shadow."""
    size = rgba.shape[0]
    colour = rng.choice([[1, 1, 1], [0.95] * 3, [0.5] * 3, [0.1, 0.7, 0.2], [0.02] * 3, list(rng.uniform(0, 1, 3))])
    across = np.linspace(-1, 1, size)
    slope = 1 + rng.uniform(-0.1, 0.1) * across[:, None, None] * rng.integers(2)
    vignette = 1 - rng.uniform(0, 0.15) * (across[:, None, None] ** 2 + across[None, :, None] ** 2) * rng.integers(2)
    return finish(rgba, np.asarray(colour) * slope * vignette, rng, shadow=bool(rng.integers(2)))


def finish(rgba, ground, rng, shadow=True):
    """Shadow, subject, sensor noise: the picture as it would be taken, and its true alpha."""
    size = rgba.shape[0]
    alpha = rgba[..., 3]
    if shadow:
        rows, columns = np.nonzero(alpha > 0.5)
        row, column = np.mgrid[:size, :size]
        reach = (columns.max() - columns.min()) / 2 * rng.uniform(0.8, 1.3) + 1
        away = ((column - columns.mean()) / reach) ** 2 + ((row - rows.max()) / (reach * rng.uniform(0.1, 0.3))) ** 2
        dark = Image.fromarray(to_bytes((away < 1) * rng.uniform(0.25, 0.65)))
        dark = np.asarray(dark.filter(ImageFilter.GaussianBlur(rng.uniform(4, 16))), np.float64) / 255
        ground = ground * (1 - dark[..., None])
    mixed = rgba[..., :3] * alpha[..., None] + ground * (1 - alpha[..., None])
    mixed = mixed + rng.normal(0, rng.uniform(0, 0.015), mixed.shape)
    return Image.fromarray(to_bytes(mixed)), alpha


def clouds(size, rng):
    """Noise of many scales `(size, size, 3)`, about -1..1."""
    total = np.zeros((size, size, 3))
    tint = rng.uniform(0, 1) > 0.5
    for side in (3, 7, 15, 40, 110, 256):
        noise = rng.normal(0, 1, (side, side, 3 if tint else 1)).repeat(1 if tint else 3, 2)
        for k in range(3):
            layer = Image.fromarray(noise[..., k].astype(np.float32))
            total[..., k] += np.asarray(layer.resize((size, size), Image.Resampling.BICUBIC)) * rng.uniform(0.2, 1)
    return total / 3


def to_bytes(values):
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def draw(path, sets):
    """One line a set: picture, matte over it (red: too much, blue: missing)."""
    lines = []
    for _, pictures, mattes, truths in sets:
        cells = []
        for picture, matte, truth in zip(pictures, mattes, truths, strict=True):
            wrong = picture.image * 0.35
            found, true = matte >= 0.5, truth >= 0.5
            wrong[found & true] += 140
            wrong[found & ~true] = [255, 40, 40]
            wrong[~found & true] = [60, 90, 255]
            for pixels in (picture.image, np.clip(wrong, 0, 255).astype(np.uint8)):
                cells.append(np.asarray(Image.fromarray(pixels).resize((192, 192))))
        lines.append(np.hstack(cells))
    width = max(line.shape[1] for line in lines)
    sheet = np.vstack([np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0))) for line in lines])
    Image.fromarray(sheet).save(path)
    print(path)


if __name__ == "__main__":
    main()
