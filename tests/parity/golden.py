# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Recorded tensors of the official network: where they are, what they hold, and how we compare with them.

They are not part of the repository. `FOURVIEW_GOLDEN` names their folder, that which contains `shape/` or `shape/`
itself; without it `../shared/golden` beside the repository is taken. Sizes, names and step counts are read from the
files, never written here, so that recordings of other networks can be laid there.
"""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from require import ELSEWHERE
from safetensors import safe_open
from scipy.spatial import cKDTree

from fourview.shape.hunyuan2mv.checkpoint import UNNAMED
from fourview.shape.hunyuan2mv.tensor_names import VAE_ENCODER, VAE_NAMES, renames
from fourview.shape.hunyuan2mv.vae import ShapeVae, VaeParams
from fourview.weights.load import renamed

SHARED = Path(__file__).parents[3] / "shared"
WEIGHTS = ("model.", "vae.", "conditioner.")

# What a file is about, by its name; the first that fits. Each kind has its tests.
KINDS = {
    "pictures": "preprocess*.safetensors",
    "conditioner": "conditioner*.safetensors",
    "transformer": "dit*.safetensors",
    "schedules": "scheduler*.safetensors",
    "noise": "initial_noise*.safetensors",
    "vae": "vae*.safetensors",
    "grids": "grid*.safetensors",
    "surface": "surface*.safetensors",
    "mesh": "postprocess*.safetensors",
    "whole": "*/golden.safetensors",
    "weights of a whole": "*/model*.safetensors",
    "sizes of a whole": "*/config.yaml",
    "words": "README.md",
}


def folder() -> Path | None:
    """The folder of the shape stage's recordings, None where there are none."""
    if named := os.environ.get("FOURVIEW_GOLDEN"):
        found = Path(named) / "shape" if (Path(named) / "shape").is_dir() else Path(named)
        if not any(found.glob("*.safetensors")):
            raise FileNotFoundError(f"FOURVIEW_GOLDEN is {named}; expected a folder that contains shape/, or is it")
        return found
    return SHARED / "golden/shape" if (SHARED / "golden/shape").is_dir() else None


def manifests() -> Path | None:
    """The folder of the lists of official tensor names, None where there is none."""
    if named := os.environ.get("FOURVIEW_MANIFESTS"):
        return Path(named)
    beside = [shape.parents[1] / "reference" for shape in [folder()] if shape is not None]
    places = [place / "checkpoints" for place in (*beside, SHARED / "reference")]
    return next(filter(Path.is_dir, places), None)


def kind_of(path: Path) -> str | None:
    """What the file at `path`, relative to the folder, is about."""
    return next(
        (kind for kind, name in KINDS.items() if path.match(name) and len(path.parts) == name.count("/") + 1), None
    )


def recordings(kind: str) -> list:
    """The files of a kind, for `parametrize`; where there are none, a test that is skipped and says why."""
    assert kind in KINDS
    shape = folder()
    found = [] if shape is None else [path for path in files(shape) if kind_of(path.relative_to(shape)) == kind]
    cases = [pytest.param(path, id=str(path.relative_to(shape).with_suffix(""))) for path in found]
    return cases or [_skipped("recordings", "FOURVIEW_GOLDEN") if shape is None else _none_of(kind, shape)]


def files(shape: Path) -> list[Path]:
    return sorted(filter(Path.is_file, shape.rglob("*")))


def manifest_files() -> list:
    place = manifests()
    if place is None:
        return [_skipped("manifests", "FOURVIEW_MANIFESTS")]
    found = sorted(place.glob("hunyuan3d-*.json"))
    assert found, f"{place} holds no hunyuan3d-*.json"
    return [pytest.param(path, id=path.stem) for path in found]


def _skipped(what: str, variable: str) -> object:
    reason = f"{ELSEWHERE}the {what}; {variable} names their folder"
    return pytest.param(None, marks=pytest.mark.skip(reason=reason), id="absent")


def _none_of(kind: str, shape: Path) -> object:
    return pytest.param(None, marks=pytest.mark.skip(reason=f"{shape} holds nothing about {kind}"), id="absent")


