# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What holds of files wherever they lie; the bucket is reached over HTTP."""

import asyncio
import hashlib
import os
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fourview.errors import OutputError
from fourview.service.files.folder import PIECE

NOBODY = "0" * 64  # the digest of nothing that is there
LARGE = os.urandom(3 * PIECE + 7)


async def collect(files, digest, begin, end):
    return b"".join([piece async for piece in files.stream(digest, begin, end)])


def test_bytes_and_files_come_back_as_they_were_put(files, tmp_path):
    source = tmp_path / "source"
    source.write_bytes(LARGE)

    for given_ in (b"picture", b"", source):
        data = given_ if isinstance(given_, bytes) else LARGE
        artifact = files.put(given_)
        files.save(artifact.digest, tmp_path / "saved")

        assert (artifact.digest, artifact.bytes) == (hashlib.sha256(data).hexdigest(), len(data))
        assert files.read(artifact.digest) == data
        assert (tmp_path / "saved").read_bytes() == data
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["saved", "source"]


def test_an_artifact_of_many_parts_comes_back_whole(files):
    data = os.urandom(11 * 2**20 + 1)  # more than a request to a bucket takes in one part, and more than one piece

    artifact = files.put(data)

    assert files.find(artifact.digest).bytes == len(data)
    assert asyncio.run(collect(files, artifact.digest, 0, len(data))) == data


def test_the_same_bytes_twice_are_one_artifact_that_was_put_there_now(files):
    first = files.put(b"model")
    began = time.time()

    again = files.put(b"model")

    assert again.digest == first.digest
    assert again.at >= began - 1  # a bucket tells whole seconds
    assert files.find(first.digest).at >= began - 1
    assert [artifact.digest for artifact in files.each()] == [first.digest]


def test_each_lists_what_was_put_and_was_not_dropped(files):
    kept, gone = (files.put(data) for data in (b"kept", b"gone"))

    files.drop(gone.digest)
    files.drop(gone.digest)

    assert [(seen.digest, seen.bytes) for seen in files.each()] == [(kept.digest, 4)]
    assert files.find(gone.digest) is None
    assert files.find(kept.digest).bytes == 4


def test_what_is_not_there_is_an_error_that_says_so(files, tmp_path):
    assert files.find(NOBODY) is None
    with pytest.raises(OutputError, match=f"{NOBODY} is not in .*backup"):
        files.read(NOBODY)
    with pytest.raises(OutputError, match=f"{NOBODY} is not in .*backup"):
        files.save(NOBODY, tmp_path / "saved")
    with pytest.raises(OutputError, match=f"{NOBODY} is not in .*backup"):
        asyncio.run(collect(files, NOBODY, 0, 1))
    assert not (tmp_path / "saved").exists()


def test_any_range_of_bytes_is_that_range(files):
    artifact = files.put(LARGE)

    @settings(max_examples=40, deadline=None, database=None)
    @given(st.integers(0, len(LARGE)), st.integers(0, len(LARGE)))
    def check(one, other):
        begin, end = sorted((one, other))
        assert asyncio.run(collect(files, artifact.digest, begin, end)) == LARGE[begin:end]

    check()


def test_more_bytes_than_there_are_end_in_an_error(files):
    artifact = files.put(b"model")

    with pytest.raises(OutputError, match="ends at 5 of 6 bytes"):
        asyncio.run(collect(files, artifact.digest, 0, 6))


def test_a_stream_leaves_the_event_loop_to_others(files):
    """Whoever waits in the loop goes on while a piece is read."""
    artifact = files.put(os.urandom(2**23))

    async def watch():
        turns, is_done = 0, False

        async def others():
            nonlocal turns
            while not is_done:
                turns += 1
                await asyncio.sleep(0)

        beside = asyncio.create_task(others())
        await collect(files, artifact.digest, 0, artifact.bytes)
        is_done = True
        await beside
        return turns

    assert asyncio.run(watch()) > 10


def test_many_threads_put_and_read_the_same_at_once(files):
    data = [bytes([number]) * 50_000 for number in range(4)]
    wrong = []

    def work():
        for one in data:
            digest = files.put(one).digest
            if files.read(digest) != one:
                wrong.append(digest)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(list(files.each())) == len(data)
