"""What the .NET runtime does before the program has its say, what it calls the machine, and what hosts may refuse it.

Seen with the real runner: a JIT compiler maps memory that is writable and executable (where that is denied the process
dies of SIGSEGV), and the diagnostics server leaves pipes and a socket in TMPDIR.
"""

from __future__ import annotations

import mmap
import os
import signal
import socket


def begin() -> None:
    _map_code()
    _open_diagnostics()


def architecture() -> str:
    """The machine's, in the words of labels and polls (``VarUtil.OSArchitecture``)."""
    return {"x86_64": "X64", "aarch64": "ARM64"}.get(os.uname().machine, "ARM")


def _map_code() -> None:
    try:
        mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()
    except OSError:
        signal.signal(signal.SIGSEGV, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGSEGV)


def _open_diagnostics() -> None:
    """Names with the process id and its start time; a TMPDIR that cannot take them costs nothing but them."""
    directory = os.environ.get("TMPDIR") or "/tmp"
    mark = f"{os.getpid()}-{_started()}"
    try:
        for end in ("in", "out"):
            os.mkfifo(f"{directory}/clr-debug-pipe-{mark}-{end}", 0o600)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.bind(f"{directory}/dotnet-diagnostic-{mark}-socket")
        os.set_inheritable(listener.detach(), False)
    except OSError:
        return


def _started() -> str:
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:
        return file.read().rpartition(")")[2].split()[19]
