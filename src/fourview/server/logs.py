# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What is logged, and what never is.

Owns      how a line looks, where lines of libraries go, taking secrets out of whatever is about to be written.
Not here  what is worth a line (whoever logs it); the line of each request (`middleware`).

Every line has the ids of the request and of the job that it belongs to, which whoever knows them binds:
`structlog.contextvars.bind_contextvars(job_id=..)`.
No line has a key, a signature, a password, a webhook's secret or the bytes of a picture. Nobody logs these on purpose;
they would come in the message of an error, so each line is searched for them once it is written out.
"""

import logging
import re
import sys
from typing import Any, TextIO, cast

import structlog
from structlog.typing import EventDict, Processor

from fourview.service.settings import Settings

LINE_MAX = 20_000  # characters; a long traceback has 5,000
# What a secret looks like -> what is written instead. Each pattern is searched in time that grows with the line alone.
SECRETS = (
    (re.compile(r"(fv_[\w-]{8})[\w-]+"), r"\1.."),
    (re.compile(r"(signature|password|secret|token|word)(['\"]?[=:] ?['\"]?)[^\s&'\",}]+", re.IGNORECASE), r"\1\2.."),
    (re.compile(r"whsec_[\w+/=-]+"), "whsec_.."),
    (re.compile(r"(://[^\s:@/]{0,100}:)[^\s@/]{1,1000}@"), r"\1..@"),
    (re.compile(r"[\w+/=-]{120,}"), ".."),  # base64, nothing else is so long without a space
    (re.compile(r"\bb(['\"])[^\n]{16,}?\1"), "b'..'"),
)
QUIET = ("httpx", "httpcore", "asyncio", "alembic", "sqlalchemy", "PIL")  # warnings alone


class _Stderr:
    """Whatever stderr is when a line is written."""

    def write(self, text: str) -> int:
        return sys.stderr.write(text)

    def flush(self) -> None:
        sys.stderr.flush()

    def isatty(self) -> bool:
        return sys.stderr.isatty()


def configure(settings: Settings, stream: TextIO | None = None) -> None:
    """Let this process log to `stream` (stderr), libraries included, as the settings say."""
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
    logging.getLogger("uvicorn.access").disabled = True  # requests have their line already


def _without_secrets(logger: Any, method: str, line: str | EventDict) -> str:
    line = str(line)
    for secret, instead in SECRETS:
        line = secret.sub(instead, line)
    return line if len(line) <= LINE_MAX else f"{line[:LINE_MAX]}.."
