"""In a user namespace that has one user alone, root's files are nobody's: OpenSSH refuses those that its configuration
includes (``SSHCONF_CHECKPERM`` in its readconf.c), and with it every ``git clone`` by SSH. So copies of them that are
the user's own are put in their places.
"""

from __future__ import annotations

import os

import mounts

_INCLUDED = "/etc/ssh/ssh_config.d"
_BY_THOSE = ("/etc/crypto-policies/back-ends/openssh.config",)
"""What files there include in turn, where a distribution has it."""
_MOST = 64 * 1024


def make_own() -> None:
    """After ``mounts.separate``. Where there are none, nothing is done."""
    included = [f"{_INCLUDED}/{name}" for name in _names(_INCLUDED) if name.endswith(".conf")]
    found = {path: text for path in (*included, *_BY_THOSE) if (text := _read(path)) is not None}
    if not any(path in found for path in included):
        return
    held = {path: os.open(path, os.O_PATH | os.O_CLOEXEC) for path in _BY_THOSE if path in found}
    mounts.cover(_INCLUDED)
    for path, text in found.items():
        copy = f"{_INCLUDED}/{os.path.basename(path)}" + ("" if path in included else ".copy")
        _write(copy, text)
        if path in held:
            _put(copy, f"/proc/self/fd/{held[path]}")
    mounts.read_only(_INCLUDED, below=False)


def _put(copy: str, path: str) -> None:
    descriptor = os.open(copy, os.O_PATH | os.O_CLOEXEC)
    mounts.bind(descriptor, os.path.realpath(path))
    os.close(descriptor)


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except OSError:
        return []


def _read(path: str) -> bytes | None:
    try:
        with open(path, "rb") as stream:
            return stream.read(_MOST)
    except OSError:
        return None


def _write(path: str, text: bytes) -> None:
    with open(path, "wb") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text)
