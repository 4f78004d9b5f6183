"""The third tenant, in a process of its own: ``python -m benchmarks.hostile.tenant SECONDS RUNNERS``.

It begins its runners' lives evenly over that time, looks at each ten times, and asks for ``/health`` five times a
second. Each request is a connection of its own.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException

from .server import REPO

_AT_ONCE = 8
_STATUSES, _BETWEEN_SECONDS = 10, 0.1
_HEALTH_SECONDS = 0.2


@dataclass(kw_only=True)
class Work:
    """What it saw."""

    failed: list[str] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    statuses: list[float] = field(default_factory=list)
    creates: list[float] = field(default_factory=list)
    granted: list[tuple[str, str]] = field(default_factory=list)


class Tenant:
    """Of one server."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self.work = Work()

    def live(self, name: str, begin: float) -> None:
        """One runner's life, from that time on."""
        time.sleep(max(0.0, begin - time.monotonic()))
        path = f"/api/v1/runners/{name}"
        made = {"repo": REPO, "name": name, "wait": "none"}
        self.work.creates.append(self._ask("POST", "/api/v1/runners", 201, body=made, granted=("runner.create", name)))
        for _ in range(_STATUSES):
            self.work.statuses.append(self._ask("GET", f"{path}/status", 200))
            time.sleep(_BETWEEN_SECONDS)
        self._ask("DELETE", f"{path}?force=true", 200, granted=("runner.remove", name))

    def watch(self, over: threading.Event) -> None:
        while not over.wait(_HEALTH_SECONDS):
            self.work.health.append(self._ask("GET", "/health", 200))

    def _ask(
        self, method: str, path: str, wanted: int, *, body: object = None, granted: tuple[str, str] | None = None
    ) -> float:
        """How many seconds it took; ``granted`` is what the audit log has to tell then."""
        began = time.monotonic()
        connection = HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            data = None if body is None else json.dumps(body)
            headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
            connection.request(method, path, data, headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != wanted:
                self.work.failed.append(f"{method} {path}: {answer.status} {text[:200]!r}")
            elif granted is not None:
                self.work.granted.append(granted)
        except (OSError, HTTPException) as exc:
            self.work.failed.append(f"{method} {path}: {exc!r}")
        finally:
            connection.close()
        return time.monotonic() - began


def main() -> None:
    seconds, runners = float(sys.argv[1]), int(sys.argv[2])
    given = json.loads(sys.stdin.read())
    tenant, over = Tenant(given["port"], given["tokens"]["worker"]), threading.Event()
    watching = threading.Thread(target=tenant.watch, args=(over,))
    watching.start()
    began = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for number in range(runners):
            pool.submit(tenant.live, f"worker-{number}", began + seconds * number / runners)
    over.wait(max(0.0, began + seconds - time.monotonic()))
    over.set()
    watching.join()
    print(json.dumps(asdict(tenant.work)), flush=True)


if __name__ == "__main__":
    main()
