"""Two tenants and a stranger, in two processes: ``python -m benchmarks.hostile.attacks {patient,hasty} SECONDS``.

The patient ones wait for their answers; the hasty ones hang up, and would leave those no processor in one process. It
spends as little as it can on each request: bare sockets, no answer parsed.
"""

from __future__ import annotations

import json
import os
import random
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress

from .server import REFUSED, REPO

_HELD = 900
_HELD_SECONDS = 20.0
_REOPEN_SECONDS = 2.0
_TIMEOUT = 30.0
THREADS = {"C2 hang-ups": 6, "C8 failing creates": 12, "C12 large logs": 12}


class Attacks:
    """Each once; by the case that it plays."""

    def __init__(self, port: int, tokens: dict[str, str]) -> None:
        self._port = port
        self._tokens = tokens
        self._rng = random.Random(1)

    def hasty(self) -> dict[str, Callable[[], object]]:
        return {
            "C2 hang-ups": lambda: self._send("GET", "/api/v1/runners/noisy-1/logs?follow=true", "noisy"),
            "C3 paths, unread": lambda: self._send("GET", f"/{'eyJ_' * 1900}"),
            "C9 long paths, unread": lambda: self._send("GET", f"/{'x' * 3000}"),
        }

    def patient(self) -> dict[str, Callable[[], object]]:
        return {
            "C3 names": lambda: self._ask("POST", "/api/v1/runners", "noisy", {"repo": REPO, "name": "eyJ_" * 15_000}),
            "C3 paths": lambda: self._ask("GET", f"/{'eyJ_' * 1900}"),
            "C8 failing creates": self._failing_create,
            "C9 long paths": lambda: self._ask("GET", f"/{'x' * 3000}"),
            "C11 invented names": lambda: self._ask(
                "DELETE", f"/api/v1/runners/worker-{self._rng.randrange(200)}", "other"
            ),
            "C12 large logs": lambda: self._ask("GET", "/api/v1/runners/noisy-1/logs", "noisy"),
        }

    def hold(self, until: float) -> int:
        """C10: as many connections as it gets, each for a while; how many were made."""
        made, held = 0, dict[socket.socket, float]()
        with ExitStack() as open_ones:
            while (now := time.monotonic()) < until:
                for each in [each for each, over in held.items() if over < now or _is_closed(each)]:
                    del held[each]
                    each.close()
                with suppress(OSError):
                    while len(held) < _HELD:
                        held[open_ones.enter_context(self._connected())] = now + self._rng.uniform(1, _HELD_SECONDS)
                        made += 1
                time.sleep(_REOPEN_SECONDS)
        return made

    def _failing_create(self) -> None:
        name = f"other-{self._rng.randrange(10**9)}"
        self._ask("POST", "/api/v1/runners", "other", {"repo": REFUSED, "name": name, "wait": "none"})

    def _ask(self, method: str, path: str, tenant: str = "", body: object = None) -> None:
        """To the answer's end."""
        with self._sent(method, path, tenant, body) as connection:
            while connection.recv(1 << 18):
                pass

    def _send(self, method: str, path: str, tenant: str = "") -> None:
        """And hangs up."""
        self._sent(method, path, tenant, None).close()

    def _sent(self, method: str, path: str, tenant: str, body: object) -> socket.socket:
        lines = [f"{method} {path} HTTP/1.1", "Host: x", "Connection: close"]
        lines += [f"Authorization: Bearer {self._tokens[tenant]}"] if tenant else []
        data = b"" if body is None else json.dumps(body).encode()
        lines += ["Content-Type: application/json", f"Content-Length: {len(data)}"] if data else []
        connection = self._connected()
        try:
            connection.sendall("\r\n".join([*lines, "", ""]).encode() + data)
        except BaseException:
            connection.close()
            raise
        return connection

    def _connected(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._port), timeout=_TIMEOUT)


def attack(attacks: Attacks, seconds: float, *, hasty: bool) -> Counter[str]:
    """All of a kind at once for that long; how often each was done."""
    until, done = time.monotonic() + seconds, Counter[str]()

    def repeat(name: str, act: Callable[[], object]) -> None:
        while time.monotonic() < until:
            with suppress(OSError):
                act()
                done[name] += 1

    def hold() -> None:
        done["C10 held connections"] = attacks.hold(until)

    threads = [
        threading.Thread(target=repeat, args=(name, act), daemon=True)
        for name, act in (attacks.hasty() if hasty else attacks.patient()).items()
        for _ in range(THREADS.get(name, 3))
    ]
    threads += [] if hasty else [threading.Thread(target=hold, daemon=True)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=max(0.0, until + _TIMEOUT - time.monotonic()))
    return done


def _is_closed(connection: socket.socket) -> bool:
    """By the other side, which has nothing to say to it else."""
    try:
        connection.recv(1, socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def main() -> None:
    given = json.loads(sys.stdin.read())
    attacks, seconds = Attacks(given["port"], given["tokens"]), float(sys.argv[2])
    print(json.dumps(attack(attacks, seconds, hasty=sys.argv[1] == "hasty")), flush=True)
    os._exit(0)  # who still waits for an answer is not waited for


if __name__ == "__main__":
    main()
