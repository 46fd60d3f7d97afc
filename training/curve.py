# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The curve of a run as a PNG, drawn with Pillow alone.

Owns      two panels over minutes: the loss, and validation IoU by number of views. Not here: the numbers (`train`).
"""

from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

SIZE, RIM = (900, 360), 46
INKS = ["#1b6ca8", "#e07a1f", "#2d9d5b", "#c43c4b", "#8a8a8a"]


def draw_curve(history: list[dict[str, Any]], path: Path) -> None:
    """`history` rows hold `minutes`, `loss` and, some of them, `iou` by name."""
    image = Image.new("RGB", (SIZE[0], 2 * SIZE[1]), "white")
    losses = [(row["minutes"], row["loss"]) for row in history if row.get("loss") is not None]
    _panel(image, 0, {"loss": losses})
    scored = [row for row in history if row.get("iou")]
    names = list(scored[-1]["iou"]) if scored else []
    _panel(image, SIZE[1], {f"IoU, {n} views": [(r["minutes"], r["iou"][n]) for r in scored] for n in names})
    image.save(path)


def _panel(image: Image.Image, top: int, lines: dict[str, list[tuple[float, float]]]) -> None:
    draw = ImageDraw.Draw(image)
    points = [p for line in lines.values() for p in line]
    if not points:
        return
    last = max(x for x, _ in points) or 1.0
    values = sorted(y for _, y in points)
    low, high = values[0], values[int(0.99 * (len(values) - 1))]
    high = max(high, low + 1e-3)

    def place(x: float, y: float) -> tuple[float, float]:
        across = RIM + x / last * (SIZE[0] - 2 * RIM)
        return across, top + SIZE[1] - RIM - (min(y, high) - low) / (high - low) * (SIZE[1] - 2 * RIM)

    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        y, x = low + share * (high - low), share * last
        draw.line([place(0, y), place(last, y)], fill="#dddddd")
        draw.text((4, place(0, y)[1] - 6), f"{y:.3f}", fill="black")
        draw.text((place(x, low)[0] - 10, top + SIZE[1] - RIM + 6), f"{x:.1f} min", fill="black")
    for k, (name, line) in enumerate(lines.items()):
        ink = INKS[k % len(INKS)]
        draw.line([place(*p) for p in line], fill=ink, width=2)
        draw.text((RIM + 150 * k, top + 8), f"{name} {line[-1][1]:.3f}", fill=ink)
