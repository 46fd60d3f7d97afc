# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""A phone's picture is scaled down in the browser before it is sent; what is small already is sent as it is."""

import io
from base64 import b64decode

import pytest
from interfaces.browsing import check_everywhere, drop, made, robot
from PIL import Image

# A browser does not tell which files a form held that it sent, so the page's own call is watched.
WATCH_FORMS = """() => {
    const send = window.fetch;
    window.forms = [];
    window.fetch = (path, init) => {
        if (init?.body instanceof FormData) window.forms.push(init.body);
        return send(path, init);
    };
}"""
LAST_FRONT = """() => new Promise(done => {
    const file = window.forms.at(-1).get('front'), reader = new FileReader();
    reader.onload = () => done([file.type, reader.result.split(',')[1]]);
    reader.readAsDataURL(file);
})"""


def picture(size, mode="RGB", kind="PNG", orientation=1):
    """Red grows to the right, green downwards; with alpha, the left half is clear."""
    across = Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize(size)
    image = Image.merge("RGB", (across, Image.linear_gradient("L").resize(size), Image.new("L", size, 90)))
    if mode == "RGBA":
        image.putalpha(across.point(lambda level: 255 if level > 127 else 0))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    image.save(file, kind, exif=exif, **({"compress_level": 1} if kind == "PNG" else {}))
    return file.getvalue()


def watch(page):
    page.evaluate(WATCH_FORMS)
    return page


def sent(page):
    """Media type and bytes of the front picture in the last form that the page sent."""
    for _ in range(500):  # the page's policy lets nothing evaluate a text in it, as `wait_for_function` would
        if page.evaluate("window.forms.length"):
            break
        page.wait_for_timeout(20)
    kind, text = page.evaluate(LAST_FRONT)
    return kind, b64decode(text)


@pytest.mark.parametrize(
    ("name", "mode", "kind", "orientation", "given", "media_type", "expected"),
    [
        ("front.jpg", "RGB", "JPEG", 1, (4032, 3024), "image/jpeg", (2048, 1536)),
        ("front.jpg", "RGB", "JPEG", 6, (4032, 3024), "image/jpeg", (1536, 2048)),
        ("front.png", "RGB", "PNG", 1, (2100, 700), "image/jpeg", (2048, 683)),
        ("front.png", "RGBA", "PNG", 1, (3000, 2000), "image/png", (2048, 1365)),
    ],
)
def test_a_large_picture_is_sent_smaller_and_its_card_says_so(
    visit, standing, name, mode, kind, orientation, given, media_type, expected
):
    page = watch(visit(standing, standing.add_key()))

    drop(page, [(name, picture(given, mode, kind, orientation))])

    upright = given[::-1] if orientation == 6 else given
    page.get_by_text(f"scaled from {upright[0]} × {upright[1]}").wait_for()
    kind_sent, data = sent(page)
    image = Image.open(io.BytesIO(data))
    assert (kind_sent, image.size, image.mode) == (media_type, expected, mode)
    assert not image.getexif()
    width, height = image.size
    if orientation == 6:  # what was left is on top now, what was on top is right
        assert image.getpixel((width // 2, 20))[0] < 40 < 200 < image.getpixel((width // 2, height - 20))[0]
        assert image.getpixel((width - 20, height // 2))[1] < 40
    else:
        assert image.getpixel((width - 20, height // 2))[0] > 200
        assert image.getpixel((width - 20, 20))[1] < 40
    if mode == "RGBA":
        assert (image.getpixel((20, 20))[3], image.getpixel((width - 20, 20))[3]) == (0, 255)


def test_a_picture_that_is_no_larger_than_is_used_is_sent_byte_by_byte(visit, standing):
    page = watch(visit(standing, standing.add_key()))
    data = picture((2048, 64))

    drop(page, [("front.png", data)])

    assert sent(page) == ("image/png", data)
    assert page.get_by_text("scaled from").count() == 0


def test_a_damaged_large_picture_is_still_told(visit, standing):
    page = visit(standing, standing.add_key())

    drop(page, [("front.jpg", picture((4032, 3024), kind="JPEG")[:300])])

    page.get_by_role("alert").filter(has_text="damaged or not a picture").wait_for()


def test_a_card_with_the_note_can_be_used_by_all_and_makes_a_model(visit, standing):
    page = visit(standing, standing.add_key())
    front = io.BytesIO()
    Image.open(io.BytesIO(robot("front"))).resize((3000, 3000)).save(front, "PNG", compress_level=1)

    drop(page, [("front.png", front.getvalue())])
    page.get_by_text("scaled from 3000 × 3000").wait_for()
    check_everywhere(page, "scaled")
    page.reload()
    page.get_by_text("scaled from 3000 × 3000").wait_for()

    made(page)
