# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Read Wavefront OBJ with its material files, as programs of thirty years have written them.

Owns      what the lines of an OBJ mean; the shapes of its materials.
Not here  splitting the text (`lines`), material files (`mtl`), finding files (`scene`), writing (`formats.obj`).

Alias|Wavefront, "Advanced Visualizer Manual", appendices B1 (OBJ) and B2 (MTL), 1995. Colours of vertices behind the
position are sRGB and `Kd` is linear light, as Blender and MeshLab write them. A grey `Kd` beside a picture is what
exporters leave there, and counts as white; a coloured one multiplies the picture.

Why our own code:
- trimesh 5.2 takes no options of `map_Kd`, and no spaces or backslashes in its path.
- It counts negative corners from the end of the file, and cuts concave polygons into plain fans.
"""

import io
from dataclasses import dataclass, field

import numpy as np

from fourview.arrays import Float, Int
from fourview.formats.readers.lines import joined, name_in
from fourview.formats.readers.mtl import (
    Material,
    MaterialTexture,
    read_materials,
    texture_of,
)
from fourview.formats.readers.polygons import triangulate
from fourview.formats.readers.scene import Files, Limits, Picture, Scene, Shape, Wrap, light_from_code, opened

# Slashes and double slashes of a corner, for v, v/vt, v/vt/vn and v//vn.
WAYS: dict[tuple[float, float], int] = {(0, 0): 0, (1, 0): 1, (2, 0): 2, (2, 1): 3}
GREY = 1e-3  # how far the channels of a grey `Kd` may differ


@dataclass
class _Faces:
    """Faces with equal numbers of corners, written in one way: their numbers between spaces, and their materials."""

    text: bytearray = field(default_factory=bytearray)
    material: list[int] = field(default_factory=list)


@dataclass
class _Lines:
    """The lines of an OBJ by kind. `faces`: by the way corners are written (`WAYS`) and by their number."""

    v: bytearray = field(default_factory=bytearray)
    vt: bytearray = field(default_factory=bytearray)
    v_count: int = 0
    vt_count: int = 0
    faces: dict[tuple[int, int], _Faces] = field(default_factory=dict)
    material_files: list[str] = field(default_factory=list)
    materials: list[str] = field(default_factory=lambda: [""])  # in order of use; "" before the first
    others: int = 0  # lines, points, curves and surfaces


def read(data: bytes, files: Files, limits: Limits) -> Scene:
    """The faces of an OBJ, a shape a material; raises ValueError, or `MeshError` where it is too large."""
    lines = _taken_apart(data, limits)
    scene = Scene()
    positions, colours = _vertices(lines)
    uv = _table(lines.vt, lines.vt_count, 1)
    uv = np.pad(uv, ((0, 0), (0, max(0, 2 - uv.shape[1]))))[:, :2]
    uv = np.nan_to_num(uv)
    corner, coordinate, material = _corners(lines, positions, scene, limits)
    scene.warn("points_and_lines_dropped", lines.others)
    if not len(corner):
        return scene
    known = _materials(lines, files, scene)
    used = np.unique(material)
    limits.parts(len(used))
    looks = _Looks(scene, files, limits)
    missing = [name for name in (lines.materials[number] for number in used) if name and name not in known]
    if known:
        scene.warn("material_missing", len(missing), missing)
    else:
        scene.warn("material_file_missing", len(missing), lines.material_files or missing)
    for number in used:
        at = material == number
        look = known.get(lines.materials[number], Material())
        looks.add(look, positions, colours, corner[at], uv, coordinate[at])
    looks.warn()
    return scene


def _taken_apart(data: bytes, limits: Limits) -> _Lines:
    lines, current = _Lines(), 0
    numbers = {"": 0}
    for line in joined(data):
        words = line.split(None, 1)
        if len(words) < 2:
            continue
        key, rest = words
        if key == b"v":
            lines.v += _bare(rest)
            lines.v_count += 1
        elif key == b"vt":
            lines.vt += _bare(rest)
            lines.vt_count += 1
        elif key in (b"f", b"fo"):
            _take_face(lines, _bare(rest), current)
            if len(lines.materials) > limits.parts_max:
                limits.parts(len(lines.materials))
        elif key == b"usemtl":
            name = name_in(rest)
            if name not in numbers:
                numbers[name] = len(lines.materials)
                lines.materials.append(name)
            current = numbers[name]
        elif key == b"mtllib":
            lines.material_files.append(name_in(rest))
        elif key in (b"l", b"p", b"curv", b"curv2", b"surf"):
            lines.others += 1
    limits.faces(sum(len(faces.material) * (size - 2) for (_, size), faces in lines.faces.items()))
    return lines


def _bare(rest: bytes) -> bytes:
    """A line of numbers without its comment, with its line end."""
    return rest if b"#" not in rest else rest.partition(b"#")[0] + b"\n"


def _take_face(lines: _Lines, rest: bytes, material: int) -> None:
    corners = rest.split()
    count = len(corners)
    if count < 3:
        lines.others += 1
        return
    way = WAYS.get((rest.count(b"/") / count, rest.count(b"//") / count))
    if way is None or b"-" in rest or b"/ " in rest or corners[-1].endswith(b"/"):
        way, rest = 1, b" ".join(_counted(corner, lines) for corner in corners) + b"\n"
    faces = lines.faces.setdefault((way, count), _Faces())
    faces.text += rest.replace(b"//", b" ").replace(b"/", b" ")
    faces.material.append(material)


def _counted(corner: bytes, lines: _Lines) -> bytes:
    """A corner as `v/vt`, counted from the first: negative numbers count back from the line; vt 0 is none."""
    v, vt, *_ = (*(int(part or 0) for part in corner.split(b"/")), 0)
    return b"%d/%d" % (v + (lines.v_count + 1) * (v < 0), vt + (lines.vt_count + 1) * (vt < 0))


def _table(text: bytearray, count: int, least: int) -> Float:
    """`(count, c)` numbers, c that of the longest line; what shorter lines lack is NaN."""
    if not count:
        return np.zeros((0, least))
    try:
        table = np.loadtxt(io.BytesIO(text), np.float64, comments=None, ndmin=2)
    except ValueError:  # lines of several lengths, or no numbers
        rows = [row.split() for row in bytes(text).splitlines()]
        table = np.full((len(rows), max(map(len, rows))), np.nan)
        for number, row in enumerate(rows):
            table[number, : len(row)] = [float(word) for word in row]
    if len(table) != count or table.shape[1] < least:
        raise ValueError(f"{count} vertices have {table.shape[1]} numbers in {len(table)} lines")
    return table


def _vertices(lines: _Lines) -> tuple[Float, Float | None]:
    """Positions `(v, 3)`, and colours `(v, 3)`, linear, where a line has six or seven numbers: x y z (w) r g b."""
    table = _table(lines.v, lines.v_count, 3)
    if table.shape[1] < 6:
        return table[:, :3], None
    has_w = ~np.isnan(table[:, 6]) if table.shape[1] > 6 else np.zeros(len(table), bool)
    codes = np.where(has_w[:, None], table[:, -3:], table[:, 3:6])
    if np.nanmax(codes) > 1:
        codes = codes / 255
    return table[:, :3], light_from_code(np.where(np.isnan(codes), 1, codes))


def _corners(lines: _Lines, positions: Float, scene: Scene, limits: Limits) -> tuple[Int, Int, Int]:
    """Triangles `(t, 3)` as numbers of positions and of texture coordinates (-1: none), and their materials `(t,)`."""
    found = [(np.zeros((0, 3), np.int64), np.zeros((0, 3), np.int64), np.zeros(0, np.int64))]
    rough = 0
    for (way, size), faces in lines.faces.items():
        numbers = np.loadtxt(io.BytesIO(faces.text), np.int64, comments=None, ndmin=2)
        numbers = numbers.reshape(len(faces.material), size, -1)
        v = numbers[:, :, 0] - 1
        vt = numbers[:, :, 1] - 1 if way in (1, 2) else np.full_like(v, -1)
        vt = np.where((vt >= 0) & (vt < lines.vt_count), vt, -1)
        if v.min() < 0 or v.max() >= len(positions):
            raise ValueError(f"a face names vertices {v.min() + 1} to {v.max() + 1} of {len(positions)}")
        cut, bad = triangulate(positions, v)
        rough += bad
        flat = cut.reshape(len(v), -1)
        triangles = [np.take_along_axis(named, flat, axis=1).reshape(-1, 3) for named in (v, vt)]
        found.append((triangles[0], triangles[1], np.repeat(np.array(faces.material, np.int64), size - 2)))
    scene.warn("polygons_rough", rough)
    corner, coordinate, material = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return corner, coordinate, material


# Materials


def _materials(lines: _Lines, files: Files, scene: Scene) -> dict[str, Material]:
    known: dict[str, Material] = {}
    lost = []
    for named in lines.material_files:
        # One name with spaces, or several names: programs write both.
        whole = files.find(named)
        for name, data in (
            [(named, whole)] if whole is not None else [(each, files.find(each)) for each in named.split()]
        ):
            if data is None:
                lost.append(name)
            else:
                known |= read_materials(data)
    return known


class _Looks:
    """Materials become shapes; counts what is lost."""

    def __init__(self, scene: Scene, files: Files, limits: Limits) -> None:
        self._scene, self._files, self._limits = scene, files, limits
        self._pictures: dict[tuple[str, tuple[Wrap, Wrap], bool], Picture | None] = {}
        self._lost: dict[str, int] = {}  # faces by picture
        self._ignored: list[str] = []
        self._maps = self._bare = 0

    def add(
        self, look: Material, positions: Float, colours: Float | None, corner: Int, uv: Float, coordinate: Int
    ) -> None:
        """One shape of the triangles `corner (t, 3)`, with a vertex for each position and texture coordinate."""
        self._maps += look.maps > 0
        texture = texture_of(look.map) if look.map else None
        picture = None
        if texture is not None:
            picture = self._picture(texture, look.has_alpha_map)
            self._ignored += texture.ignored
            if picture is None:
                self._lost[texture.name] = self._lost.get(texture.name, 0) + len(corner)
        has_uv = picture is not None and bool((coordinate >= 0).any())
        self._bare += len(corner) * (picture is not None and not has_uv)
        key = corner * (len(uv) + 1) + (coordinate + 1 if has_uv else 0)
        kept, faces = np.unique(key, return_inverse=True)
        at, of = np.divmod(kept, len(uv) + 1)
        seen = None if colours is None or has_uv else colours[at]  # a picture and colours record the same look twice
        dye = look.colour
        if dye is not None and (has_uv or seen is not None) and np.ptp(dye) < GREY:
            dye = None
        if dye is not None:
            seen = dye[None] if seen is None else seen * dye
        places = None
        if has_uv and texture is not None:
            places = np.where((of > 0)[:, None], uv[of - 1], 0.0) * texture.scale + texture.offset
        shape = Shape(positions[at], faces.reshape(corner.shape), places, picture if has_uv else None, seen, look.alpha)
        self._scene.add(shape)

    def _picture(self, texture: MaterialTexture, has_alpha_map: bool) -> Picture | None:
        key = (texture.name, texture.wrap, has_alpha_map)
        if key not in self._pictures:
            data = self._files.find(texture.name)
            image = opened(data, self._limits) if data is not None else None
            made = None if image is None else Picture(image, texture.wrap, 0.5 if has_alpha_map else None)
            self._pictures[key] = made
        return self._pictures[key]

    def warn(self) -> None:
        self._scene.warn("picture_missing", sum(self._lost.values()), [*self._lost])
        self._scene.warn("texture_coordinates_missing", self._bare)
        self._scene.warn("map_options_ignored", len(self._ignored), self._ignored)
        self._scene.warn("material_maps_dropped", self._maps)
