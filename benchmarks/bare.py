"""The yardstick: an aiohttp application that does nothing but answer the same bytes."""

from __future__ import annotations

import sys
from pathlib import Path

from aiohttp import web

BODY: web.AppKey[bytes] = web.AppKey("body", bytes)


async def _answer(request: web.Request) -> web.Response:
    return web.Response(body=request.app[BODY], content_type="application/json")


def main() -> None:
    """Takes a port and the path of a file that holds the bytes."""
    app = web.Application()
    app[BODY] = Path(sys.argv[2]).read_bytes()
    app.add_routes([web.get("/api/v1/runners/{name}/status", _answer)])
    port = int(sys.argv[1])
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=lambda *_: None)


if __name__ == "__main__":
    main()
