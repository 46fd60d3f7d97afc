# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Geometry of glTF: where nodes stand, which triangles are drawn, what a skin moves, where texture coordinates lie.

Owns      the formulas. Not here: walking a file (`gltf`), bytes become numbers (`arrays`).
"""

from typing import Any

import numpy as np

from fourview.arrays import Float, Int
from fourview.formats.readers.ply import unstripped

Json = dict[str, Any]

TRIANGLES, STRIP, FAN = 4, 5, 6
SKIN_PASS = 1 << 18  # vertices that are skinned at once


def roots_of(nodes: list[Json]) -> list[int]:
    below = {child for node in nodes for child in node.get("children", ())}
    return [number for number in range(len(nodes)) if number not in below]


def walked(nodes: list[Json], roots: list[int]) -> dict[int, Float]:
    """The matrix of every node at or below `roots`, by its number, without hidden ones."""
    world: dict[int, Float] = {}
    left: list[tuple[int, Float]] = [(int(root), np.eye(4)) for root in reversed(roots)]
    while left:
        number, above = left.pop()
        if number in world:
            raise ValueError(f"node {number} hangs below two others")
        node = nodes[number]
        if node.get("extensions", {}).get("KHR_node_visibility", {}).get("visible", True) is False:
            continue
        world[number] = above @ matrix_of(node)
        left += [(int(child), world[number]) for child in reversed(node.get("children", []))]
    return world


def matrix_of(node: Json) -> Float:
    """The `(4, 4)` of a node: its matrix, or its translation, rotation (a quaternion x y z w) and scale."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", (0, 0, 0, 1)), np.float64)
    n = x * x + y * y + z * z + w * w
    s = 2 / n if n else 0.0
    turn = np.array([
        [1 - s * (y * y + z * z), s * (x * y - z * w), s * (x * z + y * w)],
        [s * (x * y + z * w), 1 - s * (x * x + z * z), s * (y * z - x * w)],
        [s * (x * z - y * w), s * (y * z + x * w), 1 - s * (x * x + y * y)],
    ])  # fmt: skip
    matrix = np.eye(4)
    matrix[:3, :3] = turn * np.array(node.get("scale", (1, 1, 1)), np.float64)
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix


def faces_drawn(indices: Int | None, count: int, mode: int) -> Int | None:
    """Triangles `(t, 3)` of what is drawn; None for points and lines."""
    corners = np.arange(count) if indices is None else indices.ravel().astype(np.int64)
    if mode == TRIANGLES or (indices is not None and indices.shape[1] == 3):  # Draco keeps no strips
        return corners[: len(corners) // 3 * 3].reshape(-1, 3)
    if mode == STRIP:
        return unstripped(corners)
    if mode == FAN:
        first = np.broadcast_to(corners[:1], (max(0, len(corners) - 2),))
        return np.stack([corners[1:-1], corners[2:], first], axis=1)
    return None


def skinned(vertices: Float, attributes: dict[str, Float], moves: Float) -> tuple[Float, bool]:
    """The vertices moved by the weighted matrices of their joints; whether that mirrors them."""
    sets = [k for k in range(8) if f"JOINTS_{k}" in attributes and f"WEIGHTS_{k}" in attributes]
    joints = np.concatenate([attributes[f"JOINTS_{k}"] for k in sets], axis=1).astype(np.int64)  # (v, 4 k)
    weights = np.concatenate([attributes[f"WEIGHTS_{k}"] for k in sets], axis=1).astype(np.float64)
    if joints.min() < 0 or joints.max() >= len(moves):
        raise ValueError(f"a vertex hangs on joint {joints.max()} of {len(moves)}")
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    placed = np.empty_like(vertices)
    for start in range(0, len(vertices), SKIN_PASS):
        part = slice(start, start + SKIN_PASS)
        mixed = np.zeros((len(vertices[part]), 3, 4))
        for k in range(joints.shape[1]):
            mixed += weights[part, k, None, None] * moves[joints[part, k], :3]
        placed[part] = np.einsum("vij,vj->vi", mixed[:, :, :3], vertices[part]) + mixed[:, :, 3]
    main = joints[np.arange(len(joints)), weights.argmax(axis=1)]
    return placed, bool(np.linalg.det(moves[:, :3, :3])[main].mean() < 0)


def with_alpha(colours: Float) -> Float:
    return colours if colours.shape[1] > 3 else np.pad(colours, ((0, 0), (0, 1)), constant_values=1)


def placed(uv: Float, transform: Json | None) -> Float:
    """Texture coordinates after KHR_texture_transform, their origin at the bottom left.

    A positive angle turns them against the clock as the picture is seen, v down: u' = c u + s v, as the Khronos sample
    viewer, three.js and Blender have it; the matrix in the extension's text is the transpose of that.
    """
    placed = uv[:, :2].astype(np.float64)
    if transform is not None:
        angle = float(transform.get("rotation", 0))
        c, s = np.cos(angle), np.sin(angle)
        placed = placed * transform.get("scale", (1, 1)) @ np.array([[c, s], [-s, c]]).T + transform.get(
            "offset", (0, 0)
        )
    return np.stack([placed[:, 0], 1 - placed[:, 1]], axis=1)
