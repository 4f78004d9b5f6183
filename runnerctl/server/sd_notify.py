"""Words to systemd, where it listens: https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html"""

from __future__ import annotations

import os
import socket


def notify(*lines: str) -> None:
    """``READY=1``, ``STOPPING=1``, ``STATUS=…``, ``WATCHDOG=1``; nothing happens without systemd."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as speaking:
        try:
            speaking.sendto("\n".join(lines).encode(), address)
        except OSError:
            return  # a manager that does not hear is no reason to fail


def watchdog_seconds() -> float | None:
    """How often to send ``WATCHDOG=1``: half of what systemd allows; None when it does not watch."""
    allowed = os.environ.get("WATCHDOG_USEC", "")
    return int(allowed) / 2_000_000 if allowed.isdigit() else None
