# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Fetch weights from the hub into our own folder, and remove them.

Owns      the licence that must be accepted, space on the disk, resuming a download, refusing a wrong file.
Not here  which weights there are (`catalogue`), checking them later (`verify`).

The hub's own client makes the requests. It lacks two things that large files need (measured with version 2.4): an
interrupted file starts again from its first byte in the next run, and no hash is compared. So the bytes go into a
`.part` file, named after the hash that the hub announces; the next run requests the rest, and a file gets its name only
when its hash is the expected one. Plain HTTP is used, also where `hf-xet` is installed.
"""

import io
import json
import logging
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fourview.errors import CheckpointError, DownloadError, FourviewError, MissingExtraError
from fourview.install import install_line
from fourview.progress import Tick, no_tick
from fourview.weights.catalogue import Entry, File, found, home, root
from fourview.weights.verify import RECORD, hash_of

LOCK = ".lock"  # held while a pull writes to its folder


@dataclass(frozen=True)
class _Answer:
    """What the hub says of a file: its `etag` is a sha256 or, of a small file, a git id; `size` in bytes."""

    file: File
    commit: str
    etag: str
    size: int | None


def pull(entry: Entry, *, accept_licence: bool, offline: bool = False, tick: Tick = no_tick) -> Path:
    """The folder that holds `entry`, fetched from the hub if it is not on this machine."""
    if folder := found(entry):
        return folder
    try:
        from filelock import FileLock, Timeout
        from huggingface_hub import constants
    except ImportError as error:
        raise MissingExtraError(
            f"pulling weights needs an extra that is not installed; {install_line('hunyuan')}"
        ) from error
    if offline or constants.HF_HUB_OFFLINE:
        raise DownloadError(
            f"{entry.name} is not on this machine and may not be fetched (offline mode): pull it where there is a "
            f"network, and copy the folder to {home(entry)}"
        )
    if not accept_licence:
        raise DownloadError(
            f"{entry.name} comes under the {entry.licence.name} ({entry.licence.url}), which has not been accepted: "
            "read it, then say --accept-licence"
        )
    folder = home(entry)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK, timeout=0), _quiet_library():
            _fetch_all(entry, folder, tick)
    except Timeout as error:
        raise DownloadError(f"another pull is writing to {folder}: wait until it is done") from error
    except OSError as error:
        raise DownloadError(f"{folder} cannot be written ({error.strerror or error}): free it, or set FOURVIEW_WEIGHTS "
                            "to another folder") from error  # fmt: skip
    return folder


def remove(entry: Entry) -> Path:
    """Delete the folder that `pull` made for `entry`, and nothing else."""
    folder = home(entry)
    if not folder.is_dir():
        raise CheckpointError(
            f"{entry.name} is not in {root()}; only what `fourview weights pull` put there is removed"
        )
    if folder.resolve() != root().resolve() / entry.repository / entry.subfolder:
        raise CheckpointError(f"{folder} leads out of {root()} to {folder.resolve()}: delete that by hand")
    ours = {RECORD, LOCK, *((file.name for file in entry.files) if (folder / RECORD).is_file() else ())}
    others = sorted(path.name for path in folder.iterdir() if path.name not in ours and path.suffix != ".part")
    if others:
        raise CheckpointError(
            f"{folder} holds {', '.join(others)}, which `fourview weights pull` did not put there: delete it by hand"
        )
    shutil.rmtree(folder)
    return folder


def _fetch_all(entry: Entry, folder: Path, tick: Tick) -> None:
    answers: list[_Answer] = []
    for file in entry.files:  # all of the commit in the first answer
        answers.append(_ask(entry, file, answers[0].commit if answers else entry.revision))
    parts = [folder / f"{answer.file.name}.{answer.etag}.part" for answer in answers]
    for old in set(folder.glob("*.part")) - set(parts):  # of a revision that the hub no longer names
        old.unlink()
    for answer, part in zip(answers, parts, strict=True):  # complete files of an incomplete set are checked again
        if (there := folder / answer.file.name).exists():
            there.replace(part)
    total = sum(answer.size or 0 for answer in answers)
    here = sum(part.stat().st_size for part in parts if part.exists())
    if (free := shutil.disk_usage(folder).free) < total - here:
        raise DownloadError(
            f"{folder} has {free / 1e9:.1f} GB free and {entry.name} needs {(total - here) / 1e9:.1f} GB more: "
            "make room, or set FOURVIEW_WEIGHTS to a folder on another disk"
        )
    record, before = {}, 0
    for answer, part in zip(answers, parts, strict=True):

        def watch(size: int, before: int = before) -> None:
            tick(min((before + size) / max(total, 1), 1.0))

        _fetch(entry, answer, part, watch)
        record[answer.file.name] = {"size": part.stat().st_size, "sha256": _checked(entry, answer, part)}
        before += part.stat().st_size
    text = {"name": entry.name, "repository": entry.repository, "commit": answers[0].commit, "files": record}
    (folder / RECORD).write_text(json.dumps(text, indent=1) + "\n")
    for answer, part in zip(answers, parts, strict=True):
        part.replace(folder / answer.file.name)


def _ask(entry: Entry, file: File, revision: str) -> _Answer:
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with _named_errors(entry, file, revision):
        url = hf_hub_url(entry.repository, file.name, subfolder=entry.subfolder, revision=revision)
        head = get_hf_file_metadata(url)
    commit, etag = head.commit_hash or "", head.etag or ""
    if not re.fullmatch("[0-9a-f]{40}", commit) or not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", etag):
        raise DownloadError(
            f"{url} answers with the commit {commit!r} and the hash {etag!r}, which are none: is HF_ENDPOINT a hub?"
        )
    is_other = len(etag) == 64 and file.sha256 not in (None, etag)
    if is_other or (file.size is not None and head.size not in (None, file.size)):
        raise DownloadError(
            f"{url} has {head.size} bytes and the hash {etag}; the catalogue says {file.size} and {file.sha256}: "
            "that is another file, do not use it"
        )
    return _Answer(file, commit, etag, head.size)


def _fetch(entry: Entry, answer: _Answer, part: Path, watch: Callable[[int], None]) -> None:
    """Download the rest of `part`."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    have = part.stat().st_size if part.exists() else 0
    if have == answer.size:
        return
    if answer.size is None or have > answer.size:
        have = 0
    url = hf_hub_url(entry.repository, answer.file.name, subfolder=entry.subfolder, revision=answer.commit)
    headers = {**build_hf_headers(library_name="fourview"), "Accept-Encoding": "identity"}
    with (
        _named_errors(entry, answer.file, answer.commit, part),
        _Watched(io.FileIO(part, "ab" if have else "wb"), watch) as file,
    ):
        http_get(url, file, resume_size=have, headers=headers, expected_size=answer.size)


