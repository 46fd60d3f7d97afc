# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Loads the settings from file, environment and flags, and checks them together.

Owns      the order of these three, the reasons not to start.
Not here  the settings and the range of each (`settings`).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError
from pydantic_settings import EnvSettingsSource
from pydantic_settings import SettingsError as SourceError

from fourview.errors import FourviewError, SettingsError
from fourview.recipe import Recipe
from fourview.service.hosts import is_loopback, is_wildcard
from fourview.service.masking import masked
from fourview.service.prices import PRICES
from fourview.service.settings import Settings

_SECRET = ("signing_secrets", "database_url", "files_url")  # settings whose values are never shown whole


def load(file: Path | None = None, flags: Mapping[str, Any] | None = None) -> Settings:
    """The settings in force, checked together; `flags` are those the caller was given. Raises `SettingsError`."""
    try:
        settings = Settings(**{**_read(file), **EnvSettingsSource(Settings)(), **(flags or {})})
    except SourceError as error:
        raise SettingsError(f"{error}: tables are JSON in the environment") from None
    except ValidationError as error:
        raise SettingsError("\n".join(_sentences(error))) from None
    if reasons := list(_reasons_against(settings)):
        raise SettingsError("\n".join(reasons))
    return settings


def _reasons_against(s: Settings) -> Iterator[str]:
    """The reasons not to start with these settings, each with its cure."""
    is_public = not is_loopback(s.bind_host) or bool(
        s.public_url and not is_loopback(urlsplit(s.base_url).hostname or "")
    )
    where = s.public_url or s.bind_host
    if s.no_auth and (is_public or s.trusted_proxies) and not s.no_auth_anywhere:
        yield f"no_auth lets anyone in who reaches {where}: bind to 127.0.0.1, or force it with no_auth_anywhere"
    if s.outbound_test_hosts and (is_public or s.trusted_proxies):
        yield f"outbound_test_hosts opens this machine's loopback to all who reach {where}: unset it, it is for tests"
    if s.trusted_proxies and not s.public_url:
        yield "trusted_proxies is set and public_url is not: name the URL that the proxy serves"
    if any(network.prefixlen == 0 for network in s.trusted_proxies):
        yield "trusted_proxies holds the whole internet, so anyone may claim any address: name the proxies' networks"
    if s.bind_host in ("0.0.0.0", "::") and not s.public_url:
        yield f"bind_host is {s.bind_host} and public_url is not set: name the URL that clients use, answers hold it"
    if s.public_url and not re.fullmatch(r"https?://[^\s/?#@]+(/[^\s?#]*)?", s.public_url):
        yield f"public_url is '{masked(s.public_url)}'; https://NAME without user, query and fragment is needed"
    if any(map(is_wildcard, s.allowed_hosts)):
        yield "allowed_hosts holds a *, which lets any web page in by DNS rebinding: name the hosts"
    if any(not re.fullmatch(r"https?://[^\s/?#@*]+", origin) for origin in s.allowed_origins):
        yield "allowed_origins takes origins such as https://app.example.com, no path and no *: name each"
    if any(not re.fullmatch(r"[^\s/@]+:[0-9]+", host) for host in s.outbound_test_hosts):
        yield "outbound_test_hosts takes name:port, as in 127.0.0.1:8080"
    if any(len(secret.get_secret_value().encode()) < 32 for secret in s.signing_secrets):
        yield "signing_secrets holds one of fewer than 32 characters: make one with `openssl rand -base64 32`"
    if not s.database.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")) or ":memory:" in s.database:
        yield f"database_url is '{masked(s.database)}'; sqlite:///FILE or postgresql://... is needed"
    if not s.files.startswith(("file:///", "s3://")):
        yield f"files_url is '{masked(s.files)}'; file:///FOLDER or s3://BUCKET/PREFIX is needed"
    if 3 * s.heartbeat_s > s.lease_s:
        yield f"lease_s is {s.lease_s:g} and heartbeat_s {s.heartbeat_s:g}: a lease must hold three beats, lengthen it"
    if s.body_max_mib < s.picture_max_mib * 4 / 3:
        yield f"body_max_mib is {s.body_max_mib}: a picture of picture_max_mib {s.picture_max_mib:g} needs more as text"
    if s.bodies_max_mib < s.body_max_mib:
        yield f"bodies_max_mib is {s.bodies_max_mib}: one body may have body_max_mib {s.body_max_mib}, raise it"
    if s.webhook_first_delay_s > s.webhook_max_delay_s:
        yield "webhook_first_delay_s is longer than webhook_max_delay_s: shorten it"
    if missing := [name for name in PRICES if name not in s.prices]:
        yield f"prices has no row for {', '.join(missing)}: add one for each, its prices may be 0"
    if unknown := [name for name in s.prices if name not in PRICES]:
        yield f"prices has a row for {', '.join(unknown)}: it takes rows for {', '.join(PRICES)}"
    try:
        Recipe.of(**s.recipe_defaults)
    except FourviewError as error:
        yield f"recipe_defaults: {error}"


def _read(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except OSError as error:
        raise SettingsError(f"the settings file {file} cannot be read: {error.strerror or error}") from None
    except ValueError as error:
        raise SettingsError(f"the settings file {file} is no TOML ({error}): correct that line") from None


def _sentences(error: ValidationError) -> Iterator[str]:
    """What was wrong with which setting; of a choice between types, one sentence for each."""
    for found in error.errors():
        name = ".".join(str(step) for step in found["loc"] if str(step).isidentifier() or isinstance(step, int))
        if found["type"] == "extra_forbidden":
            yield f"there is no setting '{name}': docs/reference/settings.md has them all"
        else:
            is_shown = found["type"] != "missing" and found["loc"][0] not in _SECRET
            value = f" {str(found['input'])[:60]!r}" if is_shown else ""
            yield f"{name}{value} cannot be used: {found['msg'].removeprefix('Value error, ')}"
