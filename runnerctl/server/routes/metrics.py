"""The metrics, for Prometheus."""

from __future__ import annotations

from aiohttp import web
from aiohttp.hdrs import ACCEPT, CONTENT_TYPE

from runnerctl.core import Action

from ..answers import Answer
from ..keys import ACTOR, EXPOSITION
from ..routing import Route

TEXT = Answer(200, "The metrics in Prometheus's text format.", str, media="text/plain")
OPENMETRICS = Answer(200, "The same as OpenMetrics, by Accept.", str, media="application/openmetrics-text")


async def scrape(request: web.Request) -> web.Response:
    """Read the metrics of this host, for Prometheus.

    At most a second old. Who is a tenant sees of tenants' budgets its own.
    """
    page = await request.app[EXPOSITION].page(request[ACTOR], request.headers.get(ACCEPT, ""))
    return web.Response(body=page.body, headers={CONTENT_TYPE: page.content_type})


ROUTES = (Route("GET", "/metrics", scrape, Action.METRICS, (TEXT, OPENMETRICS)),)
