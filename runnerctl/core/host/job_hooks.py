"""Scripts that runners run around their jobs: where every job's user can read them, and none can change them."""

from __future__ import annotations

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from .directories import check_directory, disk_errors

_FORK_GUARD = Path(__file__).with_name("refuse-forks.sh")


def fork_guard(package_dir: Path) -> Path:
    """The script that fails jobs of pull requests from forks, put beside the packages unless it is there.

    Raises ``DiskFull``, ``ConfigInvalid`` or ``BackendFailed``.
    """
    content = _FORK_GUARD.read_bytes()
    # Named by what is in it: a runner keeps the one that it was started with.
    path = package_dir.absolute() / ".hooks" / f"refuse-forks-{hashlib.sha256(content).hexdigest()[:12]}.sh"
    with disk_errors(path):
        if not _is_there(path, content):
            check_directory(path.parent)
            _write(path, content)
    return path


def _is_there(path: Path, content: bytes) -> bool:
    try:
        return path.read_bytes() == content
    except FileNotFoundError:
        return False


def _write(path: Path, content: bytes) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            os.fchmod(stream.fileno(), 0o555)
        Path(temporary).replace(path)
    except OSError:
        with suppress(OSError):
            Path(temporary).unlink()
        raise
