"""Views of a host in which its processes cannot be seen: mounts of ``/proc`` and namespaces of a command's own."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from .loopback import NEEDS_ROOT

Through = tuple[str, ...]


def with_proc(options: str, *, tracing: bool = False) -> Through:
    """A ``/proc`` mounted so; not ``tracing``: root without CAP_SYS_PTRACE, as root is in a container."""
    less = "" if tracing else "setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace -- "
    return ("unshare", "-m", "sh", "-c", f'mount -t proc -o {options} proc /proc && exec {less}"$@"', "sh")


ANOTHER_CONTAINER: Through = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
VIEWS: dict[str, Through] = {
    "hidepid=4": with_proc("hidepid=4"),
    "subset=pid": with_proc("subset=pid", tracing=True),
    "no /proc": ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh"),
    "another PID namespace": ANOTHER_CONTAINER,
    "another PID namespace, with the host's /proc": ("unshare", "--pid", "--fork", "--kill-child"),
    "another time namespace": ("unshare", "-T", "--boottime", "100000"),
}


@cache
def _works(through: Through) -> bool:
    return subprocess.run([*through, "true"], capture_output=True, check=False).returncode == 0


def need(through: Through) -> Through:
    if os.geteuid() != 0:
        pytest.skip(NEEDS_ROOT)
    assert _works(through), f"root cannot do this here: {' '.join(through)}"
    return through


def machine_with_id(top: Path, word: str) -> Through:
    """Commands see another machine: its id is in a file that is mounted over theirs."""
    other = top / f"machine-id-{len(word)}-{word[:4]}"
    other.write_text(f"{word}\n")
    return ("unshare", "-m", "sh", "-c", f'mount --bind {other} /etc/machine-id && exec "$@"', "sh")
