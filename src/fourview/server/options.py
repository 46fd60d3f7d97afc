# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The options of the commands that reach the service, and the settings that these options give.

Owns      the options of `serve` and `work`, the option `--database` of `keys` and `credits`, reading the options into
          `Settings`, the error where the extra [serve] is not installed.
Not here  the settings themselves and where else they come from (`service.settings`).

This module imports nothing of the extra [serve], because the command line imports it to print its help.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fourview.errors import MissingExtraError, SettingsError
from fourview.install import install_line

if TYPE_CHECKING:
    from fourview.service.settings import Settings


def settings_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `serve` and `work` that set settings; `settings_of` takes their values."""
    for option in reversed((
        click.option("--settings", "file", type=click.Path(dir_okay=False, path_type=Path), help="A TOML file."),
        click.option("--database", "database_url", help="sqlite:///FILE or postgresql://USER@HOST/NAME."),
        click.option("--files", "files_url", help="file:///FOLDER or s3://BUCKET/PREFIX."),
        click.option("--state", "state_dir", help="The folder of database and files."),
        click.option("--device", "devices", multiple=True, help="auto, cpu, cuda:N, mps, instant; may be repeated."),
        click.option("--workers", "workers_per_device", help="Processes for each device."),
        click.option("--health-port", help="A port for health and metrics without a key, 0 for a free one."),
        click.option("--log-level", help="debug, info, warning or error."),
        click.option("--log-format", help="text or json."),
        click.option("--set", "more", multiple=True, metavar="NAME=VALUE", help="Any setting; may be repeated."),
    )):  # fmt: skip
        command = option(command)
    return command


def settings_of(file: Path | None, more: tuple[str, ...], **flags: Any) -> "Settings":
    """The settings in force; raises `SettingsError`, or `MissingExtraError`."""
    with serve_extra():
        from fourview.service.load_settings import load
    given: dict[str, Any] = {}
    for word in more:
        name, is_there, value = word.partition("=")
        if not is_there:
            raise SettingsError(f"--set takes NAME=VALUE, not {word!r}: write --set queue_max=100")
        try:
            given[name] = json.loads(value) if value.startswith("{") else value
        except ValueError as error:
            raise SettingsError(f"{name} is no JSON ({error}): write --set {name}='{{...}}'") from None
    given |= {name: value for name, value in flags.items() if value not in (None, (), False)}
    try:
        return load(file, given)
    except SettingsError as error:
        raise SettingsError("; ".join(str(error).splitlines())) from None


def database_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """The option of `keys` and `credits` that names the service's database."""
    text = "sqlite:///FILE or postgresql://... (default: where a `fourview serve` without options has it)."
    return click.option("--database", envvar="FOURVIEW_DATABASE_URL", help=text, show_envvar=True)(command)


@contextmanager
def serve_extra() -> Iterator[None]:
    """Around imports of the service; raises `MissingExtraError` where one of its packages is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the service needs the module {error.name!r}, which is not installed; {install_line('serve')}"
        ) from error
