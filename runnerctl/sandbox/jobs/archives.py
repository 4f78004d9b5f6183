"""Actions as archives: a ``tar.gz`` with exactly one directory at its top.

The same content is always the same bytes: their SHA-1 is the version that runners keep a cached archive under.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
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


def directory_archive(name: str, directory: Path) -> ActionArchive:
    """An action that lies in a directory. Raises OSError."""
    return _packed(name.replace("/", "-"), dict(_read(directory)))


def _read(directory: Path) -> Iterator[tuple[str, tuple[bytes, int]]]:
    for path in sorted(directory.rglob("*")):
        if path.is_file() and ".git" not in path.relative_to(directory).parts:
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            content = path.read_bytes()
            yield (
                path.relative_to(directory).as_posix(),
                (definitions.as_json(content) if path.name in definitions.NAMES else content, mode),
            )


def _packed(top: str, files: Mapping[str, tuple[bytes, int]], *, directories: tuple[str, ...] = ()) -> ActionArchive:
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=_TIME) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for directory in (top, *(f"{top}/{each}" for each in directories)):
            archive.addfile(_member(directory, mode=0o755, kind=tarfile.DIRTYPE))
        for path, (content, mode) in files.items():
            archive.addfile(_member(f"{top}/{path}", mode=mode, size=len(content)), io.BytesIO(content))
    content = buffer.getvalue()
    return ActionArchive(content=content, sha=hashlib.sha1(content, usedforsecurity=False).hexdigest())


def _member(path: str, *, mode: int, size: int = 0, kind: bytes = tarfile.REGTYPE) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.size, member.mtime = kind, mode, size, _TIME
    return member
