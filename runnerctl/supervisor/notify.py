"""What is told to systemd: that the unit has started, and which is its main process now."""

from __future__ import annotations

import os
import socket


def ready() -> None:
    """https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html; without systemd nothing happens."""
    _tell(b"READY=1")


def main_process(pid: int) -> None:
    """By a process of the unit that systemd listens to: with ``NotifyAccess=exec`` also that of ``ExecReload=``."""
    _tell(b"MAINPID=%d" % pid)


def _tell(message: bytes) -> None:
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    speaking = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        speaking.sendto(message, "\0" + path[1:] if path.startswith("@") else path)
    finally:
        speaking.close()
