"""Where logs and summaries are uploaded to, as Azure's blob storage takes them: whole, or block by block.

The URL alone gives access. A log that is longer than one block is appended to: the real runner means to create the
blob first, but sets its content type twice and so never sends that call (``ResultsHttpClient.CreateAppendFileAsync``);
it goes on with the second block. So blocks are taken for a blob that is not there yet.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Literal

import msgspec
from aiohttp import web

from ..jobs.blobs import Blob
from ..web_keys import GITHUB
from .requests import query_of
from .strict import Malformed

PREFIX = "/sandbox/blob/"


class _Upload(msgspec.Struct, frozen=True, kw_only=True):
    sig: str
    comp: Literal["appendblock"] | None = None
    seal: Literal["true"] | None = None

    def __post_init__(self) -> None:
        if self.seal and not self.comp:
            raise ValueError("'seal' goes with 'comp'")


def add_routes(app: web.Application) -> None:
    app.router.add_put(f"{PREFIX}{{name:.+}}", put_blob)


async def put_blob(request: web.Request) -> web.Response:
    query = query_of(request, _Upload)
    blob = request.app[GITHUB].blobs.get(request.match_info["name"])
    if blob is None or not hmac.compare_digest(blob.signature, query.sig):
        raise web.HTTPForbidden(text="AuthenticationFailed")
    content = await request.read()
    if query.comp:
        _check_block(request.headers, blob, seal=query.seal is not None)
        blob.content += content
        blob.sealed = query.seal is not None
    else:
        _check_whole(request.headers, blob, content)
        blob.content[:] = content
        blob.sealed = request.headers["x-ms-blob-type"] == "BlockBlob"
    blob.uploaded = True
    return web.Response(status=201)


def _check_block(headers: Mapping[str, str], blob: Blob, *, seal: bool) -> None:
    if blob.sealed:
        raise web.HTTPConflict(text="BlobIsSealed")
    # .NET writes a boolean like this.
    if headers.get("x-ms-blob-sealed") != str(seal):
        raise Malformed(f"x-ms-blob-sealed is {headers.get('x-ms-blob-sealed')!r}, not {str(seal)!r}")


def _check_whole(headers: Mapping[str, str], blob: Blob, content: bytes) -> None:
    kind = headers.get("x-ms-blob-type")
    if kind not in {"BlockBlob", "AppendBlob"} or (kind == "AppendBlob" and content):
        raise Malformed(f"x-ms-blob-type is {kind!r}, for {len(content)} bytes")
    given, wanted = headers.get("Content-Type"), "text/plain" if blob.typed else None
    if given != wanted:
        raise Malformed(f"Content-Type is {given!r}, not {wanted!r}")
