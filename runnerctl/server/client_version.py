"""Clients of another version: the same major one is served, and told of what this server does not know."""

from __future__ import annotations

import re
from typing import NamedTuple

from aiohttp import web

from runnerctl import __version__
from runnerctl.core.domain.errors import InvalidRequest, MethodNotAllowed, NotFound, RunnerctlError, VersionMismatch

HEADER = "X-Runnerctl-Version"
_FORM = re.compile(r"(\d{1,4})\.(\d{1,4})(?:\.\d{1,4})?", re.ASCII)
_AGENT = re.compile(r"runnerctl/(\S{1,20})", re.ASCII)
_MAY_BE_NEWER = (InvalidRequest, MethodNotAllowed, NotFound)
"""What a server says of routes, fields and parameters that it does not know."""


class Version(NamedTuple):
    text: str
    numbers: tuple[int, int]
    """Major and minor."""

    @property
    def major(self) -> int:
        return self.numbers[0]

    @classmethod
    def of(cls, text: str) -> Version | None:
        """None for what is no version of ours."""
        form = _FORM.match(text)
        return None if form is None else cls(form[0], (int(form[1]), int(form[2])))


OURS = Version.of(__version__)


def of_client(request: web.Request) -> Version | None:
    """None for who does not say: most are no clients of ours."""
    told = request.headers.get(HEADER)
    if told is None:
        agent = _AGENT.match(request.headers.get("User-Agent", ""))
        told = "" if agent is None else agent[1]
    return Version.of(told)


def check(request: web.Request) -> None:
    """Raises ``VersionMismatch`` for a client of another major version."""
    client = of_client(request)
    if client is None or OURS is None or client.major == OURS.major:
        return
    older = "client" if client.major < OURS.major else "server"
    raise VersionMismatch(
        f"This server is runnerctl {OURS.text}, and the client {client.text}: the major versions differ",
        hint=f"Upgrade the {older}",
    )


def explain(request: web.Request, exc: RunnerctlError) -> None:
    """What is refused as unknown may be so to this server alone: both versions are named."""
    client = of_client(request)
    if client is None or OURS is None or not isinstance(exc, _MAY_BE_NEWER) or client.numbers == OURS.numbers:
        return
    older = "client" if client.numbers < OURS.numbers else "server"
    versions = f"This server is runnerctl {OURS.text}, the client {client.text}: upgrade the {older} if this is new"
    exc.hint = f"{exc.hint}. {versions}" if exc.hint else versions
