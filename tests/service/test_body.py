# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Bodies in three forms become the same fields, and what no field may hold is refused."""

import asyncio
import json
from urllib.parse import urlencode

import pytest
from service.bodies import BOUNDARY, multipart, request_of

from fourview.recipe import Recipe, parameters
from fourview.service.inputs import body
from fourview.service.problems import Refused

EIGHT_MB = "iVBORw0KGgo" + "A" * (8 << 20)


def read(*arguments, **more):
    """What `body.read` makes of a request."""
    return asyncio.run(body.read(request_of(*arguments, **more)))


def read_form(*parts, **more):
    return read(multipart(*parts), f"multipart/form-data; boundary={BOUNDARY}", **more)


def refused(code, *arguments, **more):
    with pytest.raises(Refused) as caught:
        read(*arguments, **more)
    assert caught.value.code == code
    return caught.value.detail


def test_json_multipart_and_urlencoded_give_the_same_fields():
    fields = {"front_image": "AAAA", "steps": "30", "back_image": ""}

    assert read(json.dumps(fields).encode()).fields == fields
    assert read(urlencode(fields).encode(), "application/x-www-form-urlencoded; charset=UTF-8").fields == fields
    assert read_form(*fields.items()).fields == fields


def test_a_file_part_is_bytes_and_a_text_part_is_text():
    found = read_form(("front_image", b"\x89PNG\r\n\0"), ("seed", "5"), pieces=7)

    assert found.fields == {"front_image": b"\x89PNG\r\n\0", "seed": "5"}
    assert found.is_form


def test_a_picture_of_8_mb_as_text_is_read_in_each_form():
    for found in (
        read(json.dumps({"front_image": EIGHT_MB}).encode(), pieces=40),
        read(urlencode({"front_image": EIGHT_MB}).encode(), "application/x-www-form-urlencoded", pieces=40),
        read_form(("front_image", EIGHT_MB), pieces=40),
    ):
        assert found.fields == {"front_image": EIGHT_MB}


def test_a_body_that_is_not_there_has_no_fields():
    assert read(b"", "").fields == {}
    assert read(b"", "application/json").fields == {}


@pytest.mark.parametrize("content", [b"{", b'{"a": }', b'"text"', b"[1]", b"null", b'{"a": NaN}', b'{"a": -Infinity}',
                                     b'{"a": "\xff"}', b'{"a": ' + b"9" * 5000 + b"}", b'{"a":1}{"b":2}'])  # fmt: skip
def test_what_is_no_json_object_is_refused(content):
    refused("malformed_body", content)


def test_nested_json_is_refused_before_it_costs_anything():
    for bomb in (b"[" * 100_000, b'{"a":' * 100_000, b'{"a":' + b"[" * 90_000 + b"]" * 90_000 + b"}"):
        refused("malformed_body", bomb)
    assert "pieces" in refused("malformed_body", b"[" + b"{}," * 1_000_000 + b"{}]")


def test_a_field_that_is_there_twice_is_refused():
    assert "'seed'" in refused("malformed_body", b'{"seed": 1, "seed": 2}')
    refused("malformed_body", b"seed=1&seed=2", "application/x-www-form-urlencoded")
    refused("malformed_body", multipart(("a", "1"), ("a", "2")), f"multipart/form-data; boundary={BOUNDARY}")


def test_any_text_comes_through_a_form():
    fields = {"a&b=c": "".join(map(chr, range(1, 0x500))), "empty": "", "signs": "+ %2B = == & %%41\r\n\U0001f600"}

    assert read(urlencode(fields).encode(), "application/x-www-form-urlencoded").fields == fields
    assert read(b"a=A==&b&&c=%3d+%2b", "application/x-www-form-urlencoded").fields == {"a": "A==", "b": "", "c": "= +"}


@pytest.mark.parametrize("content", [b"a=%", b"a=%4", b"a=%4g", b"a=%FF", "a=é".encode(), b"a=\n"])
def test_a_form_that_is_not_percent_encoded_utf_8_is_refused(content):
    refused("malformed_body", content, "application/x-www-form-urlencoded")


