"""The one word to systemd: that the unit has started."""

from __future__ import annotations

import os
import socket


def ready() -> None:
    """https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html; without systemd nothing happens."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    speaking = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        speaking.sendto(b"READY=1", "\0" + path[1:] if path.startswith("@") else path)
    finally:
        speaking.close()
