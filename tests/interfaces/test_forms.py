# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Forms as .NET, Spring, PHP, Make, mailers and browsers write them, byte for byte, sent to the real service."""

import base64
from http.client import HTTPConnection

import pytest
from interfaces.pictures import PNG, V1, V2, text

JOBS, UPLOADS, PREVIEW = "/api/v1/jobs", "/api/v1/uploads", "/api/v1/views/preview"
RETEXTURE, SIMPLIFY, CONVERT = (f"/api/v1/meshes/{kind}" for kind in ("retexture", "simplify", "convert"))
KIND = "multipart/form-data; boundary=XX"
FRONT = 'form-data; name="front_image"; filename="f.png"'
TYPE = "Content-Type: image/png\r\n"


@pytest.fixture(scope="module")
def client(standing):
    with standing.client(standing.add_key()) as client:
        yield client


def part(disposition, data, heads=""):
    return f"Content-Disposition: {disposition}\r\n{heads}\r\n".encode() + data + b"\r\n"


def form(*parts, boundary="XX"):
    line = f"--{boundary}".encode()
    return b"".join(line + b"\r\n" + one for one in parts) + line + b"--\r\n"


def send(client, content, path=V2, kind=KIND, **headers):
    return client.post(path, content=content, headers={"content-type": kind} | headers)


READ = {
    ".NET: names without quotes, boundary with": (
        form(part("form-data; name=front_image; filename=f.png; filename*=utf-8''f.png", PNG, TYPE)),
        'multipart/form-data; boundary="XX"',
    ),
    ".NET: text with its charset": form(
        part(FRONT, PNG), part("form-data; name=steps", b"5", "Content-Type: text/plain; charset=utf-8\r\n")
    ),
    "Spring: parts with their lengths": form(
        part(FRONT, PNG, f"Content-Type: application/octet-stream\r\nContent-Length: {len(PNG)}\r\n"),
        part('form-data; name="steps"', b"5", "Content-Type: application/json\r\nContent-Length: 1\r\n"),
    ),
    "Make: a picture without a file name": form(part('form-data; name="front_image"', PNG, TYPE)),
    "httpx: neither file name nor media type": form(part('form-data; name="front_image"', PNG)),
    "a file name in its second spelling alone": form(part("form-data; name=front_image; filename*=utf-8''f", PNG)),
    "base64 as text": form(part('form-data; name="front_image"', text(PNG).encode())),
    "a data URI as text": form(part('form-data; name="front_image"', b"data:image/png;base64," + text(PNG).encode())),
    "mailers: preamble and epilogue": b"This is MIME\r\n" + form(part(FRONT, PNG)) + b"epilogue",
    "an empty line first": b"\r\n" + form(part(FRONT, PNG)),
    "no line end after the last boundary": form(part(FRONT, PNG))[:-2],
    "a boundary of 70 characters": (
        form(part(FRONT, PNG), boundary="x" * 70),
        "multipart/form-data; boundary=" + "x" * 70,
    ),
    "Java: a boundary with = and no quotes": (
        form(part(FRONT, PNG), boundary="----=_Part_1_2.3"),
        "multipart/form-data; boundary=----=_Part_1_2.3; charset=UTF-8",
    ),
    "a file name with path and quotes": form(part(r'form-data; name="front_image"; filename="..\\a\"b.png"', PNG)),
    "a file name in UTF-8": form(part('form-data; name="front_image"; filename="前.png"', PNG)),
    "a file name in Latin-1": form(part('form-data; name="front_image"; filename="\x7f.png"', PNG)).replace(
        b"\x7f", b"\xfc"
    ),
    "a head in two lines": form(part('form-data;\r\n name="front_image";\r\n filename="f.png"', PNG)),
    "browsers: no file chosen for the back": form(
        part(FRONT, PNG),
        part('form-data; name="back_image"; filename=""', b"", "Content-Type: application/octet-stream\r\n"),
    ),
}


@pytest.mark.parametrize("case", READ)
def test_forms_of_real_tools_are_read(client, case):
    content, kind = READ[case] if isinstance(READ[case], tuple) else (READ[case], KIND)

    answer = send(client, content, kind=kind)

    assert (answer.status_code, answer.json().get("status")) == (200, "QUEUED"), answer.text


