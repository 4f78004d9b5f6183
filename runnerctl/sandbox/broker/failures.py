"""Errors as the broker words them (``BrokerError`` and ``BrokerErrorKind`` of actions/runner)."""

from __future__ import annotations

from aiohttp import web


def failed(status: int, kind: str, message: str) -> web.Response:
    return web.json_response(
        {"source": "actions-broker-listener", "errorKind": kind, "statusCode": status, "errorMessage": message},
        status=status,
    )
