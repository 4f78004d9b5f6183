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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import requests

from runnerctl.core import processes
from runnerctl.core.clock import SystemClock
from runnerctl.core.store import Store
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.sandbox.state import Settings

from .ground import Serving

REPO = "soak/soak"
AT_ONCE = 20
_PATIENCE_SECONDS = 60.0
_JOBS = (
    "echo hello",
    "exit 3",
    "(setsid sleep 300 &) ; nohup sleep 300 >/dev/null 2>&1 & echo left daemons",
    "env -i setsid sh -c 'sleep 300 & sleep 300' & sleep 0.1",
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
    over: threading.Event = field(default_factory=threading.Event)

    def live(self, number: int) -> None:
        """One life: made, perhaps given a job, removed."""
        name = f"soak-{number}"
        answer = self._asked("POST", "", {"repo": REPO, "name": name})
        self.counts[f"create {answer}"] += 1
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

    def break_things(self) -> None:
        """Until the lives are over: one thing after another."""
        while not self.over.wait(self.rng.uniform(0.05, 0.4)):
            kind = self.rng.random()
            if kind < 0.5:
                self.sandbox.add_fault(self.rng.choice(_FAULTS)())
                self.counts["faults"] += 1
            elif kind < 0.97:
                self._kill_one()
            else:
                self.serving.restart(signal.SIGKILL)
                self.counts["server killed"] += 1

    def _kill_one(self) -> None:
        wanted = self.rng.choice(("supervisor", "listener"))
        records = list((self.serving.top / "state" / "runners").glob("*/supervisor.json"))
        if not records:
            return
        with suppress(OSError, ValueError, TypeError, KeyError):
            pid = json.loads(self.rng.choice(records[-AT_ONCE:]).read_text())[wanted]["pid"]
            if processes.identify(pid) is not None:
                os.kill(pid, signal.SIGKILL)
                self.counts[f"{wanted} killed"] += 1

    def _asked(self, method: str, path: str, body: object = None) -> int:
        try:
            return self.serving.request(method, f"/api/v1/runners{path}", body).status_code
        except requests.RequestException:
            time.sleep(0.3)  # the server was killed; it comes back
            return 0


def left_over(serving: Serving, sandbox: Sandbox) -> dict[str, int]:
    """What should be nothing."""
    store = Store(
        serving.top / "state" / "runnerctl.db", clock=SystemClock(), rng=random.Random(), host=os.uname().nodename
    )
    try:
        live, orphans = store.live(), store.orphans()
    finally:
        store.close()
    lives = [path.name for path in (serving.top / "state" / "runners").iterdir()]
    roots = [path for path in (serving.top / "runners").iterdir() if path.name not in {".packages", ".trash"}]
    trash = serving.top / "runners" / ".trash"
    return {
        "processes": len({pid for life in lives for pid in processes.marked(life)}),
        "directories": len(roots) + (len(list(trash.iterdir())) if trash.exists() else 0),
        "registrations": len(sandbox.runners()),
        "live rows": len(live),
        "orphan tasks": len(orphans),
        "pidfds of the server": serving.pidfds(),
    }


def soak(lives: int, *, seed: int) -> dict[str, int]:
    """What is left after that many lives; the figures are printed."""
    settings = Settings(lease_seconds=5, requeue_seconds=2, session_seconds=5, rate_limit=10_000_000)
    with (
        tempfile.TemporaryDirectory(prefix="runnerctl-soak-") as top,
        Sandbox(settings=settings) as sandbox,
        Serving(top=Path(top), github=sandbox.environment()) as serving,
    ):
        run = Soak(sandbox=sandbox, serving=serving, rng=random.Random(seed))
        began = time.monotonic()
        breaking = threading.Thread(target=run.break_things)
        breaking.start()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(run.live, range(lives)))
        run.over.set()
        breaking.join()
        sandbox.clear_faults()
        print(f"{lives} lives in {time.monotonic() - began:.0f} s: {dict(sorted(run.counts.items()))}", flush=True)
        left = left_over(serving, sandbox)
        deadline = time.monotonic() + 2 * _PATIENCE_SECONDS
        while any(left.values()) and time.monotonic() < deadline:
            time.sleep(1)
            left = left_over(serving, sandbox)
        print(f"left: {left}", flush=True)
        return left


def main() -> int:
    lives = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else 1
    return 1 if any(soak(lives, seed=seed).values()) else 0


if __name__ == "__main__":
    sys.exit(main())
