"""Request bodies: what may be in them; everything else is refused naming the field."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypeVar

import msgspec
from aiohttp import web
from msgspec import Meta

from runnerctl.core import Settings
from runnerctl.core.domain import durations, names
from runnerctl.core.domain.errors import InvalidRequest, UnsupportedMediaType
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.domain.names import invalid
from runnerctl.core.domain.phrases import quoted

from .body_errors import refusal
from .parameters import (
    Group,
    NamePrefix,
    Organization,
    Patience,
    RepositoryGiven,
    RunnerName,
    Variables,
    Version,
    Workdir,
)

MAX_BODY = 64 * 1024
BODY_SECONDS = 15.0
MOST_AT_ONCE = 100
"""Runners that one request makes."""
_MAX_WAIT = 3600.0

B = TypeVar("B", bound=msgspec.Struct)


class RunnerFields(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What a runner is to look like, of a repository or of an organization, and how long its maker waits."""

    SCHEMA: ClassVar = {
        "if": {"required": ["repo"], "properties": {"repo": {"type": "string"}}},
        "then": {"properties": {"org": {"type": "null"}, "group": {"type": "null"}}},
        "else": {"required": ["org"], "properties": {"org": {"type": "string"}}},
    }

    repo: RepositoryGiven | None = None
    org: Organization | None = None
    labels: str | list[str] | None = None
    """Separated by commas, or a list; the name is one of them in any case."""
    ephemeral: bool | None = None
    """It ends after one job."""
    daemonize: bool | None = None
    """It outlives the server."""
    group: Group | None = None
    version: Version | None = None
    """Of actions/runner."""
    workdir: Workdir | None = None
    env: Variables | None = None
    """Variables for its jobs. They are no secrets."""
    wait: Literal["none", "started", "online"] = "started"
    """What the answer waits for."""
    timeout: Patience = 60.0
    """How long the answer waits, in seconds or as a duration; the runner is made all the same."""

    def spec_of(self, name: str, settings: Settings, *, tenant: str | None) -> RunnerSpec:
        """With the settings' defaults where the caller is silent. Raises ``InvalidRequest``."""
        defaults = settings.defaults
        return RunnerSpec.of(
            name=name,
            scope=Scope.of(repo=self.repo, org=self.org),
            labels=defaults.labels if self.labels is None else self.labels,
            ephemeral=defaults.ephemeral if self.ephemeral is None else self.ephemeral,
            daemonize=defaults.daemonize if self.daemonize is None else self.daemonize,
            group=self.group,
            version=self.version or defaults.version,
            workdir=self.workdir or defaults.workdir,
            tenant=tenant,
            env=self.env,
        )

    def patience(self) -> float:
        """Seconds to wait at most."""
        seconds = durations.seconds(self.timeout) if isinstance(self.timeout, str) else float(self.timeout)
        if not 0 < seconds <= _MAX_WAIT:
            raise invalid("timeout", f"Timeout {quoted(self.timeout)} is not allowed", hint="Use 1 to 3600 seconds")
        return seconds


class CreateBody(RunnerFields, forbid_unknown_fields=True, kw_only=True):
    """A runner as it is to be: of a repository, or of an organization."""

    name: RunnerName
    replace: bool = False
    """A registration of that name at GitHub that is offline and not busy is taken over."""

    def spec(self, settings: Settings, *, tenant: str | None) -> RunnerSpec:
        """Raises ``InvalidRequest``."""
        return self.spec_of(self.name, settings, tenant=tenant)


class BatchBody(RunnerFields, forbid_unknown_fields=True, kw_only=True):
    """Runners that are alike but for their names."""

    count: Annotated[int, Meta(extra_json_schema={"minimum": 1, "maximum": MOST_AT_ONCE})]
    name_prefix: NamePrefix
    """Behind it, each name has ten letters and digits of its own."""

    def checked_count(self) -> int:
        """Raises ``InvalidRequest``."""
        if not 1 <= self.count <= MOST_AT_ONCE:
            raise invalid("count", f"{self.count} runners at once are not allowed", hint=f"Use 1 to {MOST_AT_ONCE}")
        return self.count

    def specs(self, runner_ids: Sequence[str], settings: Settings, *, tenant: str | None) -> list[RunnerSpec]:
        """One for each id, which its name ends with. Raises ``InvalidRequest``."""
        names.no_secret("name_prefix", self.name_prefix)  # with something behind it, it may look like none
        longest = names.MAX_NAME_LENGTH - max(map(len, runner_ids))
        if len(self.name_prefix) > longest:
            message = f"Name prefix {quoted(self.name_prefix)} is too long"
            raise invalid("name_prefix", message, hint=f"Use at most {longest} characters")
        return [self.spec_of(self.name_prefix + each, settings, tenant=tenant) for each in runner_ids]


class RemoveBody(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Which runner of that name is meant."""

    SCHEMA: ClassVar = {
        "not": {
            "required": ["repo", "org"],
            "properties": {"repo": {"type": "string"}, "org": {"type": "string"}},
        }
    }

    repo: RepositoryGiven | None = None
    """It must be of this one."""
    org: Organization | None = None

    def scope(self) -> Scope | None:
        return Scope.of(repo=self.repo, org=self.org) if self.repo is not None or self.org is not None else None


def is_optional(kind: type[msgspec.Struct]) -> bool:
    """Whether no body at all means one without fields."""
    return all(not field.required for field in msgspec.structs.fields(kind))


async def read(request: web.Request, kind: type[B]) -> B:
    """The body as ``kind``. Raises ``UnsupportedMediaType`` or ``InvalidRequest``."""
    if is_optional(kind) and not (request.body_exists and (await _whole(request)).strip()):
        return kind()
    if request.content_type != "application/json":
        raise UnsupportedMediaType(
            f"Content type {quoted(request.content_type)} is not supported", hint="Send Content-Type: application/json"
        )
    return _decoded(await _whole(request), kind)


async def _whole(request: web.Request) -> bytes:
    """Read twice, it is the same. Raises ``UnsupportedMediaType`` for a packed one, ``InvalidRequest`` for one that
    trickles in.
    """
    packed = request.headers.get("Content-Encoding", "identity")
    if packed.lower() != "identity":
        raise UnsupportedMediaType(
            f"Content encoding {quoted(packed)} is not supported", hint="Send the body as it is, without compression"
        )
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError as exc:
        raise InvalidRequest(f"The body did not arrive within {BODY_SECONDS:g} s") from exc


def _decoded(body: bytes, kind: type[B]) -> B:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as exc:
        raise refusal(exc, kind) from exc
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise InvalidRequest("The body is not JSON") from exc