REFUSED = {
    "base64 that only the part's head tells of": (
        form(part(FRONT, base64.encodebytes(PNG), "Content-Transfer-Encoding: base64\r\n")),
        "invalid_picture", "unknown kind",
    ),
    "PHP: a list of files": (
        form(part('form-data; name="front_image[]"; filename="f.png"', PNG)), "invalid_field", "front_image is missing",
    ),
    "lines that end with LF": (form(part(FRONT, PNG)).replace(b"\r\n", b"\n"), "malformed_body", "CRLF"),
    "LF after the first boundary": (form(part(FRONT, PNG)).replace(b"XX\r\n", b"XX\n", 1), "malformed_body", "CRLF"),
    "another boundary than the header's": (form(part(FRONT, PNG), boundary="YY"), "malformed_body", "--XX--"),
    "no part": (b"--XX--\r\n", "malformed_body", "no part"),
    "a part without a name": (form(part("form-data", b"5")), "malformed_body", "no name"),
    "1000 fields": (
        form(*(part(f"form-data; name=f{i}", b"x") for i in range(1000))), "malformed_body", "up to 100 parts",
    ),
    "a head of 100 KB": (form(part(FRONT + "a" * 100_000, PNG)), "malformed_body", "4 KiB"),
    "a head of 100 lines": (form(part(FRONT, PNG, "x: y\r\n" * 100)), "malformed_body", "up to 8 lines"),
    "a part that is shorter than it says": (
        form(part(FRONT, PNG, f"Content-Length: {len(PNG) + 1}\r\n")), "malformed_body", "Content-Length",
    ),
    "NUL in a text": (
        form(part(FRONT, PNG), part("form-data; name=steps", b"\0")), "malformed_body", "'steps' holds NUL",
    ),
    "a text that is not UTF-8": (
        form(part(FRONT, PNG), part("form-data; name=steps", b"f\xfcr")), "malformed_body", "'steps' is not UTF-8",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_form_is_told_what_is_wrong_with_it(client, case):
    content, code, words = REFUSED[case]

    answer = send(client, content)

    assert (answer.status_code, answer.json()["code"]) == (400, code), answer.text
    assert words in answer.json()["detail"]


def test_a_form_without_a_boundary_is_told_where_it_belongs(client):
    answer = send(client, form(part(FRONT, PNG)), kind="multipart/form-data")

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body")
    assert "boundary=..." in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "names"),
    [
        (V1, ("front_image", "back_image")), (V2, ("front_image", "back_image")), (JOBS, ("front", "back")),
        (UPLOADS, ("file",)), (PREVIEW, ("front", "back")), (RETEXTURE, ("mesh", "front")), (SIMPLIFY, ("mesh",)),
        (CONVERT, ("mesh",)),
    ],
)  # fmt: skip
def test_a_form_that_was_cut_off_is_refused_at_every_door_and_costs_nothing(standing, path, names):
    whole = form(*(part(f'form-data; name="{name}"; filename="{name}.png"', PNG, TYPE) for name in names))
    last = whole.rfind(b"Content-Disposition")
    cuts = {
        "nothing came": 0,
        "within the first boundary": 3,
        "after a boundary": last,
        "within the head of the last part": last + 40,
        "after that head": whole.rfind(b"\r\n\r\n") + 4,
        "within the last content": len(whole) - len(PNG) // 2,
        "before the line end of the closing boundary": len(whole) - len(b"\r\n--XX--\r\n"),
        "before the closing boundary": len(whole) - len(b"--XX--\r\n"),
        "within the closing boundary": len(whole) - len(b"X--\r\n"),
        "before its two dashes": len(whole) - len(b"--\r\n"),
        "between them": len(whole) - len(b"-\r\n"),
    }
    bodies = {name: whole[:length] for name, length in cuts.items()}
    bodies |= {"a boundary that is none of the last": whole[: -len(b"--\r\n")] + b"\r\n"}
    with standing.client(standing.add_key(credits=10)) as client:
        for cut, content in bodies.items():
            answer = send(client, content, path)
            assert (answer.status_code, answer.json()["code"]) == (400, "malformed_body"), (cut, answer.text)
            assert "breaks off" in answer.json()["detail"]

        assert client.get("/v1/get-user-credits").json() == {"credits": 10}
        assert client.get(JOBS).json()["data"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": " KEY\t "}, {"x-api-key": "", "authorization": "  bearer   KEY "},
        {"x-api-key": "  ", "authorization": "Bearer KEY\t"},
    ],
)  # fmt: skip
def test_blanks_around_a_key_do_not_matter(standing, headers):
    key = standing.add_key()
    connection = HTTPConnection("127.0.0.1", standing.port, timeout=60)  # httpx refuses to send such a header

    connection.request("GET", "/api/v1/keys/self", headers={k: v.replace("KEY", key) for k, v in headers.items()})

    assert connection.getresponse().status == 200
    connection.close()