class Recording:
    """A file. As a context it fails at its end if there was a key in the file that nobody asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with safe_open(path, "pt") as file:
            self.words = file.metadata() or {}
            self.tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        self.left = {key for key in self.tensors if not key.startswith(WEIGHTS)}

    def __enter__(self) -> "Recording":
        return self

    def __exit__(self, kind, *_) -> None:
        if kind is None:
            assert not self.left, f"{self.path.name} holds what no test covers: {sorted(self.left)}"

    def __contains__(self, key: str) -> bool:
        return key in self.tensors

    def __getitem__(self, key: str) -> torch.Tensor:
        self.left.discard(key)
        return self.tensors[key]

    def get(self, key: str) -> torch.Tensor | None:
        self.left.discard(key)
        return self.tensors.get(key)

    def named(self, start: str = "", end: str = "") -> list[str]:
        """The keys that begin and end so, without weights."""
        return [k for k in self.tensors if k.startswith(start) and k.endswith(end) and not k.startswith(WEIGHTS)]

    def said(self, key: str) -> dict:
        """The JSON in the metadata, {} where there is none."""
        return json.loads(self.words.get(key, "{}"))

    def weights(self, prefix: str, names: tuple, without: tuple[str, ...] = ()) -> dict[str, torch.Tensor]:
        """The tensors that begin with `prefix`, by our names, float32."""
        bare = {key.removeprefix(prefix): value for key, value in self.tensors.items() if key.startswith(prefix)}
        return {renamed(k, renames(names)): v.float() for k, v in bare.items() if not k.startswith(without or "//")}

    def agree(self, key: str, got, tolerance: float) -> None:
        """Compare with what is recorded, if it is: exactly where `tolerance` is 0."""
        if key in self:
            agree(got, self[key], tolerance, f"{self.path.parent.name}/{self.path.name} {key}")


def agree(got, want, tolerance: float, stage: str) -> None:
    """`max |a - b| / (1 + |b|)` is within `tolerance`, and NaN is where NaN is."""
    a, b = (x.double().numpy() if isinstance(x, torch.Tensor) else np.asarray(x, np.float64) for x in (got, want))
    assert a.shape == b.shape, f"{stage}: shape {a.shape}, recorded {b.shape}"
    known = ~np.isnan(b)
    differ = int((np.isnan(a) == known).sum())
    assert not differ, f"{stage}: {differ} of {a.size} values are NaN on one side only"
    error = np.abs(a - b)[known] / (1 + np.abs(b[known]))
    off = error.max(initial=0.0)
    assert off <= tolerance, (
        f"{stage}: off by {off:.3g}, {tolerance:.3g} is allowed; {(error > tolerance).mean():.2%} are"
    )


def sized(kind: type, config: dict):
    """Params of a `kind` from a config of their own; what official code has defaults for may be missing."""
    return kind(**{field.name: {**UNNAMED, **config}[field.name] for field in dataclasses.fields(kind)})


def recorded_vae(recording: Recording) -> ShapeVae:
    """The shape decoder whose weights a recording holds."""
    vae = ShapeVae(sized(VaeParams, recording.said("config")))
    vae.load_state_dict(recording.weights("vae.", VAE_NAMES, without=VAE_ENCODER))
    return vae.eval()


def distance(points: np.ndarray, vertices: np.ndarray, faces: np.ndarray, candidates: int = 48) -> np.ndarray:
    """From each of `points (n, 3)` to the surface, `(n,)`, never too small: the nearest of some nearby triangles.

    The nearest point of a triangle is in its plane, on an edge or a corner; the edges' nearest points hold the corners.
    """
    corners = vertices[faces].astype(np.float64)  # (f, 3, 3)
    _, near = cKDTree(corners.mean(axis=1)).query(points, k=min(candidates, len(faces)))
    found = np.full(len(points), np.inf)
    for column in np.reshape(near, (len(points), -1)).T:
        triangle = corners[column]  # (n, 3, 3)
        for k in range(3):
            start, edge = triangle[:, k], triangle[:, (k + 1) % 3] - triangle[:, k]
            along = _dot(points - start, edge) / np.maximum(_dot(edge, edge), 1e-300)
            found = np.minimum(found, np.linalg.norm(points - start - along.clip(0, 1)[:, None] * edge, axis=1))
        u, v, w = triangle[:, 1] - triangle[:, 0], triangle[:, 2] - triangle[:, 0], points - triangle[:, 0]
        normal = np.cross(u, v)
        size = np.maximum(_dot(normal, normal), 1e-300)
        b, c = _dot(np.cross(w, v), normal) / size, _dot(np.cross(u, w), normal) / size
        inside = (b >= 0) & (c >= 0) & (b + c <= 1) & (_dot(normal, normal) > 0)
        found = np.where(inside, np.minimum(found, np.abs(_dot(w, normal)) / np.sqrt(size)), found)
    return found


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1)
