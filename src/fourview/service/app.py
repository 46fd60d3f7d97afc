# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The application: its routes and middleware, in one list.

Owns      which routes there are and what every request passes on its way to them.
Not here  making the context, listening, starting and stopping the rest (`server.http_server`).

Routes carry their whole path (routers of the jobs API have the prefix /api/v1), so that one flat list is searched once.
"""

import asyncio
import time

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from fourview import __version__
from fourview.service.context import AppContext
from fourview.service.health.metrics import Metrics
from fourview.service.health.probes import Probes
from fourview.service.http import problem_answers
from fourview.service.http.auth import ReadBuckets
from fourview.service.http.event_streams import Streams
from fourview.service.http.middleware import Guard, RequestContextMiddleware
from fourview.service.routes import (
    discovery,
    files,
    health,
    hosted_v1,
    hosted_v2,
    jobs,
    meshes,
    page,
    previews,
    signin,
    uploads,
    webhooks,
)


def create_app(context: AppContext) -> FastAPI:
    """The application that `context` serves."""
    app = FastAPI(title="fourview", version=__version__, openapi_url=None, redirect_slashes=False)
    app.state.context = context
    app.state.metrics = Metrics(time.time())
    app.state.read_buckets = ReadBuckets()
    app.state.streams = Streams(context.settings)
    app.state.probes = Probes(context.settings, context.store, context.files, app.state.metrics, context.supervisor)
    app.state.checking = asyncio.Lock()
    app.state.openapi = None  # the document, once it was requested
    for part in (
        hosted_v1,
        hosted_v2,
        jobs,
        files,
        uploads,
        previews,
        meshes,
        webhooks,
        signin,
        health,
        discovery,
        page,
    ):
        app.router.routes.extend(part.router.routes)
    problem_answers.install(app)
    app.add_middleware(Guard, settings=context.settings)
    app.add_middleware(RequestContextMiddleware, settings=context.settings)
    if context.settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(net) for net in context.settings.trusted_proxies])
    return app
