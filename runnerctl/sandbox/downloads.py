"""The runner packages. No credentials are needed, and an interrupted download can be continued."""

from __future__ import annotations

from aiohttp import web

from .releases import Release
from .web_keys import GITHUB


def add_routes(app: web.Application) -> None:
    app.router.add_get("/sandbox/downloads/{filename}", download)


async def download(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "application/octet-stream"}
    return web.FileResponse(_release(request).archive, headers=headers)


async def cut_short(request: web.Request, size: int) -> web.StreamResponse:
    """Promises the whole file and hangs up after so many bytes."""
    release = _release(request)
    response = web.StreamResponse(headers={"Content-Length": str(release.size)})
    await response.prepare(request)
    with release.archive.open("rb") as file:
        await response.write(file.read(size))
    if request.transport is not None:
        request.transport.close()
    return response


def _release(request: web.Request) -> Release:
    release = request.app[GITHUB].releases.by_filename(request.match_info.get("filename", ""))
    if release is None:
        raise web.HTTPNotFound
    return release
