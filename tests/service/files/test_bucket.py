# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The bucket: where it is, what is in it besides, and what is said when it cannot be used."""

import boto3
import httpx
import pytest

from fourview.errors import OutputError
from fourview.service.files import open_files
from fourview.service.files.bucket import Bucket
from fourview.service.settings import Settings


def test_the_settings_name_the_bucket_and_its_prefix(bucket_url, s3):
    files = open_files(Settings(files_url=bucket_url))

    digest = files.put(b"model").digest

    name = bucket_url.removeprefix("s3://").partition("/")[0]
    assert isinstance(files, Bucket)
    other = boto3.client("s3", "us-east-1", endpoint_url=s3, aws_access_key_id="a", aws_secret_access_key="b")
    assert [seen["Key"] for seen in other.list_objects(Bucket=name)["Contents"]] == [
        f"some/where/{digest[:2]}/{digest}"
    ]


@pytest.mark.parametrize("variable", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"])
def test_credentials_and_endpoint_may_stand_in_the_environment(bucket_url, s3, monkeypatch, variable):
    values = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_REGION": "us-east-1", variable: s3}
    for name, value in values.items():
        monkeypatch.setenv(name, value)

    files = Bucket(bucket_url.partition("?")[0])

    assert files.read(files.put(b"model").digest) == b"model"


def test_two_prefixes_of_a_bucket_do_not_see_each_other(bucket_url):
    one, other = Bucket(bucket_url), Bucket(bucket_url.replace("some/where", "elsewhere"))

    digest = one.put(b"model").digest

    assert other.find(digest) is None
    assert list(other.each()) == []


def test_what_else_lies_in_the_bucket_is_left_alone(bucket_url, s3):
    name = bucket_url.removeprefix("s3://").partition("/")[0]
    httpx.put(f"{s3}/{name}/some/where/readme.txt", content=b"mine").raise_for_status()

    assert list(Bucket(bucket_url).each()) == []
    assert Bucket(bucket_url).drop_partial(0) == 0
    assert Bucket(bucket_url).free_mib() is None


def test_many_artifacts_are_listed_page_by_page(bucket_url, monkeypatch):
    monkeypatch.setenv("MOTO_S3_DEFAULT_MAX_KEYS", "2")  # of a page; the server is in this process
    files = Bucket(bucket_url)

    put = [files.put(bytes([number])).digest for number in range(5)]

    assert sorted(artifact.digest for artifact in files.each()) == sorted(put)


def test_a_bucket_that_is_not_there_is_said_at_once(bucket_url):
    with pytest.raises(OutputError, match=r"s3://no-such/some/where cannot be used: .*NoSuchBucket.*AWS_") as error:
        Bucket("s3://no-such/some/where?" + bucket_url.partition("?")[2])
    assert "\n" not in str(error.value)


def test_an_option_that_there_is_not_is_said_at_once(bucket_url):
    with pytest.raises(OutputError, match="'colour' is not valid"):
        Bucket(f"{bucket_url}&colour=red")
