# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The picture on top of the README: four photographs of the robot, and the model made from them.

python examples/readme_picture.py --out docs/robot.png
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import fourview
from fourview.render.sheet import preview

PICTURES = Path(fourview.__path__[0]) / "examples" / "robot_photo"
SIDES = ("front", "left", "back", "right")
THUMB_PX, MODEL_PX, MODEL_WIDTH_PX, GAP_PX = 256, 640, 420, 8
TURNS_DEG = (0, 150)  # the model from the front and from behind


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("docs/robot.png"))
    out = parser.parse_args().out

    paths = {side: PICTURES / f"{side}.jpg" for side in SIDES}
    result = fourview.generate(paths)
    shots = [preview(_turned(result.mesh, turn), result.texture, MODEL_PX) for turn in TURNS_DEG]
    pictures = Image.new("RGB", (2 * THUMB_PX + GAP_PX, 2 * THUMB_PX + GAP_PX), "white")
    for number, path in enumerate(paths.values()):
        thumb = Image.open(path).convert("RGB").resize((THUMB_PX, THUMB_PX), Image.Resampling.LANCZOS)
        pictures.paste(thumb, tuple((THUMB_PX + GAP_PX) * k for k in (number % 2, number // 2)))
    ground = shots[0].getpixel((2, 2))
    left = pictures.width + 8 * GAP_PX
    sheet = Image.new("RGB", (left + 2 * MODEL_WIDTH_PX, MODEL_PX), ground)
    sheet.paste(pictures, (4 * GAP_PX, (MODEL_PX - pictures.height) // 2))
    margin = (MODEL_PX - MODEL_WIDTH_PX) // 2
    for number, shot in enumerate(shots):
        middle = shot.crop((margin, 0, MODEL_PX - margin, MODEL_PX))
        sheet.paste(middle, (left + number * MODEL_WIDTH_PX, 0))
    sheet.quantize(255).save(out, optimize=True)


def _turned(mesh: fourview.Mesh, turn_deg: float) -> fourview.Mesh:
    """The mesh turned around +Y."""
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])
    return fourview.Mesh((mesh.vertices @ turn.T).astype(np.float32), mesh.faces, mesh.uv)


if __name__ == "__main__":
    main()
