# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""Configure the log, and keep secrets out of it.

Owns      how a line looks, where the lines of libraries go, removing secrets from each line.
Not here  which events are logged (the module that logs them), the line of each request (`service.http.middleware`).

Every line has the ids of its request and its job. The code that knows an id binds it:
`structlog.contextvars.bind_contextvars(job_id=..)`.
No line has a key, a signature, a password, a webhook's secret or the bytes of a picture. No code logs these on purpose,
but the message of an error may hold them, so each line is searched for them as its last step.
"""

import logging
import re
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from fourview.service.settings import Settings

LINE_MAX = 20_000  # characters; a long traceback has 5,000
# Pattern of a secret -> what is written instead. The search time of each grows with the line's length alone.
SECRETS = (
    (re.compile(r"(fv_[\w-]{8})[\w-]+"), r"\1.."),
    (re.compile(r"(signature|password|secret|token|word)(['\"]?[=:] ?['\"]?)[^\s&'\",}]+", re.IGNORECASE), r"\1\2.."),
    (re.compile(r"whsec_[\w+/=-]+"), "whsec_.."),
    (re.compile(r"(://[^\s:@/]{0,100}:)[^\s@/]{1,1000}@"), r"\1..@"),
    (re.compile(r"[\w+/=-]{120,}"), ".."),  # base64: nothing else is so long without a space
    (re.compile(r"\bb(['\"])[^\n]{16,}?\1"), "b'..'"),
)
QUIET = ("httpx", "httpcore", "asyncio", "alembic", "sqlalchemy", "PIL")  # libraries that log warnings and errors only


class _Stderr:
    """`sys.stderr` as it is when a line is written, also where it was replaced after the start."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Let this process and its libraries log to `stream` (default stderr), as the settings say."""
    stream = stream or cast(TextIO, _Stderr())
    level = logging.getLevelNamesMapping()[settings.log_level.upper()]
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper("iso", utc=True),
    ]
    if settings.log_format == "json":
        look: list[Processor] = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        plain = structlog.dev.plain_traceback
        look = [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain, pad_event_to=0)]
    structlog.configure(
        processors=[*shared, *look, _without_secrets],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *look, _without_secrets],
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    logging.basicConfig(handlers=[handler], level=level, force=True)
    for name in QUIET:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    logging.getLogger("uvicorn.access").disabled = True  # `service.http.middleware` logs requests


def _without_secrets(logger: Any, method: str, line: str | EventDict) -> str:
    line = str(line)
    for secret, instead in SECRETS:
        line = secret.sub(instead, line)
    return line if len(line) <= LINE_MAX else f"{line[:LINE_MAX]}.."
