"""The yardstick: an aiohttp application that does nothing but answer."""

from __future__ import annotations

import sys

from aiohttp import web

_BODY = b'{"status":"running","name":"runner-1","pid":12345}'


async def _answer(_: web.Request) -> web.Response:
    return web.Response(body=_BODY, content_type="application/json")


def main() -> None:
    app = web.Application()
    app.add_routes([web.get("/api/v1/runners/{name}/status", _answer)])
    port = int(sys.argv[1])
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=lambda *_: None)


if __name__ == "__main__":
    main()