class _Watched(io.BufferedWriter):
    """A file that tells `watch` how long it is whenever it grows."""

    def __init__(self, raw: io.FileIO, watch: Callable[[int], None]) -> None:
        super().__init__(raw)
        self.watch = watch

    def write(self, data: Any, /) -> int:
        written = super().write(data)
        self.watch(self.tell())
        return written


def _checked(entry: Entry, answer: _Answer, part: Path) -> str:
    """The sha256 of `part`; a file with another content than was announced is deleted."""
    sha256 = hash_of(part, "sha256")
    wanted = answer.file.sha256 or answer.etag
    got = sha256 if len(wanted) == 64 else hash_of(part, "git")
    if got != wanted:
        part.unlink()
        raise DownloadError(
            f"{answer.file.name} of {entry.name} came with the hash {got}; {wanted} is expected: it was damaged or "
            "changed on its way and has been deleted, pull again"
        )
    return sha256


@contextmanager
def _named_errors(entry: Entry, file: File, revision: str, part: Path | None = None) -> Iterator[None]:
    """Turns what the hub's client raises into a `DownloadError` with a cure."""
    from huggingface_hub import constants, errors

    what = f"{entry.subfolder}/{file.name}"
    try:
        yield
    except FourviewError:
        raise
    except errors.RevisionNotFoundError as error:
        raise DownloadError(
            f"{entry.repository} has no revision {revision} at {constants.ENDPOINT}: a newer fourview may know another"
        ) from error
    except (errors.RepositoryNotFoundError, errors.EntryNotFoundError) as error:
        raise DownloadError(
            f"{entry.repository} with {what} is not at {constants.ENDPOINT}: a newer fourview may know where it is"
        ) from error
    except Exception as error:  # of requests, httpx or httpx2, by the client's version
        kept = f"{part.stat().st_size} bytes are kept and it goes on from there" if part else "nothing was fetched yet"
        raise DownloadError(
            f"{what} could not be fetched from {constants.ENDPOINT} ({type(error).__name__}: "
            f"{str(error).splitlines()[0] if str(error) else ''}); pull again: {kept}"
        ) from error


@contextmanager
def _quiet_library() -> Iterator[None]:
    """Hides the client's own progress bars and its warning at every retry."""
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    logger = logging.getLogger("huggingface_hub")
    level, was_disabled = logger.level, are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if not was_disabled:
            enable_progress_bars()
