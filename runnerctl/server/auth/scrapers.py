"""Who may read the metrics without a token: whoever asks from an address of ``server.metrics_from``."""

from __future__ import annotations

from aiohttp import web

from runnerctl.core import Actor, Right, TokenLimits

from .sources import Networks, Sources


class Scrapers:
    """Off unless that is set."""

    def __init__(self, sources: Sources, allowed: str | None) -> None:
        self._sources = sources
        self.change(allowed)

    def change(self, allowed: str | None) -> None:
        """Others from now on."""
        self._allowed = None if allowed is None else Networks(allowed)

    def of(self, request: web.Request) -> Actor | None:
        """One that may read metrics and nothing else. Whoever shows a token is who the token says."""
        if self._allowed is None or "Authorization" in request.headers:
            return None
        source = self._sources.own_of(request)
        if source is None or not self._allowed.hold(source):
            return None
        named = f"address:{source}"
        return Actor(id=named, name=named, rights=frozenset({Right.METRICS_READ}), limits=TokenLimits(tenant=None))
