# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The command `fourview`: its commands, and how an error ends it.

Owns      the group of commands, exit codes. Not here: the commands, each in its own file.
"""

import click

from fourview import __version__
from fourview.cli.credits import credits
from fourview.cli.generate import batch, demo, generate
from fourview.cli.keys import keys
from fourview.cli.meshes import convert, inspect, render, retexture, simplify
from fourview.cli.preview import preview
from fourview.cli.serve import serve
from fourview.cli.weights import weights
from fourview.cli.words import Command, Group, no_such_option, option
from fourview.cli.work import work
from fourview.errors import CanceledError, ChildError, FourviewError


@click.group(cls=Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", prog_name="fourview")
def app() -> None:
    """Four pictures of a thing go in, one clean, textured 3D model comes out.

    The shell completes commands, options and choices after eval "$(_FOURVIEW_COMPLETE=bash_source fourview)"; zsh and
    fish have zsh_source and fish_source.
    """


@app.command(cls=Command)
@option("--json", "as_json", is_flag=True, help="Print JSON.")
def doctor(as_json: bool) -> int:
    """Show what is installed, what the machine has, and the line that installs what is missing."""
    from fourview.cli.doctor import run

    return run(["--json"] if as_json else [])


for command in (
    generate, demo, batch, preview, retexture, simplify, convert, inspect, render, weights, serve, work, keys, credits,
):  # fmt: skip
    app.add_command(command)


def run_app() -> int:
    """Run the command of this process; an error is one line on stderr and an exit code."""
    try:
        status = app.main(prog_name="fourview", standalone_mode=False)
        return status if isinstance(status, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.NoSuchOption as error:
        message, code = no_such_option(error), 2
    except click.ClickException as error:
        message, code = error.format_message(), 2
    except (KeyboardInterrupt, click.Abort, CanceledError):
        message, code = "interrupted; no file was left half-written", 130
    except ChildError as error:
        message, code = str(error), 1
    except FourviewError as error:
        message, code = str(error), 2
    click.echo("error: " + " ".join(message.split()), err=True)
    return code
