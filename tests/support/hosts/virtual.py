"""A machine of its own for tests: another kernel, cgroup v2 alone, systemd as its first process. See ``make e2e``.

    python -m tests.support.hosts.virtual TEST… (or other arguments of pytest)

Its kernel is Linux as a process (user-mode Linux): it needs nothing of the processor, and programs run at full speed.
Its files are those of this machine, under an overlay in memory that ends with it; it has no network but a loopback. So
what runs in there is this checkout with this interpreter, in the same places.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.support.places import REPOSITORY

_INIT = REPOSITORY / "tests" / "data" / "vm-init.sh"
_PACKAGES = ("user-mode-linux", "busybox-static")
"""What is unpacked, never installed: a kernel with its modules, and a shell that needs no library."""
_MODULES = ("overlay", "ipv6")
_MEMORY = os.environ.get("E2E_MEMORY", "4G")
_SECONDS = float(os.environ.get("E2E_SECONDS", "2700"))
# Nothing else is started, so it waits for nothing.
_UNIT = f"""\
[Unit]
DefaultDependencies=no
SuccessAction=poweroff-immediate
FailureAction=poweroff-immediate

[Service]
Type=oneshot
Delegate=yes
TasksMax=infinity
WorkingDirectory={REPOSITORY}
Environment=HOME=/root LANG=C.UTF-8 PYTHONDONTWRITEBYTECODE=1 SLOWNESS=6 STANDIN_PACE=1
StandardOutput=tty
StandardError=inherit
TTYPath=/dev/ttyS0
ExecStart=/bin/sh /run/e2e/command
"""


class Missing(Exception):
    """Says what such a machine would need here."""


class Parts(NamedTuple):
    kernel: Path
    modules: Path
    busybox: Path


def main(argv: list[str]) -> int:
    try:
        if os.geteuid() != 0:
            raise Missing("needs root: the files of this machine are those of the one in it")
        parts = _unpacked(Path(os.environ.get("E2E_PARTS", REPOSITORY / "build" / "e2e")))
    except Missing as exc:
        sys.stderr.write(f"make e2e: {exc}\n")
        return 2
    with tempfile.TemporaryDirectory(prefix="runnerctl-e2e-") as share:
        pytest = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--timeout", "900"]
        return run(parts, Path(share), [*pytest, *argv])


def _unpacked(top: Path) -> Parts:
    """What is there already counts: a kernel of one's choice can be laid there."""
    if (parts := _found(top)) is None:
        top.mkdir(parents=True, exist_ok=True)
        for package in _PACKAGES:
            _unpack(package, top)
        parts = _found(top)
    if parts is None:
        raise Missing(f"needs a kernel, its modules and busybox in {top}: unpack {' and '.join(_PACKAGES)} there")
    return parts


def _found(top: Path) -> Parts | None:
    patterns = ("usr/bin/linux.uml", "usr/lib/uml/modules/*/kernel", "bin/busybox")
    kernels, modules, busyboxes = (sorted(top.glob(pattern)) for pattern in patterns)
    return Parts(kernels[-1], modules[-1], busyboxes[-1]) if kernels and modules and busyboxes else None


def _unpack(package: str, top: Path) -> None:
    try:
        with tempfile.TemporaryDirectory() as directory:
            subprocess.run(["apt-get", "download", "-qq", package], check=True, cwd=directory)
            for each in Path(directory).glob("*.deb"):
                subprocess.run(["dpkg", "-x", each, top], check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        raise Missing(f"needs the package {package}, which could not be had: {exc}") from exc


def run(parts: Parts, share: Path, command: list[str]) -> int:
    """Its exit status, 1 if the machine ended without one."""
    (share / "initramfs").write_bytes(_initramfs(parts))
    (share / "e2e.service").write_text(_UNIT)
    path = shlex.quote(os.environ["PATH"])
    (share / "command").write_text(f"export PATH={path}\n{shlex.join(command)}\necho $? > /run/e2e/status\n")
    began = time.monotonic()
    try:
        with (share / "console").open("w") as console:
            _boot(parts, share, console.fileno())
        status = int((share / "status").read_text())
    except (OSError, ValueError, subprocess.SubprocessError) as exc:
        sys.stderr.write((share / "console").read_text(errors="replace")[-4000:])
        sys.stderr.write(f"make e2e: the machine ended without a result: {exc}\n")
        return 1
    took = time.monotonic() - began
    sys.stdout.write(f"make e2e: Linux {parts.modules.parent.name}, {took:.0f} s, exit status {status}\n")
    return status


def _boot(parts: Parts, share: Path, console: int) -> None:
    argv = [
        *(str(parts.kernel), f"mem={_MEMORY}", f"initrd={share}/initramfs", f"share={share}", f"uml_dir={share}"),
        *("cgroup_no_v1=all", "systemd.unified_cgroup_hierarchy=1", "fstab=no", "selinux=0", "panic=-1"),
        *("con=null", f"con0=null,fd:{console}", "ssl=null", "ssl0=null,fd:1"),
    ]
    kernel = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=console, pass_fds=(console,))
    try:
        kernel.wait(_SECONDS)
    finally:
        kernel.terminate()  # it ends those that stand for its processes
        kernel.wait()


def _initramfs(parts: Parts) -> bytes:
    """An archive as ``cpio -H newc`` makes it."""
    modules = list(dict.fromkeys(each for name in _MODULES for each in _with_needed(name, parts.modules)))
    entries = [
        ("bin", 0o040755, b""),
        ("bin/busybox", 0o100755, parts.busybox.read_bytes()),
        ("init", 0o100755, _INIT.read_bytes()),
        ("modules", 0o040755, b""),
        ("modules/order", 0o100644, "".join(f"{each.name}\n" for each in modules).encode()),
        *((f"modules/{each.name}", 0o100644, each.read_bytes()) for each in modules),
        ("TRAILER!!!", 0, b""),
    ]
    return b"".join(_entry(number, *entry) for number, entry in enumerate(entries, 1))


def _entry(number: int, name: str, mode: int, content: bytes) -> bytes:
    fields = (number, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    head = b"070701" + b"".join(b"%08x" % field for field in fields) + name.encode() + b"\0"
    return b"".join(part + b"\0" * (-len(part) % 4) for part in (head, content))


def _with_needed(name: str, modules: Path) -> Iterator[Path]:
    """Those that it needs come first; what is built into the kernel is no file."""
    for path in modules.rglob(f"{name}.ko"):
        needed = re.search(rb"\0depends=([^\0]*)\0", path.read_bytes())
        for each in filter(None, needed[1].decode().split(",") if needed else ()):
            yield from _with_needed(each, modules)
        yield path


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
