# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview serve`: the HTTP service on one machine.

Owns      the command and its options.
Not here  making the service (`server.compose`), listening and ending (`server.http_server`).
"""

from contextlib import closing
from typing import Any

import click

from fourview.server.options import serve_extra, settings_of, settings_options


@click.command()
@click.option("--host", "bind_host", help="The address to listen on (default: 127.0.0.1).")
@click.option("--port", "bind_port", help="The port to listen on, 0 for a free one (default: 8000).")
@click.option("--no-auth", is_flag=True, help="No keys and no credits; on the loopback only.")
@click.option("--no-browser", "open_browser", flag_value="false", help="Print the first start's link, and open none.")
@click.option("--no-runners", is_flag=True, help="HTTP alone: `fourview work` does the jobs, elsewhere.")
@click.option("--show-settings", is_flag=True, help="Print the settings in force, without secrets, and end.")
@settings_options
def serve(no_runners: bool, show_settings: bool, **given: Any) -> int:
    """Run the HTTP service: keys, credits, a queue, and workers on this machine.

    Every setting can be given as --set NAME=VALUE, as FOURVIEW_NAME in the environment, or in a file (--settings);
    docs/reference/settings.md has them all.
    """
    settings = settings_of(**given)
    if show_settings:
        from fourview.service.settings import describe

        for name, value in describe(settings).items():
            click.echo(f"{name} = {value}")
        return 0
    with serve_extra():
        from fourview.server.compose import opened_context, prepare_process, running_pool
        from fourview.server.http_server import open_listener, serve_until_signal

        prepare_process(settings)
        with closing(open_listener(settings)) as listener:
            settings = settings.model_copy(update={"bind_port": listener.getsockname()[1]})
            with opened_context(settings) as context, running_pool(context, not no_runners) as pool:
                return serve_until_signal(context, listener, pool)
