"""Actions as archives: a ``tar.gz`` with exactly one directory at its top.

The same content is always the same bytes: their SHA-1 is the version that runners keep a cached archive under.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import definitions

_TIME = 1_784_505_600
_FILES = "files"

_CHECKOUT_INPUTS = (
    "repository ref token ssh-key ssh-known-hosts ssh-strict ssh-user persist-credentials path clean filter"
    " sparse-checkout sparse-checkout-cone-mode fetch-depth fetch-tags show-progress lfs submodules set-safe-directory"
    " github-server-url"
)
"""Those of actions/checkout v4 (https://github.com/actions/checkout#usage). But for ``path`` they change nothing."""
_TOLD = 'echo "Checked out $GITHUB_REPOSITORY"'
_INTO_WORKSPACE = f"""find . -mindepth 1 -delete
cp -R "$GITHUB_ACTION_PATH/{_FILES}/." .
{_TOLD}"""
_INTO_PATH = f"""case "/$CHECKOUT_PATH/" in
  //* | */../*) echo "::error::Repository path '$CHECKOUT_PATH' is not under '$GITHUB_WORKSPACE'"; exit 1 ;;
esac
mkdir -p "./$CHECKOUT_PATH"
find "./$CHECKOUT_PATH/." -mindepth 1 -delete
cp -R "$GITHUB_ACTION_PATH/{_FILES}/." "./$CHECKOUT_PATH"
{_TOLD}"""

CHECKOUT: Mapping[str, Any] = {
    "name": "Checkout",
    "description": "Lays the files of the job into its workspace",
    "inputs": {name: {"required": False} for name in _CHECKOUT_INPUTS.split()},
    "runs": {
        "using": "composite",
        "steps": [
            {"if": "inputs.path == ''", "shell": "sh", "run": _INTO_WORKSPACE},
            {
                "if": "inputs.path != ''",
                "shell": "sh",
                "run": _INTO_PATH,
                "env": {"CHECKOUT_PATH": "${{ inputs.path }}"},
            },
        ],
    },
}


@dataclass(frozen=True, kw_only=True)
class ActionArchive:
    content: bytes
    sha: str


def checkout_archive(files: Mapping[str, str]) -> ActionArchive:
    """``actions/checkout`` for one job: its files lie beside the ``action.yml`` that copies them."""
    # JSON is YAML: whoever reads the one or the other can read this.
    definition = json.dumps(CHECKOUT, ensure_ascii=False, indent=2).encode()
    laid = {f"{_FILES}/{path}": (text.encode(), 0o644) for path, text in sorted(files.items())}
    return _packed("actions-checkout", {"action.yml": (definition, 0o644), **laid}, directories=(_FILES,))


class LeadsOut(Exception):
    """A link of an action leads out of its directory."""


def directory_archive(name: str, directory: Path) -> ActionArchive:
    """An action that lies in a directory; links stay links. Raises OSError and LeadsOut."""
    paths = [path for path in sorted(directory.rglob("*")) if ".git" not in path.relative_to(directory).parts]
    links = [path for path in paths if _stays_link(path)]
    files = [path for path in paths if path.is_file() and not _stays_link(path)]
    return _packed(
        name.replace("/", "-"),
        {path.relative_to(directory).as_posix(): _file(path, directory) for path in files},
        links={path.relative_to(directory).as_posix(): _target(path, directory) for path in links},
    )


def _stays_link(path: Path) -> bool:
    """A definition is sent as JSON, so also what is a link to one."""
    return path.is_symlink() and path.name not in definitions.NAMES


def _file(path: Path, directory: Path) -> tuple[bytes, int]:
    if path.is_symlink():
        _target(path, directory)
    content = path.read_bytes()
    mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
    return definitions.as_json(content) if path.name in definitions.NAMES else content, mode


def _target(link: Path, directory: Path) -> str:
    """What the link says. It must stay inside by its words, for the directory has another name where it is unpacked,
    and when it is followed, for a link on its way may lead elsewhere.
    """
    target = link.readlink()
    said = os.path.normpath(link.parent.relative_to(directory) / target)
    # Unlike Path.resolve(), realpath takes links that go round in a circle.
    inside, found = os.path.realpath(directory), os.path.realpath(link)
    if target.is_absolute() or said.split("/")[0] == ".." or os.path.commonpath((inside, found)) != inside:
        raise LeadsOut(f"the link {link.relative_to(directory).as_posix()!r} leads out of the action's directory")
    return str(target)


def _packed(
    top: str,
    files: Mapping[str, tuple[bytes, int]],
    *,
    directories: tuple[str, ...] = (),
    links: Mapping[str, str] = MappingProxyType({}),
) -> ActionArchive:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=_TIME) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for directory in (top, *(f"{top}/{each}" for each in directories)):
            archive.addfile(_member(directory, mode=0o755, kind=tarfile.DIRTYPE))
        for path, (content, mode) in files.items():
            archive.addfile(_member(f"{top}/{path}", mode=mode, size=len(content)), io.BytesIO(content))
        for path, target in links.items():
            archive.addfile(_member(f"{top}/{path}", mode=0o777, kind=tarfile.SYMTYPE, target=target))
    content = buffer.getvalue()
    return ActionArchive(content=content, sha=hashlib.sha1(content, usedforsecurity=False).hexdigest())


def _member(path: str, *, mode: int, size: int = 0, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.linkname = target
    member.type, member.mode, member.size, member.mtime = kind, mode, size, _TIME
    return member
