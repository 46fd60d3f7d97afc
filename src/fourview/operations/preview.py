# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Cut pictures out and compare them, before a model is made of them."""

from collections.abc import Mapping

from fourview import __version__
from fourview.operations.shared import Watch, begin
from fourview.progress import CancelToken
from fourview.recipe import Recipe, flat
from fourview.report import Report
from fourview.result import Result
from fourview.views.framing import frame
from fourview.views.load import Source, read_pictures
from fourview.views.matting import cut_out


def preview(
    pictures: Mapping[str, Source] | Source, recipe: Recipe | None = None, *,
    progress: Watch | None = None, cancel: CancelToken | None = None,
) -> Result:  # fmt: skip
    """The mattes of `pictures` as `Result.views`; warnings name what the pictures disagree on."""
    recipe, run = recipe or Recipe(), begin("preview", progress, cancel)
    with run.stage("fetch"):
        loaded = read_pictures(pictures if isinstance(pictures, Mapping) else {"front": pictures})
    with run.stage("matte") as tick:
        mattes, notices = cut_out(loaded, recipe.views.remove_background, tick, recipe.views.matting_network)
        views, disagreements = frame(loaded, mattes)
    report = Report("preview", __version__, flat(recipe), timings_s=run.timings_s, warnings=(*notices, *disagreements))
    return Result(None, None, b"", report, tuple(views))
