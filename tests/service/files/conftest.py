# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Both places where files lie: a folder, and a bucket that a real server keeps."""

import itertools
import logging

import httpx
import pytest

from fourview.service.files.bucket import Bucket
from fourview.service.files.folder import Folder


@pytest.fixture(scope="session")
def s3():
    """The address of a server that speaks S3."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def counter():
    return itertools.count()


@pytest.fixture
def bucket_url(s3, counter):
    """A bucket that holds nothing; nothing of the environment is needed for it."""
    name = f"bucket-{next(counter)}"
    httpx.put(f"{s3}/{name}").raise_for_status()
    return f"s3://{name}/some/where?region=us-east-1&access_key_id=a&secret_access_key=b&endpoint={s3}"


@pytest.fixture(params=["folder", "bucket"])
def files(request, tmp_path):
    if request.param == "folder":
        return Folder(tmp_path / "files")
    return Bucket(request.getfixturevalue("bucket_url"))
