# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""`fourview work`: a machine that does jobs and answers no HTTP.

Owns      the command and its options.
Not here  making the workers (`server.compose`), running and ending them (`server.lifecycle`).
"""

from typing import Any

import click

from fourview.server.options import serve_extra, settings_of, settings_options


@click.command()
@settings_options
def work(**given: Any) -> int:
    """Do the jobs of a service that runs elsewhere, on the same database and files, until Ctrl-C or SIGTERM."""
    settings = settings_of(**given)
    with serve_extra():
        from fourview.server.compose import opened_pool, prepare_process, probes_of
        from fourview.server.lifecycle import health_port, work_until_signal

        prepare_process(settings)
        if settings.database.startswith("postgresql") and settings.files.startswith("file:"):
            click.echo(
                f"warning: {settings.files} is a folder; if the service runs on another machine it must be the same "
                "one there, else set files_url to a bucket",
                err=True,
            )
        with opened_pool(settings) as pool, health_port(settings, lambda: probes_of(settings, pool)):
            return work_until_signal(pool, settings.shutdown_grace_s)
