"""Two tenants and a stranger attack while a third tenant works: ``python -m benchmarks.hostile SECONDS RUNNERS``.

The third one creates, looks at and removes its runners. The exit status is 0 only when none of its requests failed, it
waited for none too long, the server stayed small, and the audit log holds all that was granted.
``--without-limits`` takes the server's bounds away: then it must fail.
"""

from __future__ import annotations

import json
import os
import random
import secrets
import socket
import subprocess
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

import requests

from runnerctl.sandbox import Sandbox
from runnerctl.sandbox.state import Settings

REPO = "hostile/work"
HEALTH_SECONDS, STATUS_SECONDS, MEMORY_MB = 0.1, 0.2, 250
_AT_ONCE = 4
_UNLIMITED = (
    "from runnerctl.server import allowances as a, refusals as r\n"
    "from runnerctl.server.listening import admission as m, connections as c\n"
    "a.REQUESTS_OF_ONE = a.MOST_REQUESTS = a.STREAMS_OF_ONE = a.MOST_STREAMS = 10**9\n"
    "r.TOLD_OF_ONE = r.TOLD_IN_ALL = m.MOST = m.MOST_OF_ONE = 10**9\n"
    "c.HEAD_SECONDS = 10**6\n"
)
_LIMITLESS_SETTINGS = {"RUNNERCTL_RATE_LIMIT": "1000000000"}
_SERVE = "from runnerctl.cli.main import main\nmain(['--env-file', __import__('sys').argv[1], 'serve'])"


@dataclass(kw_only=True)
class Target:
    """The server that is attacked, and who may ask it."""

    top: Path
    url: str
    pid: int
    tokens: dict[str, str] = field(repr=False)
    operator: str = field(repr=False)

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def ask(self, token: str, method: str, path: str, **options: object) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.url}{path}", headers=headers, timeout=60, **options)  # type: ignore[arg-type]

    def memory(self) -> int:
        """The most that it ever had, in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))


def attacks(target: Target) -> dict[str, Callable[[], object]]:
    """Each once; by the case that it plays."""
    noisy, other, rng = target.tokens["noisy"], target.tokens["other"], random.Random(1)

    def hang_up() -> None:
        with _connected(target) as connection:
            head = f"GET /api/v1/runners/noisy-1/logs?follow=true HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {noisy}"
            connection.sendall(f"{head}\r\n\r\n".encode())

    def evil_name() -> object:
        body = {"repo": REPO, "name": "eyJ_" * 15_000}
        return target.ask(noisy, "POST", "/api/v1/runners", json=body)

    def evil_path() -> object:
        return requests.get(f"{target.url}/{'eyJ_' * 1900}", timeout=60)

    def failing_create() -> object:
        return target.ask(
            other, "POST", "/api/v1/runners", json={"repo": "hostile/none", "name": f"other-{rng.random()}"}
        )

    def long_path() -> object:
        return requests.get(f"{target.url}/{'x' * 3000}", timeout=60)

    def hold() -> None:
        with _connected(target):
            time.sleep(rng.uniform(1, 20))

    def invented_name() -> object:
        return target.ask(other, "DELETE", f"/api/v1/runners/worker-{rng.randrange(200)}")

    def large_log() -> object:
        return target.ask(noisy, "GET", "/api/v1/runners/noisy-1/logs").content

    return {
        "C2 hang-ups": hang_up,
        "C3 names": evil_name,
        "C3 paths": evil_path,
        "C8 failing creates": failing_create,
        "C9 long paths": long_path,
        "C10 held connections": hold,
        "C11 invented names": invented_name,
        "C12 large logs": large_log,
    }


THREADS = {"C10 held connections": 400, "C12 large logs": 12, "C2 hang-ups": 6}


def attack(target: Target, seconds: float) -> Counter[str]:
    """All at once for that long; how often each was done."""
    until, done = time.monotonic() + seconds, Counter[str]()

    def repeat(name: str, act: Callable[[], object]) -> None:
        while time.monotonic() < until:
            with suppress(requests.RequestException, OSError):
                act()
                done[name] += 1

    threads = [
        threading.Thread(target=repeat, args=(name, act), daemon=True)
        for name, act in attacks(target).items()
        for _ in range(THREADS.get(name, 3))
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join(timeout=max(0.0, until + 30 - time.monotonic()))
    return done


def _connected(target: Target) -> socket.socket:
    return socket.create_connection(("127.0.0.1", target.port), timeout=30)


@dataclass(kw_only=True)
class Work:
    """What the third tenant saw."""

    failed: list[str] = field(default_factory=list)
    health: list[float] = field(default_factory=list)
    statuses: list[float] = field(default_factory=list)
    granted: set[tuple[str, str]] = field(default_factory=set)

    def live(self, target: Target, name: str) -> None:
        token = target.tokens["worker"]
        made = {"repo": REPO, "name": name, "wait": "none"}
        self._ask(target, token, "POST", "/api/v1/runners", {201}, json=made)
        self.granted.add(("runner.create", name))
        for _ in range(3):
            self.statuses.append(self._ask(target, token, "GET", f"/api/v1/runners/{name}/status", {200}))
        self._ask(target, token, "DELETE", f"/api/v1/runners/{name}?force=true", {200})
        self.granted.add(("runner.remove", name))

    def watch(self, target: Target, over: threading.Event) -> None:
        while not over.wait(0.2):
            self.health.append(self._ask(target, "", "GET", "/health", {200}))

    def _ask(self, target: Target, token: str, method: str, path: str, wanted: set[int], **options: object) -> float:
        began = time.monotonic()
        try:
            answer = target.ask(token, method, path, **options)
            said = "" if answer.status_code in wanted else f"{answer.status_code} {answer.text[:200]}"
        except requests.RequestException as exc:
            said = repr(exc)[:200]
        if said:
            self.failed.append(f"{method} {path}: {said}")
        return time.monotonic() - began


def p99(seconds: list[float]) -> float:
    return sorted(seconds)[max(0, len(seconds) * 99 // 100 - 1)] if seconds else 0.0


def endure(seconds: float, runners: int, *, limits: bool = True, slack: float = 1.0) -> list[str]:
    """What was not as it is to be; figures and the attacks' rates are printed. ``slack``: for a busy machine."""
    with (
        tempfile.TemporaryDirectory(prefix="runnerctl-hostile-") as top,
        Sandbox(settings=Settings(rate_limit=10_000_000)) as sandbox,
        _target(Path(top), sandbox.environment(), limits=limits) as target,
    ):
        target.ask(target.tokens["noisy"], "POST", "/api/v1/runners", json={"repo": REPO, "name": "noisy-1"})
        _enlarge_logs(target)
        attacker = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.hostile", "--attack", str(seconds)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        given = {"top": top, "url": target.url, "pid": target.pid, "tokens": target.tokens, "operator": target.operator}
        assert attacker.stdin is not None
        attacker.stdin.write(json.dumps(given))
        attacker.stdin.close()
        work, over = Work(), threading.Event()
        watching = threading.Thread(target=work.watch, args=(target, over))
        watching.start()
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            list(pool.map(lambda number: work.live(target, f"worker-{number}"), range(runners)))
        assert attacker.stdout is not None
        rates = {name: round(times / seconds, 1) for name, times in json.loads(attacker.stdout.read()).items()}
        attacker.wait(timeout=60)
        over.set()
        watching.join()
        print(f"attacks a second: {rates}", flush=True)
        return _judged(target, work, slack)


