# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Charts find their place in the square atlas, as in the game of falling blocks.

Owns      the common scale of the charts, and where each lies. Not here: what a chart is (`unwrap`).

    for each scale, found by bisection:
        skyline[column] = 0
        for each chart, the tallest first, upright or upside down:
            at each offset: rest = max over columns of skyline[offset + column] - lowest[column]
            place the chart at the offset with the lowest rest
            skyline[offset + column] = rest + highest[column]
        the scale fits where no column is higher than the atlas

After Lévy et al., "Least Squares Conformal Maps", 2002, section 4. `lowest` and `highest` are the outline of a chart in
each column, so the work is bounded by charts x columns, however many faces there are.

Why our own code: `xatlas` fills an atlas better, but not always a square one of the wanted size, and its time grows
with the charts without a bound (docs/how/texture.md); `rectpack` packs rectangles, and charts are none.
"""

from dataclasses import dataclass

import numpy as np

from fourview.arrays import Float, Int
from fourview.progress import Tick, no_tick

COLUMNS = 512  # of the skyline: finer gains less than 1 % of the atlas and costs in proportion
GAPS_PX = (8, 4, 2, 1, 0)  # kept between charts, half of it the gutter of each; the first that leaves room is taken
CHARTS_MAX = 1024  # that fall one by one; the smaller ones beyond these stand in plain rows above
TRIES = 6  # scales tried: more gains less than 1 % of texels
TRIES_LAST = 64  # without gaps, until the charts fit: more charts than texels need a scale far from the first guess
SNUG = 1 - 1e-6  # leaves room for rounding
MIN_FILL = 0.2  # of what charts without gaps could fill; where they fill less, smaller gaps are tried


@dataclass(frozen=True)
class Layout:
    """Where charts lie: point p of chart c is at `scale * turned(p, quarter[c]) + offset_px[c]`, in texels, +y up.

    `scale` texels a box unit; `quarter (c,)` quarter turns; `offset_px (c, 2)`.
    """

    scale: float
    quarter: Int
    offset_px: Float
    gap_px: int


def pack(edges: Float, chart: Int, area: float, texture_size: int, tick: Tick = no_tick) -> Layout:
    """A layout for charts with outlines `edges (e, 2, 2)`, box units; `chart (e,)` 0..c-1 says whose; `area` of all."""
    extent = np.subtract(*_box(edges, chart)[::-1])  # (c, 2)
    quarter = (extent[:, 0] > extent[:, 1]).astype(np.int64)  # stand upright: tall charts first pack best
    edges = turned(edges, quarter[chart])
    low, high = _box(edges, chart)
    local = edges - low[chart][:, None]
    fill_one = texture_size / np.sqrt(max(area, 1e-12))  # the scale at which the charts had the area of the atlas

    best = None
    for gap_px in GAPS_PX:
        cell, columns = _skyline(texture_size, gap_px)
        most = SNUG * columns * cell / max(float((high - low).max()), 1e-12)  # the longest chart just fits
        scale, too_large = min(0.85 * fill_one, most), np.inf
        for attempt in range(TRIES if gap_px else TRIES_LAST):
            tick(min(attempt / TRIES, 1.0))
            offset_px, flipped, height_px = _fall(local * scale, (high - low) * scale, chart, texture_size, gap_px)
            room = np.sqrt(texture_size / height_px)
            if room >= 1:
                if best is None or scale > best.scale:
                    turn = np.where(flipped, -1, 1)[:, None]
                    best = Layout(scale, quarter + 2 * flipped, offset_px - turn * low * scale, gap_px)
                if attempt >= TRIES or scale == most:
                    break
                scale = min(scale * max(room, 1.005), (scale + too_large) / 2, most)
            else:
                too_large = scale
                scale = scale * room * 0.99 if best is None else (scale + best.scale) / 2
        if best is not None and (best.scale / min(fill_one, most)) ** 2 >= MIN_FILL:
            break
    assert best is not None, "without gaps the height goes to 0 with the scale"
    return best


def turned(points: Float, quarter: Int) -> Float:
    """`points (n, k, 2)` after `quarter (n,)` quarter turns, counter-clockwise."""
    cos, sin = (np.array(table)[quarter % 4][:, None] for table in ([1, 0, -1, 0], [0, 1, 0, -1]))
    x, y = points[..., 0], points[..., 1]
    return np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)


def _skyline(texture_size: int, gap_px: int) -> tuple[float, int]:
    """Texels a column, and columns that the charts may take."""
    cell = max(1.0, texture_size / COLUMNS)
    return cell, int((texture_size - gap_px) / cell)


def _fall(local: Float, extent: Float, chart: Int, texture_size: int, gap_px: int) -> tuple[Float, Int, float]:
    """Places `(c, 2)` in texels, which charts are upside down `(c,)`, and the height needed. No chart is wider."""
    cell, columns = _skyline(texture_size, gap_px)
    gap = int(np.ceil(gap_px / cell))
    widths = (extent[:, 0] / cell).astype(np.int64) + 1  # (c,) columns each touches
    heights = extent[:, 1] / cell
    lower, upper, first = _outlines(local / cell, chart, widths)

    order = np.lexsort((np.arange(len(widths)), -widths, -heights))
    skyline = np.full(columns + 2 * gap, -float(gap))
    place = np.zeros((len(widths), 2))
    flipped = np.zeros(len(widths), np.int64)
    for c in order[:CHARTS_MAX]:
        span = slice(first[c], first[c] + widths[c])
        ways = [(lower[span], upper[span]), (heights[c] - upper[span][::-1], heights[c] - lower[span][::-1])]
        rests = [_rest(skyline, bottom, gap) for bottom, _ in ways]
        way = int(rests[1] < rests[0])
        y, _, x = rests[way]
        place[c], flipped[c] = (x, y), way
        under = skyline[gap + x : gap + x + widths[c]]
        np.maximum(under, y + ways[way][1], out=under)
    top = float(skyline.max())
    for c, x, y in _rows(order[CHARTS_MAX:], widths, heights, columns, gap, top + gap):
        place[c] = x, y
        top = max(top, y + heights[c])
    place = place * cell + gap_px / 2 + flipped[:, None] * np.stack([widths * cell, extent[:, 1]], axis=1)
    return place, flipped, top * cell + gap_px


def _rest(skyline: Float, bottom: Float, gap: int) -> tuple[float, float, int]:
    """Height at which a chart of outline `bottom (w,)` comes to rest, the area it wastes below it, and its column."""
    padded = np.pad(bottom, 2 * gap, constant_values=np.inf)
    wide = np.lib.stride_tricks.sliding_window_view(padded, 2 * gap + 1).min(axis=1)  # (w + 2 gap,)
    under = np.lib.stride_tricks.sliding_window_view(skyline, len(wide))  # (places, w + 2 gap)
    y = (under - wide).max(axis=1) + gap
    x = int(np.argmin(y))
    return float(y[x]), float(np.sum(y[x] + bottom - under[x, gap : gap + len(bottom)])), x


def _rows(order: Int, widths: Int, heights: Float, columns: int, gap: int, y: float) -> list[tuple[int, int, float]]:
    """Chart, column and height of charts that stand side by side in rows from `y` upward, tallest row first."""
    placed = []
    while len(order):
        ends = np.cumsum(widths[order] + gap)
        count = max(1, int(np.searchsorted(ends - gap, columns, side="right")))
        row = order[:count]
        placed += [(c, x, y) for c, x in zip(row, ends[:count] - widths[row] - gap, strict=True)]
        y += float(heights[row].max()) + gap
        order = order[count:]
    return placed


def _outlines(local: Float, chart: Int, widths: Int) -> tuple[Float, Float, Int]:
    """Lowest and highest point of each column of each chart, laid end to end, and where each chart's begin, `(c,)`.

    Edges are sampled twice a column; what dips between two samples is less than the rounding of the gap.
    """
    first = np.cumsum(widths) - widths
    a, b = local[:, 0], local[:, 1]
    steps = (np.abs(b - a)[:, 0] * 2).astype(np.int64) + 2
    edge = np.repeat(np.arange(len(a)), steps)
    t = (np.arange(len(edge)) - np.repeat(np.cumsum(steps) - steps, steps)) / np.repeat(steps - 1, steps)
    point = a[edge] + (b - a)[edge] * t[:, None]
    within = np.minimum(point[:, 0].astype(np.int64), widths[chart][edge] - 1)
    column = first[chart][edge] + within
    lower, upper = np.full(widths.sum(), np.inf), np.full(widths.sum(), -np.inf)
    np.minimum.at(lower, column, point[:, 1])
    np.maximum.at(upper, column, point[:, 1])
    return lower, upper, first


def _box(edges: Float, chart: Int) -> tuple[Float, Float]:
    """Least and greatest corner `(c, 2)` of each chart."""
    count = int(chart.max()) + 1
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    for axis in range(2):
        for end in range(2):
            np.minimum.at(low[:, axis], chart, edges[:, end, axis])
            np.maximum.at(high[:, axis], chart, edges[:, end, axis])
    return low, high
