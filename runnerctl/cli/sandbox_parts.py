"""What ``runnerctl sandbox`` is given to serve: a runner package, and actions."""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click

from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.domain.errors import ConfigInvalid, InvalidRequest

from . import render
from .options import CliContext

_DEFINITIONS = ("action.yml", "action.yaml", "Dockerfile")


@dataclass(frozen=True, kw_only=True)
class ServedPackage:
    version: str
    archive: Path
    source: str
    """A file, or GitHub's address."""


def loopback_host(_context: click.Context, _parameter: click.Parameter, value: str) -> str:
    """An address of this machine alone: whoever reaches a sandbox may ask it for runners and jobs."""
    try:
        loopback = ipaddress.ip_address(value).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise click.BadParameter(f"{value!r} is not a loopback address, such as 127.0.0.1, 127.0.0.2 or ::1")
    return value


def labels_of_jobs(_context: click.Context, _parameter: click.Parameter, value: str) -> list[str]:
    """A job that asks for no label would run on no runner."""
    labels = [label for each in value.split(",") if (label := each.strip())]
    if not labels:
        raise click.BadParameter(f"{value!r} names no label")
    return labels


def action_directories(
    _context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]
) -> Mapping[str, Path]:
    """From ``OWNER/NAME=DIR`` each."""
    return dict(_action(value) for value in values)


def _action(value: str) -> tuple[str, Path]:
    name, _, directory = value.partition("=")
    if name.count("/") != 1 or not all(name.split("/")) or not directory:
        raise click.BadParameter(f"{value!r} is not OWNER/NAME=DIR")
    if not any((Path(directory) / definition).is_file() for definition in _DEFINITIONS):
        raise click.BadParameter(f"{directory!r} holds no action: it has no {_DEFINITIONS[0]}")
    return name, Path(directory).absolute()


def package_of(cli: CliContext, asked: str, directory: Path) -> ServedPackage:
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

    settings = cli.settings()
    version, archive = public_archives.download(
        asked,
        directory,
        settings=settings,
        clock=SystemClock(),
        rng=random.SystemRandom(),
        progress=render.download_meter(cli),
    )
    return ServedPackage(version=version, archive=archive, source=settings.github_urls[0])


def _from_file(path: Path) -> ServedPackage:
    from runnerctl.sandbox.package_versions import version_of

    try:
        return ServedPackage(version=version_of(path), archive=path.absolute(), source=str(path))
    except ValueError as exc:
        raise InvalidRequest(str(exc)) from exc
    except OSError as exc:
        raise ConfigInvalid(f"{str(path)!r} cannot be read: {exc.strerror}") from exc
