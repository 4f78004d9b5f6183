"""What a Listener talks to while it waits: its token, its session, its messages."""

from __future__ import annotations

from aiohttp import web

from ..runner_urls import BROKER, OAUTH
from .messages import acknowledge, get_message
from .session import create_session, delete_session
from .tokens import create_token


def add_routes(app: web.Application) -> None:
    app.router.add_post(OAUTH, create_token)
    app.router.add_post(f"{BROKER}session", create_session)
    app.router.add_delete(f"{BROKER}session", delete_session)
    app.router.add_get(f"{BROKER}message", get_message)
    app.router.add_post(f"{BROKER}acknowledge", acknowledge)
