# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The weights that can be downloaded, and where they are.

Owns      the entries: repository, revision, files, sizes, hashes, licence; the folders that are searched.
Not here  fetching (`pull`), checking (`verify`), reading (`load`).

Sizes and hashes are listed where they are published. Where they are not (None), `pull` checks and records what the hub
states for the revision.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from fourview.errors import CheckpointError


@dataclass(frozen=True)
class File:
    """One file of an entry; `size` in bytes."""

    name: str
    size: int | None = None
    sha256: str | None = None


@dataclass(frozen=True)
class Licence:
    """Under which terms weights may be used; `territory` is our summary, the text at `url` counts."""

    name: str
    url: str
    territory: str


@dataclass(frozen=True)
class Entry:
    """Weights that can be pulled; `download_size` is about the size of the download, bytes."""

    name: str
    variant: str
    repository: str
    subfolder: str
    revision: str
    files: tuple[File, ...]
    download_size: int
    licence: Licence


TERRITORY = (
    "It does not apply in the European Union, the United Kingdom and South Korea: it grants no licence there. "
    "Above one million monthly users a separate licence of Tencent is needed."
)
MV = "tencent/Hunyuan3D-2mv"
SINGLE = "tencent/Hunyuan3D-2"
TERMS = {
    repository: Licence(
        "Tencent Hunyuan 3D 2.0 Community License",
        f"https://huggingface.co/{repository}/blob/main/LICENSE",
        TERRITORY,
    )
    for repository in (MV, SINGLE)
}
CONFIG, MODEL = "config.yaml", "model.fp16.safetensors"
UNKNOWN = (File(CONFIG), File(MODEL))

ENTRIES = {
    entry.name: entry
    for entry in (
        Entry(
            "hunyuan2mv",
            "base: guidance takes a second pass in every step",
            MV,
            "hunyuan3d-dit-v2-mv",
            "3a761b539b29fe4ff64714813aa9560fd66f5de0",
            (
                File(CONFIG, 1608, "315fd5bf601d1d103130b9fda202f1bd28eda495e68ed1621bc823d5519c5e5b"),
                File(MODEL, 4_928_151_562, "d36f5881bcdc56726b73e517cd444c13c60732431622da7268145355c8d38e9c"),
            ),
            4_928_153_170,
            TERMS[MV],
        ),
        Entry(
            "hunyuan2mv-fast",
            "fast: guidance-distilled, one pass a step",
            MV,
            "hunyuan3d-dit-v2-mv-fast",
            "main",
            UNKNOWN,
            4_930_777_530,
            TERMS[MV],
        ),
        Entry(
            "hunyuan2mv-turbo",
            "turbo: distilled to one pass and few steps",
            MV,
            "hunyuan3d-dit-v2-mv-turbo",
            "main",
            UNKNOWN,
            4_930_777_530,
            TERMS[MV],
        ),
        Entry(
            "hunyuan2-vae-turbo",
            "the turbo decoder, for any of the three",
            SINGLE,
            "hunyuan3d-vae-v2-0-turbo",
            "main",
            UNKNOWN,
            407_410_402,
            TERMS[SINGLE],
        ),
    )
}


def find(name: str) -> Entry:
    """The entry called `name`; raises `CheckpointError` with the names there are."""
    if name not in ENTRIES:
        raise CheckpointError(f"there are no weights '{name}' in the catalogue; name one of {', '.join(ENTRIES)}")
    return ENTRIES[name]


def root() -> Path:
    """The folder of our weights: `$FOURVIEW_WEIGHTS`, else one in the user's cache; raises `CheckpointError`."""
    chosen = os.environ.get("FOURVIEW_WEIGHTS")
    place = chosen or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/fourview/weights"
    try:
        return Path(place).expanduser()
    except RuntimeError:
        raise CheckpointError(
            f"weights would lie in {place}, and this user has no home folder (HOME is not set, and there is no passwd "
            "entry): set FOURVIEW_WEIGHTS to a folder"
        ) from None


def official_root() -> Path:
    """The folder of the official program's weights; it does not exist for a user without a home folder."""
    return Path(os.path.expanduser(os.environ.get("HY3DGEN_MODELS") or "~/.cache/hy3dgen"))


def hub_snapshot(entry: Entry) -> Path | None:
    """Where the hub's client keeps the revision of `entry` in its cache; None where it has never fetched it."""
    base = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    cache = Path(os.path.expanduser(os.environ.get("HF_HUB_CACHE") or f"{base}/hub"))
    repository = cache / f"models--{entry.repository.replace('/', '--')}"
    revision, pointer = entry.revision, repository / "refs" / entry.revision
    try:
        if pointer.is_file():  # a branch: the file holds the commit that it stood at
            revision = pointer.read_text("utf-8").strip()
        place = repository / "snapshots" / revision / entry.subfolder
        return place if place.is_dir() else None
    except (OSError, ValueError):
        return None


def home(entry: Entry) -> Path:
    """Our folder into which `pull` puts `entry`."""
    return root() / entry.repository / entry.subfolder


def found(entry: Entry) -> Path | None:
    """The folder with every file of `entry`: ours, the official one or the hub's cache, in this order; or None."""
    places = home(entry), official_root() / entry.repository / entry.subfolder, hub_snapshot(entry)
    return next(
        (place for place in places if place and all((place / file.name).is_file() for file in entry.files)), None
    )


def path(entry: Entry) -> Path:
    """The folder that holds `entry`; raises `CheckpointError` with the command that fetches it."""
    folder = found(entry)
    if folder is None:
        raise CheckpointError(
            f"the weights {entry.name} are neither in {root()} nor in {official_root()}: "
            f"`fourview weights pull {entry.name} --accept-licence` ({entry.download_size / 1e9:.1f} GB)"
        )
    return folder