def _judged(target: Target, work: Work, slack: float) -> list[str]:
    entries = [json.loads(line) for line in (target.top / "state" / "audit.log").read_text().splitlines()]
    missing = work.granted - {(each["action"], each["object"]) for each in entries if each["result"] == "ok"}
    figures = {"p99 of /health": p99(work.health), "p99 of a status": p99(work.statuses), "memory": target.memory()}
    print(f"{len(work.granted)} granted acts; {figures}; failed: {work.failed[:5]}", flush=True)
    wrong = [f"{len(work.failed)} requests failed, such as {work.failed[0]}"] if work.failed else []
    wrong += [f"{len(missing)} granted acts are not in the audit log"] if missing else []
    most = {"p99 of /health": HEALTH_SECONDS * slack, "p99 of a status": STATUS_SECONDS * slack, "memory": MEMORY_MB}
    return wrong + [f"{name}: {figures[name]:.3g} > {limit:g}" for name, limit in most.items() if figures[name] > limit]


def _enlarge_logs(target: Target) -> None:
    line = "2026-11-24T03:57:14.123Z a line of a log that is long and says nothing at all\n"
    deadline = time.monotonic() + 30
    while not (logs := list((target.top / "state" / "runners").glob("*/runner.log"))) and time.monotonic() < deadline:
        time.sleep(0.05)
    for path in logs:
        path.write_text(line * 30_000)


@contextmanager
def _target(top: Path, github: dict[str, str], *, limits: bool) -> Iterator[Target]:
    operator = secrets.token_hex(32)
    env_file = top / "runnerctl.env"
    variables = {
        **github,
        **({} if limits else _LIMITLESS_SETTINGS),
        "RUNNERCTL_STATE_DIR": str(top / "state"),
        "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": str(top / "runners"),
        "GITHUB_WFA_RUNNER_SERVER__API_TOKEN": operator,
        "GITHUB_WFA_RUNNER_SERVER__BIND": "127.0.0.1:0",
        "RUNNERCTL_AUDIT_SIZE": "1M",
        "RUNNERCTL_AUDIT_FILES": "1",
        "RUNNERCTL_MIN_FREE_SPACE": "0",
    }
    env_file.touch(mode=0o600)
    env_file.write_text("".join(f"{name}='{value}'\n" for name, value in variables.items()))
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    tokens = {name: _token(env_file, environment, name) for name in ("noisy", "other", "worker")}
    argv = [sys.executable, "-c", ("" if limits else _UNLIMITED) + _SERVE, str(env_file)]
    with (top / "serve.log").open("w") as log:
        process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
    assert process.stdout is not None
    try:
        url = process.stdout.readline().split()[-1]
        yield Target(top=top, url=url, pid=process.pid, tokens=tokens, operator=operator)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


def _token(env_file: Path, environment: dict[str, str], name: str) -> str:
    rights = [word for right in ("runners:read", "runners:write", "logs:read") for word in ("--scope", right)]
    argv = [sys.executable, "-m", "runnerctl", "--env-file", str(env_file), "token", "create", name, *rights]
    limits = ["--repo", "hostile/*", "--name-pattern", f"{name}-*", "--max-runners", "20"]
    made = subprocess.run([*argv, *limits], env=environment, capture_output=True, text=True, check=True)
    return made.stdout.strip()


def main() -> int:
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    if "--attack" in sys.argv:
        given = json.loads(sys.stdin.read())
        done = attack(Target(**{**given, "top": Path(given["top"])}), float(words[0]))
        print(json.dumps(done), flush=True)
        os._exit(0)  # who still holds a connection is not waited for
    seconds, runners = float(words[0]) if words else 300.0, int(words[1]) if len(words) > 1 else 200
    wrong = endure(seconds, runners, limits="--without-limits" not in sys.argv)
    print("\n".join(wrong) or "all endured", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