@pytest.mark.parametrize(
    ("text", "fault"),
    [('"\\u0000"', "NUL"), ('"\\ud800"', "U+D800"), ('["a", {"b": "\\udc00"}]', "U+DC00"), ('{"\\u0000": 1}', "NUL")],
)
def test_the_field_that_holds_nul_or_half_a_surrogate_pair_is_named(text, fault):
    detail = refused("malformed_body", f'{{"fine": "é", "bad": {text}}}'.encode())

    assert "'bad'" in detail
    assert fault in detail


def test_a_name_with_nul_or_half_a_surrogate_pair_is_refused():
    assert "name of a field" in refused("malformed_body", b'{"a\\u0000": 1}')
    assert "name of a field" in refused("malformed_body", b'{"a\\udfff": 1}')
    assert "name of a field" in refused("malformed_body", b"a%00=1", "application/x-www-form-urlencoded")


def test_a_whole_surrogate_pair_is_a_character():
    assert read(b'{"a": "\\ud83d\\ude00"}').fields == {"a": "\U0001f600"}


def test_the_field_of_a_form_that_holds_nul_or_other_text_than_utf_8_is_named():
    urlencoded, form = "application/x-www-form-urlencoded", f"multipart/form-data; boundary={BOUNDARY}"

    for detail in (
        refused("malformed_body", b"b=1&a=%00", urlencoded),
        refused("malformed_body", multipart(("b", "1"), ("a", "\0")), form),
    ):
        assert "'a' holds NUL" in detail
    for detail in (
        refused("malformed_body", b"b=1&a=%ED%A0%80", urlencoded),
        refused("malformed_body", multipart(("b", "1"), ("a", "xy")).replace(b"xy", b"f\xfcr"), form),
    ):
        assert "'a' is not UTF-8" in detail


def test_other_media_types_charsets_and_compression_are_refused():
    assert "'text/plain'" in refused("media_type", b"{}", "text/plain")
    refused("media_type", b"{}", "")
    refused("media_type", b"{}", "application/json; charset=utf-16")
    refused("media_type", b"{}", content_encoding="gzip")


def test_json_that_says_it_is_a_form_is_told_so():
    assert "application/json" in refused("malformed_body", b'{"a": 1}', "application/x-www-form-urlencoded")


@pytest.mark.parametrize("content", [b"--x", multipart(("a", "1"))[40:], f"--{BOUNDARY}\r\nno\r\n".encode()])
def test_a_broken_form_is_refused(content):
    refused("malformed_body", content, f"multipart/form-data; boundary={BOUNDARY}")


def test_a_form_that_was_cut_off_anywhere_is_refused():
    whole = multipart(("front", b"\x89PNG\r\n--" + BOUNDARY[:-1].encode() + b"\0"), ("steps", "5"))
    form = f"multipart/form-data; boundary={BOUNDARY}"
    end = len(whole) - len("\r\n")

    assert read(whole[:end], form).fields == read(whole, form, pieces=len(whole)).fields
    for length in range(end):
        assert "breaks off" in refused("malformed_body", whole[:length], form, pieces=3)


def test_what_stands_before_and_after_the_parts_is_passed_over():
    form, noise = multipart(("a", "1")), b"This is MIME.\r\n--\r\n" + b"\r\n" * 10_000

    assert read(noise + form + noise, f"multipart/form-data; boundary={BOUNDARY}", pieces=9).fields == {"a": "1"}


def test_a_form_without_a_boundary_is_told_where_it_belongs():
    for kind in ("multipart/form-data", "multipart/form-data; boundary=", 'multipart/form-data; boundary=""'):
        assert "boundary=..." in refused("malformed_body", multipart(("a", "1")), kind)


@pytest.mark.parametrize("written", ['"{}"', "{}; charset=utf-8", ' "{}" ;a=b'])
def test_a_boundary_is_read_however_it_is_written(written):
    kind = "Multipart/Form-Data; Boundary=" + written.format(BOUNDARY)

    assert read(multipart(("a", "1")), kind).fields == {"a": "1"}


PNG, OBJ = b"\x89PNG\r\n\x1a\n", b"v 0 0 0\n"


