# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The front desk: every surface, one schema of errors, one OpenAPI document.

Owns      which routes there are and what every request passes on its way to them.
Not here  making the desk, listening, starting and stopping the rest (`cli.serve`).

Routes carry their whole path (native routers have the prefix /api/v1), so that one flat list is searched once.
"""

import asyncio
import time

from fastapi import FastAPI
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from fourview import __version__
from fourview.service import problems
from fourview.service.auth import ReadBuckets
from fourview.service.desk import Desk
from fourview.service.metrics import Metrics
from fourview.service.middleware import Guard, Reception
from fourview.service.probes import Probes
from fourview.service.routes import (
    discovery,
    files,
    health,
    jobs,
    meshes,
    page,
    signin,
    uploads,
    v1,
    v2,
    views,
    webhooks,
)
from fourview.service.streams import Streams


def create_app(desk: Desk) -> FastAPI:
    """The application that `desk` serves."""
    app = FastAPI(title="fourview", version=__version__, openapi_url=None, redirect_slashes=False)
    app.state.desk = desk
    app.state.metrics = Metrics(time.time())
    app.state.read_buckets = ReadBuckets()
    app.state.streams = Streams(desk.settings)
    app.state.probes = Probes(desk.settings, desk.store, desk.files, app.state.metrics, desk.supervisor)
    app.state.checking = asyncio.Lock()
    app.state.openapi = None  # the document, once somebody has asked for it
    for part in (v1, v2, jobs, files, uploads, views, meshes, webhooks, signin, health, discovery, page):
        app.router.routes.extend(part.router.routes)
    problems.install(app)
    app.add_middleware(Guard, settings=desk.settings)
    app.add_middleware(Reception, settings=desk.settings)
    if desk.settings.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=[str(net) for net in desk.settings.trusted_proxies])
    return app
