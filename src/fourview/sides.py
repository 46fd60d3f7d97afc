# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The sides that a picture may show: one table, read by every interface.

Owns      names, their order, where each camera stands, which sides face each other.
Not here  the camera itself (`views.camera`), the hosted API's field names (`service.hosted`).

Frames: CONVENTIONS.md. All cameras are level and orthographic.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Side:
    """One side of the subject.

    `azimuth_deg`: the camera's turn around +Y, from the front towards the subject's own left.
    `right_axis`, `right_sign`: the picture's right points along this axis of the object (0 x, 1 y, 2 z), and which way.
    `help`: the sentence of the command line and the page.
    """

    name: str
    opposite: str
    azimuth_deg: float
    right_axis: int
    right_sign: int
    help: str


FRONT = "front"  # the side that every run needs

SIDES: dict[str, Side] = {
    side.name: side
    for side in (
        Side("front", "back", 0.0, 0, 1, "The front: the face."),
        Side("left", "right", 90.0, 2, -1, "The subject's own left side: the nose points to the picture's left."),
        Side("back", "front", 180.0, 0, -1, "The back."),
        Side("right", "left", 270.0, 2, 1, "The subject's own right: the nose points to the picture's right."),
    )
}
