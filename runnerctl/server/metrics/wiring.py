"""The metrics of one application, put together."""

from __future__ import annotations

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector

from runnerctl.core import Services

from ..keys import EXPOSITION, LIVES, METRICS, OFFLOAD, OPEN_STREAMS, READINESS, REQUESTS
from . import host, own, tenants
from .exposition import Exposition
from .kept import Kept
from .lives import Lives


def add(app: web.Application, services: Services) -> None:
    """In a registry of their own. What the core counts is told to them from now on."""
    registry = CollectorRegistry()
    offload = app[OFFLOAD]
    app[METRICS] = services.meter = Kept(registry)
    app[LIVES] = Lives(services, app[METRICS])
    of_host = host.parts(services, lambda: offload.engine)
    of_server = own.parts(app[READINESS], offload, app[REQUESTS], app[OPEN_STREAMS])
    host.Parts(registry, {**of_host, **of_server})
    ProcessCollector(registry=registry)
    app[EXPOSITION] = Exposition(
        registry,
        offload,
        settle=app[LIVES].settle,
        budgets=lambda tenant: tenants.budgets(services, tenant),
        monotonic=services.clock.monotonic,
    )
