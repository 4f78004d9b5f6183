"""The runner packages. No credentials are needed, and an interrupted download can be continued."""

from __future__ import annotations

from aiohttp import web

from .releases import Release
from .web_keys import GITHUB

PREFIX = "/sandbox/downloads/"


def add_routes(app: web.Application) -> None:
    app.router.add_get(f"{PREFIX}{{filename}}", download)


async def download(request: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "application/octet-stream"}
    return web.FileResponse(_release(request).archive, headers=headers)


async def cut_short(request: web.Request, size: int) -> web.StreamResponse:
    """Promises the whole file and hangs up after so many bytes."""
    release = _release(request)
    with release.archive.open("rb") as file:
        return await _promised(request, file.read(size), of=release.size)


async def cut_answer_short(request: web.Request, answer: web.StreamResponse, size: int) -> web.StreamResponse:
    """The same for any other answer."""
    content = answer.body if isinstance(answer, web.Response) else None
    if not isinstance(content, bytes):
        return answer
    return await _promised(request, content[:size], of=len(content))


async def _promised(request: web.Request, content: bytes, *, of: int) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(of)})
    await response.prepare(request)
    await response.write(content)
    if request.transport is not None:
        request.transport.close()
    return response


def _release(request: web.Request) -> Release:
    release = request.app[GITHUB].releases.by_filename(request.match_info.get("filename", ""))
    if release is None:
        raise web.HTTPNotFound
    return release
