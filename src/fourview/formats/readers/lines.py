# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The lines of an OBJ and of its material files.

Owns      byte order marks, line ends, lines that a backslash continues, the encoding of names.
Not here  what a line means (`obj`, `mtl`).
"""

import io
from collections.abc import Iterator

_BOM = b"\xef\xbb\xbf"
UTF16_BOMS = (b"\xff\xfe", b"\xfe\xff")


def joined(data: bytes) -> Iterator[bytes]:
    """The lines; those continued with a backslash are joined."""
    if data[:2] in UTF16_BOMS:
        data = data.decode("utf-16").encode()
    data = data.removeprefix(_BOM) + b"\n"
    if b"\n" not in data[:-1]:
        data = data.replace(b"\r", b"\n")
    if b"\\\n" in data or b"\\\r\n" in data:
        data = data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ")
    return iter(io.BytesIO(data))


def name_in(rest: bytes) -> str:
    try:
        return rest.decode().strip()
    except UnicodeDecodeError:
        return rest.decode("latin-1").strip()
