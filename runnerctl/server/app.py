"""The application: services in, routes out. It opens nothing; ``run.py`` does."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import ListedRunners, Services

from . import allowances
from .allowances import Allowance
from .auth.authenticator import Authenticator
from .auth.scrapers import Scrapers
from .auth.sources import Sources
from .auth.throttle import FailedLogins
from .bodies import MAX_BODY
from .keys import (
    AUTHENTICATOR,
    EVENT_HUB,
    FAILED_LOGINS,
    LISTED,
    LOG_WATCH,
    OFFLOAD,
    OPEN_STREAMS,
    READINESS,
    REFUSALS,
    REQUESTS,
    RULES,
    SCRAPERS,
    SERVICES,
    SOURCES,
    STATUS_CACHE,
    UNDER_WAY,
    USAGES,
)
from .metrics import wiring
from .middlewares import boundary
from .offload import Offload
from .readiness import Readiness
from .refusals import refusals
from .routes import (
    batches,
    description,
    events,
    health,
    host,
    jobs,
    logs,
    metrics,
    orphans,
    pages,
    runners,
    sessions,
    tokens,
    usage,
    whoami,
)
from .routing import add
from .status_cache import StatusCache
from .streams.event_hub import EventHub
from .streams.log_watch import LogWatch
from .streams.open_streams import OpenStreams
from .turn_mark import TurnMark
from .usages import Usages

ROUTES = (
    *health.ROUTES,
    *runners.ROUTES,
    *batches.ROUTES,
    *jobs.ROUTES,
    *events.ROUTES,
    *usage.ROUTES,
    *logs.ROUTES,
    *orphans.ROUTES,
    *tokens.ROUTES,
    *whoami.ROUTES,
    *metrics.ROUTES,
    *sessions.ROUTES,
    *host.ROUTES,
    *pages.ROUTES,
    *description.ROUTES,
)


def build_app(services: Services, *, token: str | None) -> web.Application:
    """The whole API for these services; ``token`` is the operator's."""
    app = web.Application(middlewares=[boundary], client_max_size=MAX_BODY)
    app[SERVICES] = services
    app[OFFLOAD] = Offload()
    mark = TurnMark(services.store.mark)
    app[AUTHENTICATOR] = Authenticator(services, token, mark)
    app[SOURCES] = Sources(services.settings.server.trusted_proxies)
    app[FAILED_LOGINS] = FailedLogins(services.clock.monotonic)
    app[REFUSALS] = refusals(services)
    app[REQUESTS] = Allowance("requests", of_one=allowances.REQUESTS_OF_ONE, in_all=allowances.MOST_REQUESTS)
    app[LISTED] = ListedRunners(services)
    streams = Allowance("streams", of_one=allowances.STREAMS_OF_ONE, in_all=allowances.MOST_STREAMS)
    app[OPEN_STREAMS] = OpenStreams(streams)
    app[EVENT_HUB] = EventHub()
    app[LOG_WATCH] = LogWatch()
    app[USAGES] = Usages(services, app[OFFLOAD])
    app[STATUS_CACHE] = StatusCache(services, mark)
    app[UNDER_WAY] = set()
    app[READINESS] = Readiness(services=services)
    app[SCRAPERS] = Scrapers(app[SOURCES], services.settings.server.metrics_from)
    wiring.add(app, services)
    app[RULES] = add(app, ROUTES)
    return app
