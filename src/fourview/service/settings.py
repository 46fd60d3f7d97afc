# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Every setting of the service: one typed table.

Owns      names, types, ranges, defaults and the sentence that explains each; where they come from; which do not go
          together; showing them without secrets.
Not here  the parameters of a run (`fourview.recipe`), what a setting does (the module that reads it).

A flag beats the environment (`FOURVIEW_BIND_PORT`), which beats the file (TOML), which beats the default. Lists are
separated by commas in the environment; tables (`prices`, `recipe_defaults`) are JSON there. A service starts with
settings that were checked together, or not at all: every reason against them is in one error.
"""

import os
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_core import to_json
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from fourview.errors import SettingsError
from fourview.service.hosts import is_wildcard
from fourview.service.masking import masked
from fourview.service.outbound.addresses import Rules
from fourview.service.prices import PRICES, Prices


def _listed(value: object) -> object:
    return [word.strip() for word in value.split(",") if word.strip()] if isinstance(value, str) else value


def _data_home() -> Path:
    try:
        return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "fourview"
    except RuntimeError:
        raise SettingsError(
            "state_dir has no default, as this user has no home folder (HOME is not set, and there is no passwd "
            "entry): set FOURVIEW_STATE_DIR to a folder"
        ) from None


Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_listed)]
Ports = Annotated[frozenset[Annotated[int, Field(ge=1, le=65535)]], NoDecode, BeforeValidator(_listed)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_listed)]


def _of(default: Any, doc: str, low: float | None = None, high: float | None = None) -> Any:
    return Field(default=default, description=doc, ge=low, le=high)


class Settings(BaseSettings):
    """All settings. `load_settings.load` makes them and checks them together; made directly, each is checked alone."""

    model_config = SettingsConfigDict(
        env_prefix="FOURVIEW_",
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
    )

    # Listening
    bind_host: str = _of("127.0.0.1", "the address to listen on; 0.0.0.0 is every one of this machine")
    bind_port: int = _of(8000, "the port to listen on", 0, 65535)
    health_port: int | None = _of(
        None, "a port on bind_host for health and metrics without a key, 0 is a free one; unset: none", 0, 65535
    )
    public_url: str | None = _of(
        None, "how clients reach the service, https://models.example.com; unset: http:// with the bind"
    )
    allowed_hosts: Words = _of(
        (), "names that the Host header may hold, besides those of public_url, the bind and the loopback"
    )
    allowed_origins: Words = _of((), "other origins whose web pages may call the service, https://app.example.com")
    trusted_proxies: Networks = _of(
        (), "networks of the proxies in front, 10.0.0.0/24, whose X-Forwarded-For is believed; needs public_url"
    )
    body_max_mib: int = _of(130, "how large a request may be: four of the largest pictures as a form", 1, 1024)
    bodies_max_mib: int = _of(
        1024, "how much the bodies of all requests may hold at once; more are refused with 503", 1, 1_000_000
    )
    wait_max_s: float = _of(600, "how long a request may wait for its job (v1, Prefer: wait)", 1, 3600)
    events_heartbeat_s: float = _of(15, "how often a silent event stream shows that it lives", 1, 300)
    streams_max: int = _of(1000, "event streams that a process serves at once; more are refused with 503", 1, 100_000)
    streams_max_per_key: int = _of(100, "the same of one key, and of the signed URLs of its jobs", 1, 100_000)
    streams_max_per_address: int = _of(200, "the same of one client address, unless it is the loopback", 1, 100_000)
    shutdown_grace_s: float = _of(30, "how long running jobs may go on when the service is asked to end", 0, 3600)
    open_browser: bool = _of(True, "the first start opens its sign-in link, where a person sits at terminal and screen")
    log_level: Literal["debug", "info", "warning", "error"] = _of("info", "from which weight on a line is logged")
    log_format: Literal["text", "json"] = _of("text", "how a line is logged")

    # Callers
    no_auth: bool = _of(
        False, "no keys and no credits: every client that reaches the service may use it; loopback only"
    )
    no_auth_anywhere: bool = _of(
        False, "allows no_auth on other addresses than the loopback, behind an access control of your own"
    )
    rate_per_min: int = _of(
        600, "requests that a key may make in a minute, unless the key says otherwise", 1, 1_000_000
    )
    concurrency: int = _of(4, "jobs of a key that run at once, unless the key says otherwise", 1, 10_000)
    queue_max: int = _of(5000, "jobs that may wait in all; more are refused with 503", 1, 1_000_000)
    queue_max_per_key: int = _of(2000, "jobs of one key that may wait; more are refused with 429", 1, 1_000_000)
    signed_url_s: int = _of(3600, "how long a signed URL opens its file; every answer has new ones", 60, 604_800)
    signing_secrets: Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_listed)] = _of(
        (), "what signs URLs, newest first, 32 characters or more each; unset: one is made and kept in the database"
    )

    # What is kept
    state_dir: Annotated[Path, Field(default_factory=_data_home, description="the folder of database and files")]
    database_url: SecretStr | None = _of(
        None, "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME; unset: state.db in state_dir"
    )
    files_url: SecretStr | None = _of(
        None, "file:///FOLDER or s3://BUCKET/PREFIX; unset: the folder files in state_dir"
    )
    scratch_dir: Path | None = _of(None, "where each job has a folder while it runs; unset: scratch in state_dir")
    job_keep_h: float = _of(168, "how long a job and its files are kept after it ended, hours", 0.01, 87_600)
    upload_keep_h: float = _of(24, "how long an upload is kept, hours", 0.01, 8760)
    uploads_max_mib: int = _of(2048, "how much the uploads of an account may hold at once", 1, 100_000_000)
    idempotency_keep_h: float = _of(24, "how long an Idempotency-Key is remembered, hours", 0.01, 8760)
    disk_free_min_mib: int = _of(2048, "below this much free disk no job is taken, 503", 0, 100_000_000)

    # Pictures, and whom the service calls
    picture_max_mib: float = _of(32, "how large a picture's file may be, decoded from base64 or gzip", 0.01, 64)
    mesh_max_mib: int = _of(64, "how large a mesh may be; one in a request is no larger than body_max_mib", 1, 1024)
    picture_max_megapixels: float = _of(
        64, "how many pixels a picture may have (a WebP 25 at most); looking at one takes up to 8 bytes each", 0.01, 200
    )
    outbound_connect_s: float = _of(5, "how long a picture's or webhook's host may take to connect", 0.1, 60)
    fetch_read_s: float = _of(30, "how long a picture may take to arrive; the whole fetch this and the above", 0.1, 120)
    fetch_redirects_max: int = _of(3, "how many redirects are followed, each checked like the first address", 0, 10)
    outbound_ports: Ports = _of(frozenset({80, 443}), "ports of other hosts that pictures and webhooks may use")
    outbound_test_hosts: Words = _of((), "hosts, name:port, that may lie on the loopback; for tests only")
    webhook_attempts: int = _of(8, "how often a webhook is tried", 1, 30)
    webhook_timeout_s: float = _of(15, "how long a webhook's host may take to answer", 0.1, 60)
    webhook_first_delay_s: float = _of(
        5, "the wait after the first failed try; each further one is four times as long", 0, 3600
    )
    webhook_max_delay_s: float = _of(21_600, "the longest wait between two tries", 0, 604_800)

    # Runners
    devices: Words = _of(("auto",), "what runs jobs: auto, cpu, cuda:0, cuda:1, mps")
    workers_per_device: int = _of(1, "processes for each device", 1, 64)
    job_max_s: float = _of(3600, "how long a job may run before it fails", 1, 604_800)
    mesh_job_max_s: float = _of(300, "the same of a job on a mesh; the shorter of both holds", 1, 604_800)
    lease_s: float = _of(30, "how long a job stays with a worker that no longer shows that it lives", 1, 3600)
    heartbeat_s: float = _of(5, "how often a worker shows that it lives; at most a third of lease_s", 0.1, 600)
    recipe_defaults: dict[str, Any] = _of(
        {}, "parameters of the recipe whose default is another here, engine = 'hunyuan2mv'"
    )

    # Credits
    prices: Prices = _of(PRICES, "thousandths of a credit by engine or kind: base, step, resolution, faces, texture")
    first_key_credits: int = _of(1000, "whole credits that the first start's key is given", 0, 1_000_000_000)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what is handed over: `load` reads environment and file, so settings made by hand are what they say."""
        return (init_settings,)

    @property
    def base_url(self) -> str:
        """What absolute URLs begin with, without a slash at the end."""
        if self.public_url:
            return self.public_url.rstrip("/")
        host = f"[{self.bind_host}]" if ":" in self.bind_host else self.bind_host
        return f"http://{host}:{self.bind_port}"

    @property
    def hosts(self) -> frozenset[str]:
        """The names (lower case, no port) that a Host header may hold."""
        own = {self.bind_host, urlsplit(self.base_url).hostname or "", "localhost", "127.0.0.1", "::1"}
        return frozenset(host.lower() for host in (*own, *self.allowed_hosts) if not is_wildcard(host))

    @property
    def database(self) -> str:
        """The database's URL, password and all."""
        return self.database_url.get_secret_value() if self.database_url else f"sqlite:///{self.state_dir / 'state.db'}"

    @property
    def files(self) -> str:
        """Where files lie, as a URL."""
        return self.files_url.get_secret_value() if self.files_url else (self.state_dir / "files").absolute().as_uri()

    @property
    def outbound_rules(self) -> Rules:
        """Where pictures and webhooks may lead."""
        return Rules(self.outbound_ports, frozenset(self.outbound_test_hosts))

    @property
    def scratch(self) -> Path:
        return self.scratch_dir or self.state_dir / "scratch"


def describe(settings: Settings) -> dict[str, str]:
    """Each setting by name as a person may see it: passwords and secrets are not in it."""
    return {name: _shown(getattr(settings, name)) for name in Settings.model_fields}


def _shown(value: object) -> str:
    if value is None:
        return "unset"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, SecretStr):
        return masked(value.get_secret_value())
    if isinstance(value, tuple | frozenset):
        if any(isinstance(item, SecretStr) for item in value):
            return f"{len(value)} set"
        return ", ".join(str(item) for item in (sorted(value) if isinstance(value, frozenset) else value)) or "none"
    if isinstance(value, dict):
        return to_json(value).decode()
    return f"{value:g}" if isinstance(value, float) else str(value)
