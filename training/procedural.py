# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Shapes made up from a number: people, creatures and things, the first two being what the pack lacks.

Owns      which parts a made-up thing has, how they hang together and how they are coloured (`invent`).
Not here  the primitives themselves (`primitives`), pictures and volumes of them (`render`).

Every length is a share of about the whole thing's height. Proportions, poses and colours are drawn wide on purpose:
the network should learn how bodies hang together, not one body.
"""

# ruff: noqa: RUF005  (what it takes for lists are arrays, and + adds them)

import colorsys
from dataclasses import replace

import numpy as np

from training.primitives import KINDS, Part

Random = np.random.Generator
UP = np.array([0.0, 1.0, 0.0])


def invent(seed: int) -> list[Part]:
    """The parts of made-up shape number `seed`."""
    random = np.random.default_rng([seed, 4])
    maker = random.choice([_figure, _creature, _thing, _furniture, _vehicle], p=[0.34, 0.28, 0.24, 0.07, 0.07])
    return maker(random, _palette(random))


def _palette(random: Random) -> list[np.ndarray]:
    """Six colours `(3,)` in linear light."""
    hue, spread = random.random(), random.choice([0.05, 0.2, 1.0])
    return [
        np.array(colorsys.hsv_to_rgb((hue + spread * random.random()) % 1, random.beta(1.5, 2), random.beta(4, 1.6)))
        ** 2.2
        for _ in range(6)
    ]


def _turn(axis: np.ndarray) -> np.ndarray:
    """A rotation `(3, 3)` that takes +Y to `axis`."""
    y = axis / max(np.linalg.norm(axis), 1e-9)
    x = np.cross(y, [0.0, 0.0, 1.0] if abs(y[2]) < 0.9 else [1.0, 0.0, 0.0])
    x /= np.linalg.norm(x)
    return np.stack([x, y, np.cross(x, y)], axis=1)


def _any_turn(random: Random) -> np.ndarray:
    """Upright mostly, else any rotation."""
    if random.random() < 0.6:
        return np.eye(3)
    turn, _ = np.linalg.qr(random.normal(size=(3, 3)))
    return turn * np.sign(np.linalg.det(turn))


def _limb(start, end, radius, radius_end, colour, mirrored=False, blend=0.0) -> Part:
    """A limb from `start` to `end (3,)`."""
    start, end = np.asarray(start, float), np.asarray(end, float)
    half = max(np.linalg.norm(end - start) / 2, 1e-3)
    size = np.array([radius, half, radius_end])
    return Part("limb", (start + end) / 2, size, colour, _turn(end - start), mirrored, blend=blend)


def _bent(points, radius, radius_end, colour, mirrored=False, blend=0.01) -> list[Part]:
    """A limb through `points (k, 3)`, thinning evenly."""
    radii = np.linspace(radius, radius_end, len(points))
    return [
        _limb(a, b, r, s, colour, mirrored, blend)
        for a, b, r, s in zip(points, points[1:], radii, radii[1:], strict=False)
    ]


def _curve(random: Random, start, way, length, count=4) -> list[np.ndarray]:
    """`count` points from `start` that go `way` and bend."""
    points, way = [np.asarray(start, float)], np.asarray(way, float)
    bend = random.normal(0, 0.35, 3) * [0, 1, 1]
    for _ in range(count - 1):
        way = way / np.linalg.norm(way)
        points.append(points[-1] + way * length / (count - 1))
        way = way + bend
    return points


def _eyes(random: Random, head: np.ndarray, size: np.ndarray) -> list[Part]:
    """Two dark, slightly raised eyes on the front of a head."""
    dark, eye = np.full(3, random.choice([0.01, 0.03, 0.8])), size.min() * random.uniform(0.12, 0.25)
    across, up = random.uniform(0.25, 0.5), random.uniform(-0.1, 0.35)
    deep = size[2] * np.sqrt(max(1 - across**2 - up**2, 0.1))
    centre = head + [across * size[0], up * size[1], deep - 0.3 * eye]
    return [Part("ellipsoid", centre, np.array([eye, eye * random.uniform(0.8, 1.6), eye]), dark, is_mirrored=True)]


def _head(random: Random, centre: np.ndarray, radius: float, colour: list[np.ndarray], blend: float) -> list[Part]:
    """A head with some of: eyes, nose, ears, hair, hat."""
    size = radius * random.uniform([0.75, 0.85, 0.75], [1.1, 1.15, 1.05])
    kind = "box" if random.random() < 0.15 else "ellipsoid"
    parts = [Part(kind, centre, size, colour[0], blend=blend), *_eyes(random, centre, size)]
    if random.random() < 0.5:
        nose = centre + [0, -0.1 * size[1], size[2]]
        parts.append(Part("ellipsoid", nose, radius * random.uniform(0.1, 0.25, 3), colour[0], blend=0.02))
    if random.random() < 0.4:
        ear = random.uniform([0.1, 0.15, 0.06], [0.25, 0.8, 0.2]) * radius
        place = centre + [size[0] * random.uniform(0.5, 1), size[1] * random.uniform(0, 0.95), 0]
        parts.append(Part("ellipsoid", place, ear, colour[0], is_mirrored=True))
    if random.random() < 0.6:
        hair = size * random.uniform(1.02, 1.2, 3)
        back = centre + [0, radius * random.uniform(0.1, 0.4), -radius * random.uniform(0.12, 0.35)]
        parts.append(Part("ellipsoid", back, hair, colour[1]))
        if random.random() < 0.4:
            fall = back - [0, radius * random.uniform(0.5, 2.2), radius * random.uniform(0.1, 0.6)]
            parts.append(_limb(back, fall, 0.7 * radius, radius * random.uniform(0.1, 0.7), colour[1], blend=0.02))
    elif random.random() < 0.5:
        top = centre + UP * size[1] * random.uniform(0.4, 0.8)
        brim = radius * random.uniform(1.0, 1.9)
        parts.append(Part("disc", top, np.array([brim, 0.08 * radius, 0.05 * radius]), colour[2]))
        tip = top + UP * radius * random.uniform(0.5, 1.6)
        parts.append(_limb(top, tip, size[0] * 0.85, size[0] * random.uniform(0.1, 0.9), colour[2]))
    return parts


def _figure(random: Random, colour: list[np.ndarray]) -> list[Part]:
    """Somebody who stands: legs, trunk, arms, head, clothes and perhaps a thing in the hand."""
    bulk, blend = random.uniform(0.7, 1.6), random.choice([0.0, 0.02, 0.04])
    leg, head = random.uniform(0.12, 0.5), random.uniform(0.08, 0.25)
    trunk = random.uniform(0.2, 0.38)
    hip, shoulder = leg, leg + trunk
    wide, deep = random.uniform(0.08, 0.16) * bulk, random.uniform(0.06, 0.11) * bulk
    parts = []
    belly = Part("ellipsoid", np.array([0, hip + 0.45 * trunk, 0]), np.array([wide, 0.62 * trunk, deep]), colour[3])
    chest = Part("box", np.array([0, hip + 0.5 * trunk, 0]), np.array([wide, 0.5 * trunk, deep]), colour[3])
    parts += [belly, replace(belly, centre=belly.centre + UP * 0.25 * trunk, blend=0.03)]
    if random.random() < 0.35:
        parts.append(replace(chest, blend=blend))
    thick, foot = random.uniform(0.025, 0.06) * bulk, random.uniform(0.0, 0.08)
    stand = random.uniform(0.35, 0.75) * wide + random.uniform(0, 0.06)
    knee = np.array([stand, leg * 0.5, random.uniform(-0.02, 0.04)])
    toe = np.array([stand, thick * 0.8, 0])
    legs = _bent([[0.5 * wide, hip, 0], knee, toe], 1.3 * thick, 0.9 * thick, colour[4], True, blend)
    legs.append(_limb(toe, toe + [0, 0, 0.03 + foot], thick, thick * random.uniform(0.7, 1.1), colour[5], True))
    if random.random() < 0.25:  # a stride: one leg before the other
        step = np.array([0, 0, random.uniform(0.02, 0.12)])
        legs = [
            replace(p, is_mirrored=False, centre=(p.centre + s * step) * [s, 1, 1], turn=_mirror(p.turn, s))
            for p in legs
            for s in (1, -1)
        ]
    parts += legs
    if random.random() < 0.3:
        hem = random.uniform(0.05, 0.8) * leg
        parts.append(
            _limb([0, hem, 0], [0, shoulder, 0], random.uniform(1.0, 1.9) * wide, 0.8 * wide, colour[3], blend=blend)
        )
    arm, down = random.uniform(0.2, 0.42), random.uniform(-0.3, 1.45)
    thin = thick * random.uniform(0.6, 1.0)
    for side in (1, -1):
        if side == -1 and random.random() < 0.4:
            down = random.uniform(-1.2, 1.45)
        start = np.array([0.85 * wide, shoulder - 0.06, 0])
        bend = random.normal(0, 0.25)
        elbow = start + arm / 2 * np.array([np.cos(down), -np.sin(down), 0.1])
        hand = elbow + arm / 2 * np.array([np.cos(down + bend), -np.sin(down + bend), random.uniform(0, 0.7)])
        flip = np.array([side, 1, 1])
        parts += _bent([start * flip, elbow * flip, hand * flip], 1.1 * thin, 0.8 * thin, colour[3], blend=blend)
        parts.append(Part("ellipsoid", hand * flip, thin * random.uniform(1.0, 1.7, 3), colour[0], blend=blend))
        if random.random() < 0.15:
            way = random.normal(size=3) * [0.3, 1, 1]
            way *= random.uniform(0.15, 0.4) / np.linalg.norm(way)
            parts.append(
                _limb(hand * flip - way * 0.3, hand * flip + way, 0.014, random.uniform(0.012, 0.05), colour[2])
            )
    neck = shoulder + random.uniform(0.0, 0.06)
    parts.append(_limb([0, shoulder - 0.05, 0], [0, neck + head, 0], 0.35 * head, 0.35 * head, colour[0], blend=blend))
    parts += _head(random, np.array([0, neck + 0.9 * head, 0.01]), head, colour, blend)
    if random.random() < 0.2:
        pack = np.array(
            [wide * random.uniform(0.5, 1.1), trunk * random.uniform(0.25, 0.5), 0.05 * random.uniform(0.5, 1.6)]
        )
        parts.append(Part("box", np.array([0, hip + 0.6 * trunk, -deep - 0.6 * pack[2]]), pack, colour[2]))
    if random.random() < 0.25:
        belt = np.array([0, hip + 0.1 * trunk, 0])
        parts.append(Part("ellipsoid", belt, np.array([1.03 * wide, 0.03, 1.05 * deep]), colour[5]))
    return parts


def _mirror(turn: np.ndarray, side: int) -> np.ndarray:
    """The rotation of a part of revolution, mirrored in x if `side` is -1."""
    return turn if side == 1 else _turn(turn[:, 1] * [-1, 1, 1])


def _creature(random: Random, colour: list[np.ndarray]) -> list[Part]:
    """An animal that looks along +Z: on four legs, on two, or swimming; neck, tail, ears, horns and wings vary."""
    length, high = random.uniform(0.35, 0.8), random.uniform(0.1, 0.22)
    wide, blend = high * random.uniform(0.6, 1.2), random.uniform(0.02, 0.06)
    legs = random.choice([0, 1, 2, 2, 2])
    leg = random.uniform(0.08, 0.45) if legs else 0.0
    middle = np.array([0, leg + 0.7 * high, 0])
    rise = random.uniform(-0.12, 0.3) if legs != 1 else random.uniform(0.1, 0.7)
    ahead = np.array([0, np.sin(rise), np.cos(rise)])
    chest, rump = middle + 0.35 * length * ahead, middle - 0.35 * length * ahead
    size = np.array([wide, high, length * random.uniform(0.5, 0.62)])
    body = Part("ellipsoid", middle, size, colour[0], np.stack([[1, 0, 0], np.cross(ahead, [1, 0, 0]), ahead], axis=1))
    parts = [
        body,
        Part("ellipsoid", rump, np.array([wide, high, high]) * random.uniform(0.7, 1.05), colour[0], blend=blend),
        Part("ellipsoid", chest, np.array([wide, high, high]) * random.uniform(0.7, 1.05), colour[0], blend=blend),
    ]
    thick = random.uniform(0.022, 0.065)
    places = {0: [], 1: [0.5 * middle + 0.5 * rump], 2: [chest, rump]}[int(legs)]
    for place in places:
        hip = place * [0, 1, 1] + [random.uniform(0.4, 0.85) * wide, -0.2 * high, 0]
        knee = np.array([hip[0] + random.uniform(0, 0.03), hip[1] * 0.5, hip[2] + random.uniform(-0.07, 0.07)])
        paw = np.array([hip[0] + random.uniform(0, 0.03), thick * 0.7, hip[2] + random.uniform(-0.04, 0.04)])
        parts += _bent([hip, knee, paw], thick * random.uniform(1.2, 1.9), 0.8 * thick, colour[0], True, blend)
        toes = thick * random.uniform([0.8, 0.5, 1], [1.3, 0.9, 2.2])
        parts.append(
            Part("ellipsoid", paw + [0, 0, 0.4 * thick], toes, colour[random.choice([0, 3])], is_mirrored=True)
        )
    neck = random.uniform(0.02, 0.35) if legs else 0.02
    lean = random.uniform(0.1, 1.4)
    head = chest + (high * 0.6 + neck) * np.array([0, np.sin(lean), np.cos(lean)])
    skull = random.uniform(0.06, 0.15)
    parts.append(_limb(chest, head, high * random.uniform(0.4, 0.8), skull * 0.7, colour[0], blend=blend))
    size = skull * random.uniform([0.75, 0.75, 0.85], [1.1, 1.1, 1.4])
    parts += [Part("ellipsoid", head, size, colour[0], blend=blend), *_eyes(random, head, size)]
    if random.random() < 0.75:
        snout = head + [0, random.uniform(-0.5, 0) * skull, random.uniform(0.9, 2.0) * skull]
        parts.append(
            _limb(
                head, snout, 0.6 * skull, skull * random.uniform(0.1, 0.55), colour[random.choice([0, 1])], blend=0.02
            )
        )
    for _ in range(random.integers(0, 3)):  # ears, horns
        start = head + skull * np.array([random.uniform(0.2, 0.7), 0.7, random.uniform(-0.5, 0.3)])
        tip = start + skull * random.uniform([0, 0.2, -0.6], [1.2, 2.0, 0.6])
        parts.append(_limb(start, tip, skull * random.uniform(0.12, 0.4), 0.01, colour[random.choice([0, 2])], True))
    if random.random() < 0.85:
        tail = _curve(random, rump, [0, random.uniform(-0.8, 0.8), -1], random.uniform(0.1, 0.6), 5)
        parts += _bent(tail, thick * random.uniform(0.6, 2.2), random.uniform(0.008, 0.04), colour[0], blend=0.02)
    if random.random() < (0.25 if legs else 0.9):  # wings, fins: flat, from the side of the trunk
        wing = random.uniform([0.08, 0.006, 0.04], [0.35, 0.02, 0.16])
        tilt = random.uniform(-0.6, 1.3)
        turn = np.array([[np.cos(tilt), -np.sin(tilt), 0], [np.sin(tilt), np.cos(tilt), 0], [0, 0, 1]])
        kind = random.choice(["ellipsoid", "box"])
        centre = middle + [0.6 * wide, 0.3 * high, 0] + turn[:, 0] * wing[0]
        parts.append(Part(kind, centre, wing, colour[2], turn, is_mirrored=True))
    if random.random() < (0.1 if legs else 0.8):
        fin = random.uniform([0.006, 0.05, 0.05], [0.02, 0.16, 0.2])
        parts.append(Part("ellipsoid", middle + UP * high, fin, colour[2], blend=0.01))
    return parts


def _thing(random: Random, colour: list[np.ndarray]) -> list[Part]:
    """A tree of any primitives: a trunk, and on its sides smaller ones, mostly in mirrored pairs."""
    is_symmetric, sharp = random.random() < 0.75, random.random() < 0.5
    parts = [_random_part(random, np.zeros(3), 0.5, colour, is_trunk=True)]
    for _ in range(random.integers(0, 9)):
        parent = parts[random.integers(0, min(len(parts), 4))]
        way = random.normal(size=3)
        way /= np.linalg.norm(way)
        reach = _reach(parent, way)
        scale = 0.5 * random.uniform(0.12, 0.7)
        centre = parent.centre + way * (reach + random.uniform(-0.3, 0.2) * scale)
        part = _random_part(random, centre, scale, colour)
        if is_symmetric:
            on_axis = random.random() < 0.4
            centre = np.array([0.0 if on_axis else abs(centre[0]), centre[1], centre[2]])
            part = replace(part, centre=centre, is_mirrored=True)
        parts.append(replace(part, blend=0.0 if sharp else random.uniform(0.0, 0.06)))
    if random.random() < 0.2:  # a hole
        way = np.eye(3)[random.integers(0, 3)]
        size = np.array([random.uniform(0.05, 0.2), 2.0, 0.02])
        parts.append(Part("disc", parts[0].centre, size, colour[0], _turn(way + [0, 0, 1e-6]), blend=-1.0))
    return parts


def _random_part(random: Random, centre: np.ndarray, scale: float, colour: list[np.ndarray], is_trunk=False) -> Part:
    kind = str(random.choice(KINDS, p=[0.27, 0.27, 0.18, 0.18, 0.1]))
    flat = random.choice([1.0, 0.5, 0.12], 3, p=[0.55, 0.3, 0.15])
    size = np.maximum(scale * random.uniform(0.35, 1.0, 3) * flat, 0.012)
    if kind == "disc":
        size[2] = min(size[0], size[1]) * random.uniform(0.05, 0.9)
    elif kind == "limb":
        size = np.array([size[0] * 0.5, scale, size[2] * 0.5])
    elif kind == "ring":
        size = np.array([scale * 0.8, 0, max(scale * random.uniform(0.06, 0.3), 0.015)])
    wall = 0.0
    if is_trunk and kind in ("ellipsoid", "disc", "box") and size.min() > 0.12 and random.random() < 0.3:
        wall = random.uniform(0.02, 0.05)
    return Part(kind, centre, size, colour[random.integers(0, 6)], np.eye(3) if wall else _any_turn(random), wall=wall)


def _reach(part: Part, way: np.ndarray) -> float:
    """About how far the part goes from its middle along `way`."""
    sizes = {
        "limb": [part.size[0], part.size[1] + part.size[0], part.size[0]],
        "ring": [part.size[0], part.size[2], part.size[0]],
    }
    sizes["disc"] = [part.size[0], part.size[1], part.size[0]]
    return float(1 / np.linalg.norm((part.turn.T @ way) / np.array(sizes.get(part.kind, part.size))))


def _furniture(random: Random, colour: list[np.ndarray]) -> list[Part]:
    """A plate on legs, perhaps with a back, arms and a shelf: tables, chairs, benches, beds."""
    wide, deep, leg = random.uniform(0.2, 0.6), random.uniform(0.18, 0.4), random.uniform(0.06, 0.6)
    plate = random.uniform(0.02, 0.14)
    parts = [Part("box", np.array([0, leg + plate, 0]), np.array([wide, plate, deep]), colour[0])]
    thick, splay = random.uniform(0.016, 0.05), random.uniform(0, 0.08)
    for side in (1, -1):
        top = np.array([wide - 1.2 * thick, leg + plate, side * (deep - 1.2 * thick)])
        foot = top * [1, 0, 1] + [splay, thick, side * splay]
        if random.random() < 0.5:
            parts.append(_limb(foot, top, thick, thick, colour[1], True))
        else:
            parts.append(
                Part(
                    "box", (foot + top) / 2, np.array([thick, leg / 2 + plate / 2, thick]), colour[1], is_mirrored=True
                )
            )
    if random.random() < 0.65:
        back = random.uniform(0.1, 0.5)
        size = np.array([wide * random.uniform(0.8, 1), back, random.uniform(0.015, 0.08)])
        parts.append(
            Part("box", np.array([0, leg + plate + back, size[2] - deep]), size, colour[random.choice([0, 2])])
        )
        if random.random() < 0.5:
            arm = np.array([random.uniform(0.02, 0.08), random.uniform(0.04, 0.16), deep * random.uniform(0.7, 1)])
            parts.append(Part("box", np.array([wide, leg + plate + arm[1], 0]), arm, colour[2], is_mirrored=True))
    if random.random() < 0.3:
        parts.append(Part("box", np.array([0, leg * 0.4, 0]), np.array([wide * 0.9, 0.015, deep * 0.9]), colour[1]))
    return parts


def _vehicle(random: Random, colour: list[np.ndarray]) -> list[Part]:
    """A body along Z, a cabin, wheels, perhaps a tube or a wing."""
    wide, high, long = random.uniform(0.14, 0.25), random.uniform(0.07, 0.18), random.uniform(0.35, 0.6)
    wheel = random.uniform(0.06, 0.14)
    kind = random.choice(["box", "ellipsoid"])
    parts = [Part(kind, np.array([0, wheel + high, 0]), np.array([wide, high, long]), colour[0])]
    cabin = np.array([wide * random.uniform(0.7, 0.95), random.uniform(0.07, 0.16), long * random.uniform(0.3, 0.8)])
    place = np.array([0, wheel + 2 * high + 0.7 * cabin[1], long * random.uniform(-0.4, 0.3)])
    parts.append(Part(random.choice(["box", "ellipsoid"]), place, cabin, colour[random.choice([0, 1])], blend=0.02))
    axle = np.array([[0.0, 1.0, 0], [1.0, 0.0, 0], [0, 0, -1.0]])  # the disc's own y along x
    tyre = np.array([wheel, random.uniform(0.02, 0.05), random.uniform(0.005, 0.018)])
    for at in np.linspace(-0.65, 0.65, random.choice([2, 2, 3])) * long:
        parts.append(Part("disc", np.array([wide, wheel, at]), tyre, np.full(3, 0.02), axle, is_mirrored=True))
    if random.random() < 0.4:
        start = np.array([random.choice([0.0, 0.8]) * wide, wheel + 1.5 * high, random.uniform(-0.5, 0.5) * long])
        end = start + random.uniform([0, 0.05, -0.1], [0.02, 0.3, 0.4])
        parts.append(_limb(start, end, 0.025, 0.025, colour[2], bool(random.random() < 0.6)))
    if random.random() < 0.3:
        wing = np.array([random.uniform(0.15, 0.3), 0.015, random.uniform(0.04, 0.12)])
        parts.append(
            Part("box", parts[0].centre + [wide, random.uniform(0, high), 0], wing, colour[2], is_mirrored=True)
        )
    return parts
