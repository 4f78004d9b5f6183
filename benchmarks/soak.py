"""Many lives of runners while everything breaks, and then a count of what is left: ``python -m benchmarks.soak LIVES``.

GitHub fails, limits, drops answers after it carried them out; Listeners, supervisors and the server are killed; jobs
leave daemons. The exit status is 0 only when nothing leaked.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from runnerctl.core.host import processes
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.sandbox.state import Settings

from . import leftovers
from .ground import Serving

REPO = "soak/soak"
AT_ONCE = 20
_CROWD = 40
_KEPT_CONNECTIONS = 64
"""To GitHub, at most (``core/github/transport.py``)."""
_PATIENCE_SECONDS = 60.0
_TRIES = 20
_DAEMON = f"sleep 300.0{os.getpid()}"
"""Recognised also when it shed every mark."""
_JOBS = (
    "echo hello",
    "exit 3",
    f"(setsid {_DAEMON} &) ; nohup {_DAEMON} >/dev/null 2>&1 & echo left daemons",
    f"env -i setsid sh -c '{_DAEMON} & {_DAEMON}' & sleep 0.1",
)
_FAULTS: tuple[Callable[[], Fault], ...] = (
    lambda: Fault(match="actions/runners", status=502),
    lambda: Fault(match="generate-jitconfig", status=500),
    lambda: Fault(match="generate-jitconfig", rate_limit="secondary", retry_after=1),
    lambda: Fault(match="generate-jitconfig", lost_answer=True),
    lambda: Fault(match="generate-jitconfig", drop=True),
    lambda: Fault(match="DELETE /repos", lost_answer=True),
    lambda: Fault(match="DELETE /repos", status=503),
)


@dataclass(kw_only=True)
class Soak:
    sandbox: Sandbox
    serving: Serving
    rng: random.Random
    counts: Counter[str] = field(default_factory=Counter)

    def warm_up(self, lives: int) -> None:
        """At length, more at once than the server has threads for commands, so that each of them has worked."""
        names = [f"warm-{number}" for number in range(min(lives, _CROWD))]
        with ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(self._made, names))
            list(pool.map(lambda name: self._asked("DELETE", f"/{name}?force=true"), names))

    def live_through(self, numbers: range) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(self.live, numbers))

    @contextmanager
    def breaking(self, *, server: bool) -> Iterator[None]:
        """One thing after another breaks, the ``server`` too."""
        over = threading.Event()
        thread = threading.Thread(target=self._break_things, args=(over, server))
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()
            self.sandbox.clear_faults()

    def settle(self, *kinds: str) -> dict[str, int]:
        """What is left once nothing of these kinds is (none named: of any kind), or when patience ends."""
        deadline = time.monotonic() + 2 * _PATIENCE_SECONDS
        while True:
            left = leftovers.count(self.serving.top, self.sandbox, daemon=_DAEMON)
            if not any(left[kind] for kind in kinds or left) or time.monotonic() > deadline:
                return left
            time.sleep(1)

    def live(self, number: int) -> None:
        """One life: made, perhaps given a job, removed."""
        name = f"soak-{number}"
        answer = self._made(name)
        if answer == 201 and self.rng.random() < 0.7:
            job = self.sandbox.submit_job(REPO, [name], [{"run": self.rng.choice(_JOBS)}])
            with suppress(TimeoutError):
                self.counts[f"job {self.sandbox.wait_job(job, timeout=5).conclusion}"] += 1
        force = "?force=true" if self.rng.random() < 0.5 else ""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while (answer := self._asked("DELETE", f"/{name}{force}")) not in {200, 404}:
            force = "?force=true"
            if time.monotonic() > deadline:
                self.counts[f"never removed: {answer}"] += 1
                return
            time.sleep(0.2)
        self.counts["lives"] += 1

    def _made(self, name: str) -> int:
        """The last answer to its create: what fails for a time is asked again, as any client would."""
        for _ in range(_TRIES):
            answer = self._asked("POST", "", {"repo": REPO, "name": name, "wait": "none"})
            self.counts[f"create {answer}"] += 1
            if answer in {201, 409}:
                break
            time.sleep(0.5)
        return answer

    def _break_things(self, over: threading.Event, server: bool) -> None:
        while not over.wait(self.rng.uniform(0.05, 0.4)):
            kind = self.rng.random()
            if kind < 0.5:
                self.sandbox.add_fault(self.rng.choice(_FAULTS)())
                self.counts["faults"] += 1
            elif kind < 0.97 or not server:
                self._kill_one()
            else:
                self.serving.restart(signal.SIGKILL)
                self.counts["server killed"] += 1

    def _kill_one(self) -> None:
        wanted = self.rng.choice(("supervisor", "listener"))
        for record in self._newest_records():
            with suppress(OSError, ValueError, TypeError, KeyError):
                pid = json.loads(record.read_text())[wanted]["pid"]
                if processes.identify(pid) is not None:
                    os.kill(pid, signal.SIGKILL)
                    self.counts[f"{wanted} killed"] += 1
                    return

    def _newest_records(self) -> list[Path]:
        """In no order: those of the lives that may be under way."""
        written = {}
        for path in (self.serving.top / "state" / "runners").glob("*/supervisor.json"):
            with suppress(OSError):
                written[path] = path.stat().st_mtime
        newest = sorted(written, key=written.__getitem__)[-AT_ONCE:]
        return self.rng.sample(newest, len(newest))

    def _asked(self, method: str, path: str, body: object = None) -> int:
        try:
            return self.serving.request(method, f"/api/v1/runners{path}", body).status_code
        except requests.RequestException:
            time.sleep(0.3)  # the server was killed; it comes back
            return 0


def soak(lives: int, *, seed: int) -> dict[str, int]:
    """What is left after that many lives; the figures are printed.

    During the first quarter the server is not killed, and then has nothing open that it had not before.
    """
    settings = Settings(lease_seconds=5, requeue_seconds=2, session_seconds=5, rate_limit=10_000_000)
    with (
        tempfile.TemporaryDirectory(prefix="runnerctl-soak-") as top,
        Sandbox(settings=settings) as sandbox,
        Serving(top=Path(top), github=sandbox.environment()) as serving,
    ):
        run = Soak(sandbox=sandbox, serving=serving, rng=random.Random(seed))
        began = time.monotonic()
        opened = _opened_meanwhile(run, lives // 4)
        with run.breaking(server=True):
            run.live_through(range(lives // 4, lives))
        print(f"{lives} lives in {time.monotonic() - began:.0f} s: {dict(sorted(run.counts.items()))}", flush=True)
        left = {**run.settle(), "descriptors": opened}
        print(f"left: {left}", flush=True)
        return left


def _opened_meanwhile(run: Soak, lives: int) -> int:
    """How many more descriptors a warm server has open after that many lives."""
    run.warm_up(lives * 4)
    run.settle("processes", "live rows")
    before = run.serving.descriptors()
    with run.breaking(server=False):
        run.live_through(range(lives))
    run.settle("processes", "live rows")
    after = run.serving.descriptors()
    kinds = ", ".join(f"{kind} {before[kind]} → {after[kind]}" for kind in sorted(before | after))
    print(f"the server's descriptors, before and after {lives} lives: {kinds}", flush=True)
    more = after - before
    # Each thread has a connection of its own, two files of it; the third is shared.
    more["database"] = max(0, after["database"] - 2 * run.serving.threads() - 1)
    # Connections to GitHub are kept for the next call, as many as were needed at once.
    github = f"TCP to {urlsplit(run.sandbox.api_url).port}"
    more[github] = max(0, after[github] - _KEPT_CONNECTIONS)
    return more.total()


def main() -> int:
    lives = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    return 1 if any(soak(lives, seed=seed).values()) else 0


if __name__ == "__main__":
    sys.exit(main())
