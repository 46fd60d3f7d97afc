# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Read PLY: text or binary of either byte order, with colours and texture coordinates of vertices or of faces.

Owns      what the columns mean, and the shapes that they make.
Not here  the header, rows of numbers and lists (`ply_tables`), writing (`formats.ply`).

G. Turk, "The PLY Polygon File Format", 1994; the names of columns are those that MeshLab, Blender and CloudCompare
write.

Why our own code: trimesh 5.2 cuts colours of 16 bits to their low byte and concave polygons into plain fans; `plyfile`
is GPL.
"""

import numpy as np

from fourview.arrays import Float, Int
from fourview.formats.readers.ply_tables import Element, Table, binary_tables, read_header, text_tables
from fourview.formats.readers.polygons import triangulate
from fourview.formats.readers.scene import Files, Limits, Picture, Scene, Shape, light_from_code, opened

COLOURS = (("red", "green", "blue"), ("diffuse_red", "diffuse_green", "diffuse_blue"), ("r", "g", "b"))
COORDINATES = (("s", "t"), ("u", "v"), ("texture_u", "texture_v"), ("texture_s", "texture_t"))
CORNERS = ("vertex_indices", "vertex_index")
CORNERED = ("face", "tristrips")  # the elements that have these


def read(data: bytes, files: Files, limits: Limits) -> Scene:
    """The faces of a PLY; raises ValueError, or `MeshError` where it is too large."""
    elements, order, pictures, body = read_header(data)
    for element in elements:
        if element.name in CORNERED:
            limits.faces(element.count)
        limits.numbers(element.count * len(element.columns))
    tables = text_tables(body, elements) if order == "=" else binary_tables(body, elements, order)
    scene = Scene()
    about = {element.name: element for element in elements}
    if tables.get("vertex") and any(tables.get(name) for name in CORNERED):
        _shapes(scene, tables, about, [(name, _picture(name, files, limits)) for name in pictures], limits)
    return scene


def _picture(name: str, files: Files, limits: Limits) -> Picture | None:
    data = files.find(name)
    image = opened(data, limits) if data is not None else None
    return Picture(image) if image is not None else None


def _shapes(
    scene: Scene,
    tables: dict[str, Table],
    about: dict[str, Element],
    pictures: list[tuple[str, Picture | None]],
    limits: Limits,
) -> None:
    """One shape for each picture of the file, or one for all. Colours stand in for a picture that is not there."""
    vertex, faces = tables["vertex"], tables.get("face", {})
    points = _columns(vertex, ("x", "y", "z"))
    if points is None:
        raise ValueError("its vertices have no x, y and z")
    corners, face, places, rough = _triangles(points, faces, tables.get("tristrips", {}), limits)
    if not len(corners):
        return
    scene.warn("polygons_rough", rough)
    colours = _colours(vertex, about["vertex"])
    coordinates = next((uv for names in COORDINATES if (uv := _columns(vertex, names)) is not None), None)
    of_face = None if colours is not None or "face" not in about else _colours(faces, about["face"])
    wedges = _wedges(faces, face, places)
    if of_face is not None or wedges is not None:  # with data of corners, each corner gets a vertex of its own
        flat = corners.ravel()
        points, corners = points[flat], np.arange(len(flat)).reshape(-1, 3)
        colours = colours[flat] if colours is not None else None
        if of_face is not None:
            colours = np.repeat(of_face[face], 3, axis=0)
        coordinates = coordinates[flat] if coordinates is not None and wedges is None else wedges
    number = np.zeros(len(corners), np.int64)
    if "texnumber" in faces and len(pictures) > 1:
        number = np.asarray(faces["texnumber"])[face].astype(np.int64)
    for each in np.unique(number):
        on = corners[number == each]
        name, picture = pictures[each] if 0 <= each < len(pictures) else ("", None)
        scene.warn("picture_missing", len(on) * (bool(name) and picture is None), [name])
        if picture is not None and coordinates is not None:
            scene.add(Shape(points, on, coordinates, picture))
        else:
            scene.warn("texture_coordinates_missing", len(on) * (picture is not None))
            scene.add(Shape(points, on, colours=colours))


def _triangles(points: Float, faces: Table, strips: Table, limits: Limits) -> tuple[Int, Int, Int, int]:
    """Triangles `(t, 3)`, the face `(t,)` and the corners of that face `(t, 3)` each comes from; how many are rough."""
    lists = next((faces[name] for name in CORNERS if name in faces), [])
    lengths = np.array([len(row) for row in lists]) if isinstance(lists, list) else np.full(len(lists), lists.shape[1])
    limits.faces(int(np.maximum(lengths - 2, 0).sum()))
    nothing = np.zeros((0, 3), np.int64)
    found: list[tuple[Int, Int, Int]] = [(nothing, nothing[:, 0], nothing)]
    rough = 0
    for size in np.unique(lengths[lengths > 2]):
        face = np.flatnonzero(lengths == size)
        polygons = np.stack([lists[k] for k in face]) if isinstance(lists, list) else lists[face]
        polygons = polygons.astype(np.int64)
        if polygons.min() < 0 or polygons.max() >= len(points):
            raise ValueError(f"a face has the corner {polygons.max()} of {len(points)} vertices")
        cut, bad = triangulate(points, polygons)
        rough += bad
        triangles = np.take_along_axis(polygons, cut.reshape(len(face), -1), axis=1).reshape(-1, 3)
        found.append((triangles, np.repeat(face, size - 2), cut.reshape(-1, 3)))
    for strip in strips.get("vertex_indices", strips.get("vertex_index", [])):
        cut = unstripped(np.asarray(strip, np.int64))
        limits.faces(len(cut))
        if len(cut) and cut.max() >= len(points):
            raise ValueError(f"a strip has the corner {cut.max()} of {len(points)} vertices")
        found.append((cut, np.zeros(len(cut), np.int64), np.zeros_like(cut)))
    corners, face, places = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return corners, face, places, rough


def unstripped(strip: Int) -> Int:
    """The triangles `(t, 3)` of a strip of corners `(n,)`, in which -1 begins another strip; none without area."""
    runs = np.split(strip, np.flatnonzero(strip < 0))
    found = [np.zeros((0, 3), np.int64)]
    for run in (run[run >= 0] for run in runs):
        at = np.arange(max(0, len(run) - 2))
        found.append(np.stack([run[at], run[at + 1 + at % 2], run[at + 2 - at % 2]], axis=1))
    triangles: Int = np.concatenate(found)
    a, b, c = triangles.T
    solid: Int = triangles[(a != b) & (b != c) & (c != a)]
    return solid


def _columns(table: Table, names: tuple[str, ...]) -> Float | None:
    if not all(name in table for name in names):
        return None
    return np.stack([np.asarray(table[name], np.float64) for name in names], axis=1)


def _colours(table: Table, element: Element) -> Float | None:
    for names in COLOURS:
        if (codes := _columns(table, names)) is not None:
            full = element.code_max(names[0])
            return light_from_code(codes / (255 if full == 1 and len(codes) and codes.max() > 1 else full))
    return None


def _wedges(faces: Table, face: Int, places: Int) -> Float | None:
    """The texture coordinates of the corners `(3 t, 2)`, where faces list their own."""
    if "texcoord" not in faces:
        return None
    rows = faces["texcoord"]
    widest = max((len(row) for row in rows), default=0)
    padded = np.zeros((len(rows), max(widest, 2)))
    for number, row in enumerate(rows):
        padded[number, : len(row)] = row
    flat = padded[:, : padded.shape[1] // 2 * 2].reshape(len(rows), -1, 2)
    return flat[np.repeat(face, 3), np.minimum(places.ravel(), flat.shape[1] - 1)]
