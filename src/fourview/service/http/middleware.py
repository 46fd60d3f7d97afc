# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""What every request passes on its way to a route, and every answer on its way back.

Owns      the request's id, its one line in the log, its place in the metrics, the answer to bugs; which hosts and
          origins may call; the headers of every answer.
Not here  keys and rates (`auth`), what an error looks like (`problems`), how large and slow a body may be
          (`body_limits`).

Plain ASGI, so that streams stay streams. From the outside in: `RequestContextMiddleware`, `Guard`, the routes.
"""

import secrets
import time
from urllib.parse import urlsplit

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fourview.errors import DependencyAwayError
from fourview.service.http.auth import account_headers
from fourview.service.http.body_limits import BodyLimits, LimitedBody
from fourview.service.http.problem_answers import answer, internal
from fourview.service.problems import Refused
from fourview.service.settings import Settings

UNSAFE = ("POST", "PUT", "PATCH", "DELETE")
EVERY_ANSWER = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cache-control": "no-store",
}
CORS_METHODS = "GET, HEAD, POST, DELETE"
CORS_HEADERS = (
    "x-api-key, authorization, content-type, accept, idempotency-key, prefer, cancel-after, last-event-id, "
    "if-none-match, range"
)
CORS_EXPOSED = (
    "x-request-id, x-remaining-credits, x-cost, x-seed-value, x-generation-time, x-rate-limit-reset-at-utc, ratelimit, "
    "ratelimit-policy, retry-after, location, etag, content-disposition, content-range, idempotency-replayed, "
    "preference-applied, x-job-id, x-warnings"
)

log = structlog.get_logger(__name__)


class RequestContextMiddleware:
    """Gives a request its id, writes its line into the log, and adds the headers of every answer."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._origins = app, frozenset(settings.allowed_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begin, status = time.perf_counter(), 499  # where the client closed the connection before there was an answer
        request_id = "req_" + secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=request_id)

        async def send_complete(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in EVERY_ANSWER.items():
                    headers.setdefault(name, value)
                headers["x-request-id"] = request_id
                if self._origins:
                    self._allow(scope, headers)
                if status >= 400 or "caller" in scope["state"]:
                    headers.update(dict(await _account_headers(scope)))
            await send(message)

        try:
            await self._app(scope, receive, send_complete)
        except Exception:
            log.exception("unexpected_error", method=scope["method"], path=scope["path"])
            if status != 499:  # the answer has begun: it can only be cut off
                raise
            await answer(Request(scope), internal())(scope, receive, send_complete)
        finally:
            seconds = time.perf_counter() - begin
            scope["app"].state.metrics.saw_request(scope, status, seconds)
            caller = scope["state"].get("caller")
            details = {
                "client": scope["client"][0] if scope.get("client") else None,
                "key": caller.key.id if caller else None,
                "job_id": _job_of(scope),
                "sent_id": Headers(scope=scope).get("x-request-id", "")[:64] or None,  # an id of the client's own
            }
            log.info(
                "request",
                method=scope["method"],
                path=scope["path"],
                status=status,
                ms=round(1000 * seconds, 1),
                **{name: value for name, value in details.items() if value is not None},
            )

    def _allow(self, scope: Scope, headers: MutableHeaders) -> None:
        """Let pages of the origins in the settings read the answer, errors included."""
        headers.add_vary_header("Origin")
        if (origin := Headers(scope=scope).get("origin")) in self._origins:
            headers["access-control-allow-origin"] = origin
            headers["access-control-expose-headers"] = CORS_EXPOSED


class Guard:
    """Refuses requests for other hosts, from pages of other origins, and those that are too large."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._hosts, self._origins = settings.hosts, frozenset(settings.allowed_origins)
        self._own_origin = "{0.scheme}://{0.netloc}".format(urlsplit(settings.base_url)).lower()
        self._limits = BodyLimits(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        is_welcome = origin in self._origins
        try:
            self._check_host(scope, headers)
            if "\0" in scope["path"] or b"%00" in scope["query_string"]:  # no database keeps it
                raise Refused("invalid_field", "the URL holds NUL; send it without")
            if origin is not None and not is_welcome:
                self._check_origin(scope, headers, origin.lower())
            _check_framing(scope, headers)
            body = LimitedBody(self._limits, scope, receive, send)
            if body.is_too_large:
                raise body.too_large().refused
        except Refused as refused:
            await answer(Request(scope), refused)(scope, receive, send)
            return
        if is_welcome and scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            may = {"access-control-allow-methods": CORS_METHODS, "access-control-allow-headers": CORS_HEADERS}
            await Response(status_code=204, headers={**may, "access-control-max-age": "600"})(scope, receive, send)
            return
        scope["state"]["body"] = body
        try:
            await self._app(scope, body.receive, body.send)
        finally:
            body.release()

    def _check_host(self, scope: Scope, headers: Headers) -> None:
        """Refuse other names: a page whose name was pointed to this machine sends its own. Health probes may use
        any."""
        hosts = headers.getlist("host")
        if (len(hosts) != 1 or _name_of(hosts[0]) not in self._hosts) and not scope["path"].startswith("/health/"):
            sent = ", ".join(hosts) or "missing"
            raise Refused("host_refused", f"the Host header is {sent}; add the name to allowed_hosts if it is right")

    def _check_origin(self, scope: Scope, headers: Headers, origin: str) -> None:
        """Refuse changes from pages of other origins; the browser keeps them from reading answers."""
        own = f"{scope['scheme']}://{headers.get('host', '')}".lower()
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in headers
        if origin not in (own, self._own_origin) and (scope["method"] in UNSAFE or is_preflight):
            raise Refused("origin_refused", f"pages of {origin} may not call this service; see allowed_origins")


def _check_framing(scope: Scope, headers: Headers) -> None:
    """Refuse a body whose end two servers may see in two places (RFC 9112, 6.1), and end the connection."""
    if "transfer-encoding" in headers and ("content-length" in headers or scope["http_version"] == "1.0"):
        sentence = "Transfer-Encoding came with Content-Length or with HTTP/1.0; send one of the two lengths"
        raise Refused("malformed_request", sentence, headers={"connection": "close"})


async def _account_headers(scope: Scope) -> list[tuple[str, str]]:
    try:
        return await account_headers(scope)
    except DependencyAwayError:  # the answer has to do without them
        return []
    except Exception:
        log.exception("account_headers_failed")
        return []


def _job_of(scope: Scope) -> str | None:
    """The job that the path names, or that the request made."""
    named = scope.get("path_params", {})
    job_id: str | None = named.get("job_id") or named.get("request_id")
    return job_id


def _name_of(host: str) -> str:
    """The name in a Host header, as `Settings.hosts` writes it."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
