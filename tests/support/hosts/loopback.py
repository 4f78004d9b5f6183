"""Where config.sh finds a sandbox: it drops the port of a URL, so each gets an address of its own, and port 80."""

from __future__ import annotations

import random
import socket
from typing import TypedDict

HTTP_PORT = 80
NEEDS_ROOT = "needs root"
"""The one reason for which CI lets a test be skipped."""


class Place(TypedDict, total=False):
    """Arguments of ``Sandbox``."""

    host: str
    port: int


def place() -> Place:
    """An address of this host's loopback network whose port 80 is free; anywhere for who may not listen there."""
    while True:
        host = f"127.{random.randint(1, 254)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        try:
            socket.create_server((host, HTTP_PORT)).close()
        except PermissionError:
            return {}
        except OSError:
            continue  # somebody listens there
        return {"host": host, "port": HTTP_PORT}
