"""The three files that make a directory a registered runner, out of GitHub's JIT configuration.

The blob is base64 of JSON ``{file name: base64 of its content}``. actions/runner itself writes whatever names it finds
there, also ``../../x``; here exactly three names are written, and no link is followed.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from pathlib import Path
from typing import Any

from runnerctl.supervisor import traces

from ..domain.errors import BackendFailed, GitHubRefused
from ..host.directories import disk_errors

NAMES = (".runner", ".credentials", ".credentials_rsaparams")
_MIGRATED = (".runner_migrated", ".credentials_migrated")
"""Written by the runner on GitHub's order; they override the others, so they must go with them."""

MAX_BLOB = 256 * 1024
_MAX_IDENTITY = 64 * 1024
_MOST_ID = 2**63 - 1
"""A job of a persistent runner can write the file, and the database holds no more."""
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def write_identity(root: Path, encoded_jit: str, *, owner: tuple[int, int] | None = None) -> None:
    """Write the identity files, mode 0600, for ``owner`` (uid, gid; None: ourselves); earlier ones are replaced.

    They outlive a power cut when this returns; ``.runner``, by which they are known to be whole, is the last.
    Raises ``GitHubRefused``, before anything is written, for a blob that is not what GitHub documents.
    """
    files = decode_jit(encoded_jit)
    with disk_errors(root):
        directory = os.open(root, _DIRECTORY)
        try:
            _remove(directory)
            for name in reversed(NAMES):
                _write(directory, name, files[name], owner)
            os.fsync(directory)
        finally:
            os.close(directory)


def forget(root: Path) -> None:
    """Deletes the identity files, if there are any."""
    with disk_errors(root):
        directory = os.open(root, _DIRECTORY)
        try:
            _remove(directory)
            os.fsync(directory)
        finally:
            os.close(directory)


def is_missing(root: Path) -> bool:
    """The directory stands and is no registered runner: its Listener took the files away, as the last thing it did."""
    return root.is_dir() and not traces.is_registered(str(root))


def has_worked(root: Path) -> bool:
    """A Worker's own log tells of a job there. Raises ``OSError``."""
    return traces.has_worked(str(root))


def agent_id(root: Path) -> int | None:
    """GitHub's id of the runner, from ``.runner``; None where there is none that can be read.

    UTF-8 with or without a mark, keys in any case, numbers maybe as text (contract §2.2).
    """
    try:
        descriptor = os.open(root / NAMES[0], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            document = json.loads(os.read(descriptor, _MAX_IDENTITY).decode("utf-8-sig"))
        finally:
            os.close(descriptor)
        told = int({str(key).lower(): value for key, value in document.items()}["agentid"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError, RecursionError, OverflowError):
        return None
    return told if 0 < told <= _MOST_ID else None


def of_config_sh(root: Path) -> int:
    """The id that ``config.sh`` got: it writes ``.runner`` as the last. Raises ``BackendFailed``."""
    github_id = agent_id(root)
    if github_id is None:
        raise BackendFailed("config.sh left no .runner file that can be read")
    return github_id


def decode_jit(encoded_jit: str) -> dict[str, bytes]:
    """The content of each identity file. Other names in the blob are dropped. Raises ``GitHubRefused``."""
    if len(encoded_jit) > MAX_BLOB:
        raise _malformed(f"it has {len(encoded_jit)} characters")
    try:
        blob: Any = json.loads(_decode(encoded_jit, "it"))
    except (ValueError, RecursionError):
        # Not chained: the text of a JSON error carries the document, which is a private key.
        raise _malformed("it holds no JSON") from None
    if not isinstance(blob, dict):
        raise _malformed("it holds no JSON object")
    return {name: _content(blob, name) for name in NAMES}


def _content(blob: dict[str, Any], name: str) -> bytes:
    value = blob.get(name)
    if not isinstance(value, str) or not value:
        raise _malformed(f"{name!r} is missing")
    return _decode(value, repr(name))


def _decode(text: str, what: str) -> bytes:
    try:
        return base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise _malformed(f"{what} is not base64") from None


def _malformed(why: str) -> GitHubRefused:
    return GitHubRefused(f"GitHub's JIT configuration is malformed: {why}")


def _write(directory: int, name: str, content: bytes, owner: tuple[int, int] | None) -> None:
    descriptor = os.open(name, _NEW_FILE, 0o600, dir_fd=directory)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        if owner is not None:
            os.fchown(descriptor, *owner)
        file.flush()
        os.fsync(descriptor)


def _remove(directory: int) -> None:
    for name in (*NAMES, *_MIGRATED):
        try:
            os.unlink(name, dir_fd=directory)
        except FileNotFoundError:
            continue
