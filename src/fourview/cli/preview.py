# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview preview`: cut pictures out and compare them, before a model is made of them."""

from typing import Any

import click

from fourview.cli.bar import bar
from fourview.cli.options import FOLDER, RESULT, prepare, recipe_of, recipe_options, run_options, side_options
from fourview.cli.output import summary
from fourview.cli.words import Command, option


@click.command(cls=Command, context_settings={"allow_extra_args": True})
@side_options
@option("-o", "--output", required=True, group=RESULT, type=FOLDER, help="Folder for the mattes and cut-outs.")
@recipe_options("preview")
@run_options
def preview(pictures: dict[str, str], output: str, threads: int | None, quiet: bool, **given: Any) -> None:
    """Cut out FRONT and up to three more pictures, and report what they disagree on."""
    prepare(threads)
    recipe = recipe_of(given)
    from fourview.formats.write import check_folder
    from fourview.operations.preview import preview as cut_out
    from fourview.views.load import save_mattes

    check_folder(output)
    with bar(output, quiet) as watch:
        result = cut_out(pictures, recipe, progress=watch)
    paths = save_mattes(output, result.views)
    if not quiet:
        summary(result, [str(path) for path in paths])
