"""What ``runnerctl sandbox`` is given to serve: a runner package, and actions."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from pathlib import Path

import click

_DEFINITIONS = ("action.yml", "action.yaml", "Dockerfile")


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
        raise click.BadParameter(f"{value!r} is not a label")
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
