"""What an installation puts on disk, as values: directories, files and links, in the order in which they are made."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace
from pathlib import Path

from . import runner_units
from .layout import ALIAS, SOCKET, UNIT, Backend, Layout
from .units import server_unit, socket_unit

_ENV_TEMPLATE = """\
# Settings of runnerctl: KEY=value lines, nothing is interpolated. `runnerctl config show` lists them all.
# After a change: systemctl reload runnerctl-server

# The operator's bearer token.
GITHUB_WFA_RUNNER_SERVER__API_TOKEN={token}

# The GitHub App, and its private key in one of three ways: in {app_key} (root's, 0600: a restart takes it over, and
# commands that root types read it, too), as a file that user {user} can read, or here as base64 of the PEM.
#GITHUB_APP_ID=123456
#GITHUB_APP_PRIVATE_KEY_FILE={config_dir}/app.pem
#GITHUB_APP_PRIVATE_KEY_B64=LS0tLS1CRUdJTi...

# Where the server listens.
#GITHUB_WFA_RUNNER_SERVER__BIND=127.0.0.1:8080
"""
PLACEHOLDER = "your-very-long-random-secret-token-here"


@dataclass(frozen=True, kw_only=True)
class Directory:
    path: Path
    mode: int
    owner: str = "root"
    group: str = "root"


@dataclass(frozen=True, kw_only=True)
class File:
    """``kept``: what is there already stays as it is, but for mode and owner, and survives an uninstall."""

    path: Path
    text: str
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    kept: bool = False


@dataclass(frozen=True, kw_only=True)
class Link:
    """A symlink; ``text`` is that of the file it leads to."""

    path: Path
    target: str
    text: str


def directories(layout: Layout) -> tuple[Directory, ...]:
    user = layout.user
    return (
        Directory(path=layout.config_dir, mode=0o750, group=user),
        Directory(path=layout.state_dir, mode=0o700, owner=user, group=user),
        Directory(path=layout.base_dir, mode=0o755, owner=user, group=user),
    )


def units(layout: Layout) -> tuple[File | Link, ...]:
    """An alias, so that both names mean one unit: two servers must never run."""
    text = server_unit(layout)
    return (
        *(_of_runners(layout) if layout.backend is Backend.SYSTEMD else ()),
        File(path=layout.unit_dir / SOCKET, text=socket_unit(layout)),
        File(path=layout.unit_dir / UNIT, text=text),
        Link(path=layout.unit_dir / ALIAS, target=UNIT, text=text),
    )


def _of_runners(layout: Layout) -> tuple[File, ...]:
    return (
        File(path=layout.polkit_dir / "50-runnerctl.rules", text=runner_units.polkit_rule(user=layout.user)),
        File(path=layout.unit_dir / "runnerctl-runner@.service", text=runner_units.template(layout)),
    )


def of_other_backends(layout: Layout) -> tuple[Path, ...]:
    """What an installation for another backend has and this one has not."""
    ours = {each.path for each in units(layout)}
    others = (units(replace(layout, backend=backend)) for backend in Backend)
    return tuple(dict.fromkeys(each.path for other in others for each in other if each.path not in ours))


def env_file(layout: Layout) -> File:
    """The template, with a placeholder for the token."""
    text = _ENV_TEMPLATE.format(
        token=PLACEHOLDER, user=layout.user, app_key=layout.app_key, config_dir=layout.config_dir
    )
    return File(path=layout.env_file, text=text, mode=0o640, group=layout.user, kept=True)


def all_files(layout: Layout) -> tuple[File | Link, ...]:
    """As they are shown: without any secret."""
    return (*units(layout), env_file(layout))


def with_token(file: File) -> File:
    """With a token that nobody else has in the place of the placeholder."""
    return replace(file, text=file.text.replace(PLACEHOLDER, secrets.token_hex(32)))
