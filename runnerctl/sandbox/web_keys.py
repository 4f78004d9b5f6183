"""Under which key the HTTP side finds what it works on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from aiohttp import web

from .state import GitHub

GITHUB = web.AppKey("github", GitHub)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
