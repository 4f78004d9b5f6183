"""The yardstick for streams: an aiohttp application that sends bytes to all who listen, and does nothing else."""

from __future__ import annotations

import asyncio
import sys

from aiohttp import web

LISTENERS: web.AppKey[set[asyncio.Queue[bytes]]] = web.AppKey("listeners")


async def _listen(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await answer.prepare(request)
    queue: asyncio.Queue[bytes] = asyncio.Queue()
    request.app[LISTENERS].add(queue)
    await answer.write(b"event: position\n\n")
    while True:
        await answer.write(await queue.get())


async def _tell(request: web.Request) -> web.Response:
    data = await request.read()
    for queue in request.app[LISTENERS]:
        queue.put_nowait(data)
    return web.Response()


def main() -> None:
    app = web.Application()
    app[LISTENERS] = set()
    app.add_routes([web.get("/api/v1/events", _listen), web.post("/tell", _tell)])
    web.run_app(
        app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, shutdown_timeout=0.1, print=lambda *_: None
    )


if __name__ == "__main__":
    main()