@pytest.mark.parametrize(
    ("head", "content", "value"),
    [
        ('; filename="f.png"', b"text", b"text"),
        ("; filename=", b"text", "text"),  # no file name that can be read
        ('; filename=""', b"", b""),
        ("\r\nContent-Type: image/png", PNG, PNG),
        ("\r\nContent-Type: application/octet-stream", OBJ, OBJ),
        ("\r\nContent-Type: text/plain", PNG, PNG),
        ("; filename*=utf-8''f.png", PNG, PNG),
        ("", PNG, PNG),
        ("", b"ascii\0", b"ascii\0"),
        ("", b"aGk=", "aGk="),
        ("\r\nContent-Type: text/plain; charset=utf-8", "é".encode(), "é"),
    ],
)
def test_the_field_of_a_file_is_a_file_where_anything_says_so(head, content, value):
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="front"{head}\r\n\r\n'.encode()
    whole = part + content + f"\r\n--{BOUNDARY}--".encode()

    found = asyncio.run(body.read(request_of(whole, f"multipart/form-data; boundary={BOUNDARY}"), ["front", "mesh"]))

    assert found.fields == {"front": value}


def test_a_field_that_takes_no_file_is_text_whatever_its_content_type():
    head = '"\r\nContent-Type: application/octet-stream\r\nx-a: "'

    assert read_form(("steps" + head, "5")).fields == {"steps": "5"}


def test_too_many_fields_are_refused_in_each_form():
    names = [f"f{i}" for i in range(body.FIELDS_MAX + 1)]

    refused("malformed_body", json.dumps(dict.fromkeys(names, 1)).encode())
    refused("malformed_body", urlencode(dict.fromkeys(names, 1)).encode(), "application/x-www-form-urlencoded")
    refused("malformed_body", multipart(*((name, "1") for name in names)), f"multipart/form-data; boundary={BOUNDARY}")


def test_the_fingerprint_is_of_what_was_sent_and_where():
    def fingerprint(fields, **more):
        return read(json.dumps(fields).encode(), idempotency_key="k", **more).fingerprint

    one = fingerprint({"a": 1, "b": "2"})
    others = fingerprint({"a": 1, "b": 2}), fingerprint({"a": 1}), fingerprint({"a": 1, "b": "2"}, path="/v2")

    assert one == fingerprint({"b": "2", "a": 1})
    assert len({one, *others}) == 4


def test_the_fingerprint_of_a_file_is_not_that_of_its_text():
    file, text = (read_form(("a", value), idempotency_key="k").fingerprint for value in (b"x", "x"))

    assert file != text


def test_a_request_without_a_key_of_idempotency_has_no_fingerprint():
    assert (read(b"{}").word, read(b"{}").fingerprint) == (None, "")


@pytest.mark.parametrize("word", ["", " ", "a b", "x" * 256, "\x7f"])
def test_a_key_of_idempotency_is_visible_ascii(word):
    refused("invalid_field", b"{}", idempotency_key=word)


def test_form_text_becomes_the_number_that_a_parameter_is():
    values = {"steps": " 30 ", "seed": "9223372036854775807", "guidance_scale": "5", "height_m": "1.5e0",
              "file_type": "obj", "octree_resolution": "64.0"}  # fmt: skip

    recipe = Recipe.of(**{name: body.as_parameter(name, value) for name, value in values.items()})

    assert (recipe.shape.steps, recipe.shape.seed, recipe.shape.guidance_scale) == (30, 2**63 - 1, 5.0)
    assert (recipe.export.height_m, recipe.export.file_type, recipe.surface.octree_resolution) == (1.5, "obj", 64)


def test_every_value_that_cannot_be_is_named_with_its_range():
    bad = {"steps": "0", "octree_resolution": "many", "file_type": "x" * 1000, "seed": b"123", "level": [1] * 1000,
           "num_chunks": 10**400}  # fmt: skip

    wrong = body.wrong_parameters({name: body.as_parameter(name, value) for name, value in bad.items()})

    assert [name for name, _ in wrong] == list(bad)
    assert "1 .. 100" in wrong[0][1]
    assert all(len(sentence) < 200 for _, sentence in wrong)


@pytest.mark.parametrize("text", ["nan", "inf", "1_000", "0x10", "\u0663", "1e999", "", "--1", "true"])
def test_text_that_only_python_takes_for_a_number_is_refused(text):
    for parameter in parameters():
        if not parameter.choices:
            assert body.wrong_parameters({parameter.name: body.as_parameter(parameter.name, text)}), parameter.name
