"""The dashboard's files, as they are in the package: read once, and sent only where the browser has another version."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

from aiohttp import ETag

_KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}
PAGE = "index.html"
_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "connect-src": "'self'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
}
HEADERS = {
    "Cache-Control": "no-cache",  # kept, and asked for again each time: an upgrade is seen at once
    "Content-Security-Policy": "; ".join(f"{what} {whence}" for what, whence in _POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""On each beside those of every answer: only our own scripts and styles run, and other sites are told nothing."""


class File(NamedTuple):
    content: bytes
    kind: str
    etag: ETag


@cache
def files() -> Mapping[str, File]:
    """By name."""
    return {
        entry.name: _file(entry.read_bytes(), _KINDS[entry.name.rpartition(".")[2]])
        for entry in resources.files(__package__).joinpath("static").iterdir()
        if entry.name.rpartition(".")[2] in _KINDS
    }


def _file(content: bytes, kind: str) -> File:
    return File(content, kind, ETag(value=hashlib.sha256(content).hexdigest()[:32]))
