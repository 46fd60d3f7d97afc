# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Signed URLs: they open what they were signed for, until they expire, and nothing else."""

import inspect
from urllib.parse import parse_qsl

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourview.errors import SignatureError
from fourview.service import signing
from fourview.service.signing import check, sign

OLD, NEW = b"o" * 32, b"n" * 32
NOW = 1_800_000_000
PATH = "/api/v1/jobs/job_1/files/model.glb"

paths = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="?#&"), max_size=60).map(
    lambda rest: f"/{rest}"
)


def opened(url):
    path, _, query = url.partition("?")  # no urlsplit: a path may begin with two strokes
    return path, dict(parse_qsl(query.partition("#")[0], keep_blank_values=True))


def signed(path=PATH, purpose="file", expires_at=NOW + 60, secrets=(NEW,)):
    return opened(sign(path, purpose=purpose, expires_at=expires_at, secrets=secrets))


@given(paths, st.from_regex(r"[a-z]{1,32}", fullmatch=True), st.integers(NOW + 1, 10**12 - 1), st.binary(min_size=32))
def test_what_was_signed_is_open(path, purpose, expires_at, secret):
    path, query = signed(path, purpose, expires_at, [secret])

    check(path, query, purpose=purpose, now=NOW, secrets=[secret])


@given(st.data())
def test_a_url_that_was_changed_anywhere_is_shut(data):
    url = sign(PATH, purpose="file", expires_at=NOW + 60, secrets=[NEW])
    place = data.draw(st.integers(1, len(url) - 1))
    other = data.draw(st.characters(min_codepoint=0x21, max_codepoint=0x7E).filter(lambda c: c != url[place]))
    path, query = opened(url[:place] + other + url[place + 1 :])

    with pytest.raises(SignatureError):
        check(path, query, purpose="file", now=NOW, secrets=[NEW])


@pytest.mark.parametrize(
    "change",
    [
        {"expires": str(NOW + 9999)},
        {"expires": f"0{NOW + 60}"},
        {"expires": f"{NOW + 60} "},
        {"expires": ""},
        {"expires": "never"},
        {"expires": f"{NOW + 60}\n{PATH}"},
        {"purpose": "events"},
        {"purpose": ""},
        {"signature": ""},
        {"signature": "A" * 43},
        {"signature": "é" * 43},
        {"signature": "\ud800"},
    ],
)
def test_a_parameter_of_ones_own_opens_nothing(change):
    path, query = signed()

    with pytest.raises(SignatureError, match="signature of this URL is wrong"):
        check(path, query | change, purpose="file", now=NOW, secrets=[NEW])


@pytest.mark.parametrize("missing", ["purpose", "expires", "signature"])
def test_a_missing_parameter_opens_nothing(missing):
    path, query = signed()
    del query[missing]

    with pytest.raises(SignatureError):
        check(path, query, purpose="file", now=NOW, secrets=[NEW])


def test_a_url_for_one_purpose_or_file_does_not_open_another():
    path, query = signed(purpose="events")

    with pytest.raises(SignatureError):
        check(path, query, purpose="file", now=NOW, secrets=[NEW])
    with pytest.raises(SignatureError):
        check(path.replace("job_1", "job_2"), query, purpose="events", now=NOW, secrets=[NEW])


def test_a_url_is_open_until_the_second_it_expires():
    path, query = signed(expires_at=NOW + 60)

    check(path, query, purpose="file", now=NOW + 59.9, secrets=[NEW])
    with pytest.raises(SignatureError, match="expired"):
        check(path, query, purpose="file", now=NOW + 60, secrets=[NEW])


def test_an_old_secret_is_valid_until_it_is_dropped_and_the_first_signs():
    path, query = signed(secrets=[OLD])
    _, newer = signed(secrets=[NEW, OLD])

    check(path, query, purpose="file", now=NOW, secrets=[NEW, OLD])
    check(path, newer, purpose="file", now=NOW, secrets=[NEW])
    with pytest.raises(SignatureError, match="wrong"):
        check(path, query, purpose="file", now=NOW, secrets=[NEW])


@pytest.mark.parametrize(
    ("path", "purpose", "expires_at"),
    [("a.glb", "file", NOW), ("/a\nb", "file", NOW), ("/a b", "file", NOW), ("/é", "file", NOW), ("/a", "File", NOW),
     ("/a", "", NOW), ("/a", "file", 0), ("/a", "file", -5), ("/a", "file", 10**12), ("/a?b=1", "file", NOW)],
)  # fmt: skip
def test_what_could_be_read_in_two_ways_is_not_signed(path, purpose, expires_at):
    with pytest.raises(ValueError, match="cannot sign"):
        sign(path, purpose=purpose, expires_at=expires_at, secrets=[NEW])


def test_signatures_are_compared_in_constant_time_with_every_secret(monkeypatch):
    compared = []
    real = signing.hmac.compare_digest
    monkeypatch.setattr(signing.hmac, "compare_digest", lambda a, b: compared.append(b) or real(a, b))
    path, query = signed(secrets=[NEW])

    check(path, query, purpose="file", now=NOW, secrets=[NEW, OLD])

    assert len(compared) == 2
    assert "==" not in inspect.getsource(signing.check)
