"""The application: services in, routes out. It opens nothing; ``run.py`` does."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core.services import Services

from .auth import Door
from .bodies import MAX_BODY
from .keys import DOOR, LOOKS, OFFLOAD, READINESS, SERVICES
from .looks import Looks
from .middlewares import boundary
from .offload import Offload
from .readiness import Readiness
from .routes import health, logs, runners


def build_app(services: Services, *, token: str) -> web.Application:
    """The whole API for these services; ``token`` is the operator's."""
    app = web.Application(middlewares=[boundary], client_max_size=MAX_BODY)
    app[SERVICES] = services
    app[OFFLOAD] = Offload()
    app[DOOR] = Door(token)
    app[LOOKS] = Looks(services)
    app[READINESS] = Readiness(services=services)
    for module in (health, runners, logs):
        app.add_routes(module.ROUTES)
    return app
