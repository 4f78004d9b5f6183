"""What an application and a request carry, by key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from runnerctl.core import ListedRunners, Services

if TYPE_CHECKING:
    from .allowances import Allowance
    from .auth.authenticator import Authenticator
    from .auth.scrapers import Scrapers
    from .auth.sources import Sources
    from .auth.throttle import FailedLogins
    from .metrics.exposition import Exposition
    from .metrics.kept import Kept
    from .metrics.lives import Lives
    from .offload import Offload
    from .readiness import Readiness
    from .refusals import Refusals
    from .routing import Rules
    from .status_cache import StatusCache
    from .streams.event_hub import EventHub
    from .streams.log_watch import LogWatch
    from .streams.open_streams import OpenStreams
    from .usages import Usages

SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
OFFLOAD: web.AppKey[Offload] = web.AppKey("offload")
AUTHENTICATOR: web.AppKey[Authenticator] = web.AppKey("authenticator")
RULES: web.AppKey[Rules] = web.AppKey("rules")
SOURCES: web.AppKey[Sources] = web.AppKey("sources")
FAILED_LOGINS: web.AppKey[FailedLogins] = web.AppKey("failed_logins")
READINESS: web.AppKey[Readiness] = web.AppKey("readiness")
REFUSALS: web.AppKey[Refusals] = web.AppKey("refusals")
REQUESTS: web.AppKey[Allowance] = web.AppKey("requests")
LISTED: web.AppKey[ListedRunners] = web.AppKey("listed", ListedRunners)
OPEN_STREAMS: web.AppKey[OpenStreams] = web.AppKey("open_streams")
LOG_WATCH: web.AppKey[LogWatch] = web.AppKey("log_watch")
EVENT_HUB: web.AppKey[EventHub] = web.AppKey("event_hub")
UNDER_WAY: web.AppKey[set[tuple[str, str]]] = web.AppKey("under_way")
"""Callers and keys of requests that are made once, and are not answered yet. There is one server at a time."""
METRICS: web.AppKey[Kept] = web.AppKey("metrics")
LIVES: web.AppKey[Lives] = web.AppKey("lives")
EXPOSITION: web.AppKey[Exposition] = web.AppKey("exposition")
SCRAPERS: web.AppKey[Scrapers] = web.AppKey("scrapers")
USAGES: web.AppKey[Usages] = web.AppKey("usages")
STATUS_CACHE: web.AppKey[StatusCache] = web.AppKey("status_cache")

ID = "id"
"""Of a request: its own id."""
USER = "user"
"""Of a request: whose session it is, if it came with a cookie."""
ACTOR = "actor"
"""Of a request: who asks."""
CLAIMED = "claimed"
"""Of a request: whose token it showed, though that does not count."""
DELAY = "delay"
"""Of a request: seconds that it waits, since its token is ahead of its rate."""
ACTION = "action"
"""Of a request: what it does, where its route does not say."""
TOLD = "told"
"""Of a request that was refused: whether that is told by itself."""
UNCHANGED = "unchanged"
"""Of a request: that what it wants was so already."""
ONE_BY_ONE = "one_by_one"
"""Of a request: that each act of it was told to the audit log."""
OBJECT = "object"
"""Of a request: what it is about, where its address does not say."""
