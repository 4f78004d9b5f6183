"""GitHub's REST API, route by route: each handler is a plain function from what was asked to an answer."""

from __future__ import annotations

from . import apps, deprecations, groups, jobs, labels, meta, registration, releases, repositories, runners
from .routes import Route

ROUTES: tuple[Route, ...] = (
    *apps.ROUTES,
    *runners.ROUTES,
    *labels.ROUTES,
    *groups.ROUTES,
    *jobs.ROUTES,
    *releases.ROUTES,
    *deprecations.ROUTES,
    *repositories.ROUTES,
    *meta.ROUTES,
    *registration.ROUTES,
)
