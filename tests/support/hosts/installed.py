"""The service as it is installed under a booted systemd, with a GitHub on that machine's loopback."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.hosts.booted import VENV, Booted
from tests.support.hosts.host import until

ENV_FILE = "/etc/runnerctl/runnerctl.env"
UNIT_DIR = "/etc/systemd/system"
REPO = "acme/widgets"
SITE = f"{VENV}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"


# --- Under systemd ---


def _with_processes(argv: tuple[str, ...]) -> tuple[str, ...]:
    """Runners are children of the server here; tests/e2e/test_units.py has the others."""
    return ("--backend", "process") if argv[0] == "install" else ()


@dataclass(kw_only=True)
class Service:
    """The installed service, the GitHub that it talks to, and what was there before it."""

    inside: Booted
    github: dict[str, str] = field(repr=False)
    before: str = ""

    def runnerctl(self, *argv: str) -> Any:
        return self.inside.run(f"{VENV}/bin/runnerctl", *argv)

    def doctor(self) -> dict[str, dict[str, str]]:
        """What it finds, by check."""
        done = self.runnerctl("--output", "json", "doctor", "--offline")
        return {each["check"]: each for each in json.loads(done.stdout)["items"]}

    def steps(self, *argv: str) -> list[str]:
        """What ``service …`` did, and that it succeeded."""
        done = self.runnerctl("--output", "json", "service", *argv, *_with_processes(argv))
        assert done.returncode == 0, done.stdout
        return [f"{each['action']} {each['target']}" for each in json.loads(done.stdout)["items"]]

    def refusal(self, *argv: str) -> tuple[int, dict[str, str]]:
        done = self.runnerctl("--output", "json", "service", *argv, *_with_processes(argv))
        return done.returncode, json.loads(done.stdout)["error"]

    def set(self, **variables: str) -> None:
        """Those lines of the env file, instead of what they are now."""
        kept = [line for line in self.inside.say("cat", ENV_FILE).splitlines() if line.split("=")[0] not in variables]
        lines = [*kept, *(f"{name}={value}" for name, value in variables.items() if value)]
        self.inside.write(ENV_FILE, "\n".join([*lines, ""]))

    @property
    def token(self) -> str:
        """As the guide reads it."""
        return self.inside.shell(f"grep API_TOKEN {ENV_FILE} | cut -d= -f2").strip()

    def ask(self, method: str, path: str, body: Any = None, *, token: str | None = None) -> Any:
        status, text = self._curl(f"http://127.0.0.1:8080{path}", method, f"Bearer {token or self.token}", body)
        return {**json.loads(text), "http": int(status)}

    def control(self, path: str, body: Any = None) -> Any:
        return json.loads(self._control(path, body))

    def _control(self, path: str, body: Any = None) -> str:
        authorization = self.github["SANDBOX_AUTHORIZATION"].partition(": ")[2]
        method = "GET" if body is None else "POST"
        return self._curl(self.github["SANDBOX_CONTROL_URL"] + path, method, authorization, body)[1]

    def _curl(self, url: str, method: str, authorization: str, body: Any) -> tuple[str, str]:
        data = [] if body is None else ["--json", json.dumps(body)]
        said = self.inside.say(
            "curl", "-sS", "-X", method, "-H", f"Authorization: {authorization}", "-w", "\n%{http_code}", *data, url
        )
        text, _, status = said.rpartition("\n")
        return status, text

    def online(self, name: str) -> dict[str, Any]:
        """A runner made over HTTP that waits for jobs."""
        body = {"repo": REPO, "name": name, "wait": "online"}
        made = self.ask("POST", "/api/v1/runners", body)
        assert made["http"] == 201, made
        return self.runner(name)

    def runner(self, name: str) -> dict[str, Any]:
        return dict(self.ask("GET", f"/api/v1/runners/{name}/status"))

    def works_in_every_kind(self, name: str) -> None:
        """An ephemeral runner runs its job and goes; a persistent one works, stops, works again and is removed."""
        self.online(name)
        assert self.concluded(self.submit(name, "echo once"))["conclusion"] == "success"
        until(lambda: self.runner(name)["status"] == "not_installed")
        body = {"repo": REPO, "name": f"{name}-lasting", "ephemeral": False, "wait": "online"}
        made = self.ask("POST", "/api/v1/runners", body)
        assert made["http"] == 201, made
        for _ in range(2):
            assert self.concluded(self.submit(f"{name}-lasting", "true"))["conclusion"] == "success"
        assert self.ask("POST", f"/api/v1/runners/{name}-lasting/stop")["status"] == "stopped"
        assert self.ask("POST", f"/api/v1/runners/{name}-lasting/start")["http"] == 200
        assert self.concluded(self.submit(f"{name}-lasting", "true"))["conclusion"] == "success"
        assert self.ask("DELETE", f"/api/v1/runners/{name}-lasting")["http"] == 200

    def submit(self, name: str, script: str) -> int:
        return int(self.control("/jobs", {"repo": REPO, "runs_on": [name], "steps": [{"run": script}]})["id"])

    def concluded(self, job: int) -> dict[str, Any]:
        return dict(until(lambda: (seen := self.control(f"/jobs/{job}"))["status"] == "completed" and seen))

    def log(self, job: int) -> str:
        return self._control(f"/jobs/{job}/log")

    def hang(self) -> str:
        """Stops the server as a deadlock would, until systemd has ended it and started another; what systemd said."""
        drop_in = "/run/systemd/system/runnerctl-server.service.d/hang.conf"
        self.inside.shell(f"mkdir -p {drop_in.rpartition('/')[0]}")
        self.inside.write(drop_in, "[Service]\nWatchdogSec=2s\nRestartSec=50ms\n")
        self.inside.shell("systemctl daemon-reload; systemctl restart runnerctl-server")
        server = self.show("MainPID")
        self.inside.say("kill", "-STOP", server)
        until(lambda: self.show("ActiveState") == "active" and self.show("MainPID") not in {server, "0"})
        self.inside.shell(f"rm {drop_in}; systemctl daemon-reload")
        return self.inside.say("journalctl", "--no-pager", "-o", "cat", "-u", "runnerctl-server")

    def show(self, name: str, unit: str = "runnerctl-server") -> str:
        return self.inside.say("systemctl", "show", "--property", name, "--value", unit).strip()

    def there(self) -> str:
        """All that an installation may touch, but for backups of account files."""
        return self.inside.shell(
            "find /etc /var/lib/runnerctl /opt/runnerctl -path /opt/runnerctl/venv -prune -o -print 2>/dev/null"
            " | grep -v -e '-$' -e '/[.]pwd[.]lock$' | sort || true;"
            "cat /etc/passwd /etc/group /etc/shadow /etc/gshadow /etc/subuid /etc/subgid"
        )


@contextmanager
def started_github(inside: Booted, *, venv: Path = VENV) -> Iterator[Service]:
    """The host, not yet installed, with a GitHub on its loopback that is the one of ``venv``."""
    start = (f"{venv}/bin/runnerctl", "--quiet", "sandbox", "--port", "80", "--repo", REPO)
    with inside.popen("sh", "-c", 'echo $$; exec "$@"', "-", *start, stdout=-1) as sandbox:
        assert sandbox.stdout is not None
        pid = sandbox.stdout.readline().strip()
        github: dict[str, str] = {}
        while "SANDBOX_AUTHORIZATION" not in github:
            name, _, value = shlex.split(sandbox.stdout.readline())[1].partition("=")
            github[name] = value
        made = Service(inside=inside, github=github)
        made.before = made.there()
        try:
            yield made
        finally:
            inside.say("kill", pid)  # itself, not who entered for it: its end is waited for
