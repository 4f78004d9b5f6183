"""Entity tags: whoever asks again is told that nothing has changed, and not all of it once more.

A tag is made of what is told, so it is never older than that: a process that has died unseen, or a row that another
program wrote, changes it, and a restart of the server does not. It is weak: what time alone changes is left out.
"""

from __future__ import annotations

import hashlib
from types import NoneType
from typing import TypeVar

from aiohttp import web

from runnerctl.core.domain.document_types import RunnerDocument

from .answers import Answer, encoded

NOT_MODIFIED = Answer(304, "It is as it was when it had the tag that `If-None-Match` names.", NoneType, ("ETag",))
CACHING = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Cookie"}
"""It may be kept by whoever asked, and asked about each time."""
D = TypeVar("D")


def tagged(request: web.Request, answer: Answer[D], document: D, *, told: object = None) -> web.Response:
    """``document`` with its tag, or 304 if whoever asks has it. ``told``: the same without what time alone changes."""
    tag = hashlib.blake2b(encoded(document if told is None else told), digest_size=12).hexdigest()
    headers = {"ETag": f'W/"{tag}"', **CACHING}
    if _has_it(request, tag):
        return web.Response(status=304, headers=headers)
    return answer.of(document, headers=headers)


def ageless(runner: RunnerDocument) -> RunnerDocument:
    """How long ago GitHub has said it is no news. The document stays as it is: others have it, too."""
    github = runner["github"]
    return runner if github is None else {**runner, "github": {**github, "age": 0.0}}


def _has_it(request: web.Request, tag: str) -> bool:
    """``If-None-Match`` compares weakly: RFC 9110, 13.1.2."""
    told = request.headers.getall("If-None-Match", ())
    tags = [each.strip().removeprefix("W/") for header in told for each in header.split(",")]
    return "*" in tags or f'"{tag}"' in tags
