# SPDX-FileCopyrightText: The fourview authors
# SPDX-License-Identifier: Apache-2.0
"""The front desk: every surface, one schema of errors, one OpenAPI document.

Owns      which routes there are and what every request passes on its way to them.
Not here  making the desk, listening, starting and stopping the rest (`cli.serve`).
"""

from fastapi import FastAPI

from fourview import __version__
from fourview.service.desk import Desk
from fourview.service.routes import discovery, files, health, jobs, meshes, signin, uploads, v1, v2, views, webhooks

NATIVE = "/api/v1"


def create_app(desk: Desk) -> FastAPI:
    """The application that `desk` serves."""
    app = FastAPI(title="fourview", version=__version__, docs_url=None, redoc_url=None)
    app.state.desk = desk
    for part in (v1, v2, health, discovery):
        app.include_router(part.router)
    for part in (jobs, files, uploads, views, meshes, webhooks, signin):
        app.include_router(part.router, prefix=NATIVE)
    return app
