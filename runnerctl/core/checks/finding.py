"""What a check finds, who asks for it, and what it looks at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from .. import listening
from ..domain.errors import RunnerctlError
from ..services import Services


class Level(StrEnum):
    OK = "ok"
    WARN = "warning"
    FAIL = "error"


class FrontEnd(StrEnum):
    """Who asks."""

    VALIDATE = "config validate"
    DOCTOR = "doctor"
    OFFLINE = "doctor --offline"
    SERVE = "serve"
    RELOAD = "SIGHUP"
    REHEARSE = "rehearse"
    """GitHub, and who may ask a server, are none of its business."""


class Finding(NamedTuple):
    """What one check found."""

    level: Level
    message: str
    hint: str = ""
    error: RunnerctlError | None = None
    """What a front end that cannot go on with it raises; None where all can."""
    check: str = ""
    stops_serve: bool = False
    """``serve`` does not start like this, and SIGHUP leaves the old settings in force."""


class Subject(NamedTuple):
    """What is looked at."""

    services: Services
    """By the settings in question."""
    address: listening.Address | None = None
    """Where a server listens already, whatever the settings say."""
    serving: Services | None = None
    """What a server works with now, when the settings are read again."""
    reads_state: bool = True
    """False: the state directory is not to be opened."""
    offline: bool = False
    """GitHub is not to be asked."""
    restart_kills: Callable[[], str | None] | None = None
    """What a restart of the server's own unit would do to runners, in a sentence."""
    outdated_units: Callable[[Path], list[str] | None] | None = None
    """Which files of the service for that state directory are not as this version writes them; None without one."""


class Check(NamedTuple):
    name: str
    look: Callable[[Subject], Iterator[Finding]]
    asked_by: frozenset[FrontEnd]
