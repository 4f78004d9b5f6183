"""Which runner package a local GitHub offers: a file, a release that is downloaded, or the stand-in."""

from __future__ import annotations

import random
import stat
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import ConfigInvalid, InvalidRequest

if TYPE_CHECKING:
    from collections.abc import Callable

    from runnerctl.core import Settings

    Meter = Callable[[int, int | None], None] | None

STAND_IN_VERSION = "2.336.0"
_SYSTEM_PYTHON = Path("/usr/bin/python3")


@dataclass(frozen=True, kw_only=True)
class ServedPackage:
    version: str
    archive: Path
    source: str
    """A file, GitHub's address, or what it is a stand-in for."""


def package_of(asked: str, directory: Path, *, settings: Settings, progress: Meter) -> ServedPackage:
    """``asked`` is a file, or a version that is downloaded to ``directory``."""
    path = Path(asked)
    if path.is_file():
        return _from_file(path)
    if "/" in asked or asked.endswith(".tar.gz"):
        raise InvalidRequest(f"There is no file {asked!r}", hint="--package takes a file, or a version such as 2.336.0")
    if not asked[:1].isdigit() and asked != "latest":
        raise InvalidRequest(
            f"{asked!r} is neither a file nor a version", hint="--package takes a file, or a version such as 2.336.0"
        )
    from runnerctl.core import public_archives

    version, archive = public_archives.download(
        asked, directory, settings=settings, clock=SystemClock(), rng=random.SystemRandom(), progress=progress
    )
    return ServedPackage(version=version, archive=archive, source=settings.github_urls[0])


def stand_in(directory: Path) -> ServedPackage:
    """Packed for an interpreter that the users of jobs can start, if there is one."""
    from runnerctl.standin.archive import build_archive

    path = directory / f"actions-runner-stand-in-{STAND_IN_VERSION}.tar.gz"
    archive = build_archive(path, version=STAND_IN_VERSION, interpreter=_python_for_all())
    return ServedPackage(version=STAND_IN_VERSION, archive=archive, source="a stand-in for actions/runner")


def _python_for_all() -> Path:
    own = Path(sys.executable).resolve()
    return next((each for each in (own, _SYSTEM_PYTHON) if _is_for_all(each)), own)


def _is_for_all(path: Path) -> bool:
    try:
        return all(each.stat().st_mode & stat.S_IXOTH for each in (path.resolve(), *path.resolve().parents))
    except OSError:
        return False


def _from_file(path: Path) -> ServedPackage:
    from runnerctl.sandbox.package_versions import version_of

    try:
        return ServedPackage(version=version_of(path), archive=path.absolute(), source=str(path))
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    except OSError as exc:
        raise ConfigInvalid(f"{str(path)!r} cannot be read: {exc.strerror}") from exc
