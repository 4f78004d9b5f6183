"""File systems that are in the way: mounted where a tree is to go, also ones that never answer."""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runnerctl.core.host.syscalls import detach_mount
from runnerctl.core.host.trash import mounts_below


class Mounting:
    """Mounts below ``top``; what the mounts show is in ``outside`` there, and must stay."""

    def __init__(self, top: Path) -> None:
        self.outside = top / "outside"
        self.outside.mkdir()
        (self.outside / "kept").write_text("kept")
        self.open: list[int] = []

    def bind(self, point: Path) -> None:
        subprocess.run(["mount", "--bind", str(self.outside), str(point)], check=True)

    def two(self, point: Path) -> None:
        self.bind(point)
        self.bind(point)

    def in_use(self, point: Path) -> None:
        self.bind(point)
        self.open.append(os.open(point / "kept", os.O_RDONLY))

    def never_answers(self, point: Path) -> None:
        self.open.append(_fuse(point))

    def server_died(self, point: Path) -> None:
        os.close(_fuse(point))


WAYS: dict[str, Callable[[Mounting, Path], None]] = {
    "the same file system": Mounting.bind,
    "two, one on the other": Mounting.two,
    "one that is in use": Mounting.in_use,
    "a FUSE that never answers": Mounting.never_answers,
    "a FUSE whose server died": Mounting.server_died,
}


@contextmanager
def mounting(top: Path) -> Iterator[Mounting]:
    """All that was mounted below ``top`` is taken off at the end, wherever it was renamed to."""
    made = Mounting(top)
    try:
        yield made
        assert (made.outside / "kept").read_text() == "kept"
    finally:
        for left in reversed(mounts_below(str(top))):
            detach_mount(left)
        for descriptor in made.open:
            os.close(descriptor)


def _fuse(point: Path) -> int:
    """The side of the server, which answers nothing as long as it is open."""
    try:
        device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        pytest.skip("needs root, and a kernel with FUSE")
    options = f"fd={device},rootmode=40000,user_id=0,group_id=0".encode()
    if ctypes.CDLL(None, use_errno=True).mount(b"test", os.fsencode(point), b"fuse", 0, options) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(point))
    return device
