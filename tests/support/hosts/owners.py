"""How owners of a host work with runnerctl: by its service, by a server that they started, or by commands alone."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

from tests.support.hosts.booted import VENV
from tests.support.hosts.host import SLOWNESS, until
from tests.support.hosts.installed import ENV_FILE, REPO, Service

USER = "ci"
"""Who works without the service."""


class Owner(ABC):
    state_dir = "/var/lib/runnerctl"
    base_dir = "/opt/runnerctl/runners"

    def __init__(self, service: Service) -> None:
        self.service = service
        self.inside = service.inside

    @abstractmethod
    def begin(self) -> None:
        """Makes the host ready, with the package that is installed."""

    @abstractmethod
    def use_the_new_package(self) -> None:
        """What is to be done once it is installed over the one of before."""

    @abstractmethod
    def create(self, name: str, *, ephemeral: bool) -> None:
        """Returns when it waits for jobs."""

    @abstractmethod
    def seen(self, name: str) -> dict[str, Any]:
        """Its status."""

    @abstractmethod
    def lives(self) -> dict[str, str]:
        """The id of each runner that lives, by its name."""

    @abstractmethod
    def act(self, verb: str, name: str) -> None:
        """``stop``, ``start``, ``restart`` or ``remove``; must succeed."""

    @abstractmethod
    def drain(self, name: str) -> None:
        """Has it removed after its job, and waits for nothing."""

    def look(self) -> None:  # noqa: B027 - a server looks by itself
        """Has it found out what has become of runners."""

    def end(self) -> None:  # noqa: B027 - most have nothing of ours that runs
        """Of what was begun and not waited for; runners go on."""

    def settings(self) -> dict[str, str]:
        names = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY_B64", "GITHUB_API_URL", "GITHUB_SERVER_URL")
        return {**{name: self.service.github[name] for name in names}, "RUNNERCTL_REMOVE_SETTLE": "0.2"}

    def processes(self) -> set[str]:
        """With the time of their start, by the kernel's clock: all that run for runners."""
        words = self.inside.shell("pgrep -d ' ' -f 'supervisor/__main__|Runner[.]' || true").split()
        stats = self.inside.shell(f"cat {' '.join(f'/proc/{pid}/stat' for pid in words)} 2>/dev/null || true")
        fields = [(line.split(" ")[0], line.rpartition(")")[2].split()) for line in stats.splitlines()]
        return {f"{pid} since {more[19]}" for pid, more in fields if more[0] not in "ZX"}

    def supervisor(self, name: str) -> str:
        return self.inside.say("pgrep", "-f", f"supervisor/__main__.*{self.lives()[name]}").strip()


class OverHttp(Owner):
    def create(self, name: str, *, ephemeral: bool) -> None:
        body = {"repo": REPO, "name": name, "ephemeral": ephemeral, "wait": "online"}
        made = self.service.ask("POST", "/api/v1/runners", body)
        assert made["http"] == 201, made

    def seen(self, name: str) -> dict[str, Any]:
        return self.service.runner(name)

    def lives(self) -> dict[str, str]:
        return {each["name"]: each["id"] for each in self.service.ask("GET", "/api/v1/runners")["items"]}

    def act(self, verb: str, name: str) -> None:
        method, path = ("DELETE", "") if verb == "remove" else ("POST", f"/{verb}")
        done = self.service.ask(method, f"/api/v1/runners/{name}{path}")
        assert done["http"] == 200, done

    def drain(self, name: str) -> None:
        asked = self.service.ask("DELETE", f"/api/v1/runners/{name}?drain=true")
        assert asked["http"] == 202, asked


class UnderSystemd(OverHttp):
    """The service, as the guide has it; each runner is a unit, or a process of the server."""

    backend = "systemd"

    def begin(self) -> None:
        self._install()
        self.service.set(**self.settings())
        self._install("--now")

    def use_the_new_package(self) -> None:
        self._install("--now")
        self.inside.say("systemctl", "restart", "runnerctl-server")

    def _install(self, *more: str) -> None:
        done = self.service.runnerctl("--output", "json", "service", "install", "--backend", self.backend, *more)
        assert done.returncode == 0, done.stdout + done.stderr


class UnderSystemdAsProcesses(UnderSystemd):
    backend = "process"


class _WithoutService(Owner):
    state_dir = f"/home/{USER}/state"
    base_dir = f"/home/{USER}/runners"
    argv = ("setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "env", f"HOME=/home/{USER}")

    def begin(self) -> None:
        self.inside.shell(f"useradd --create-home {USER}; chmod 755 /home/{USER}")
        self.inside.shell(f"install -d /etc/runnerctl; install -m 640 -g {USER} /dev/null {ENV_FILE}")
        self.service.set(
            **self.settings(),
            RUNNERCTL_STATE_DIR=self.state_dir,
            GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=self.base_dir,
            GITHUB_WFA_RUNNER_SERVER__API_TOKEN="a-token-of-an-operator-who-works-by-hand",
        )

    def use_the_new_package(self) -> None:
        """Nothing: the next command is of that package."""

    def command(self, *argv: str) -> Sequence[str]:
        return (*self.argv, f"{VENV}/bin/runnerctl", *argv)


class WithServer(_WithoutService, OverHttp):
    """``runnerctl serve`` in the foreground of some terminal."""

    _server: subprocess.Popen[str]

    def begin(self) -> None:
        super().begin()
        self._serve()

    def use_the_new_package(self) -> None:
        self.end()
        self._serve()

    def end(self) -> None:
        self.inside.shell("kill $(cat /run/serve.pid)")
        self._server.wait(timeout=60 * SLOWNESS)

    def _serve(self) -> None:
        """What was left by the one before must not be taken for a word of this one's."""
        self.inside.shell("rm -f /run/serve.log; touch /run/serve.log")
        line = f"echo $$ > /run/serve.pid; exec {shlex.join(self.command('serve'))} > /run/serve.log 2>&1"
        self._server = self.inside.popen("sh", "-c", line)
        until(lambda: "Listening on" in self.inside.shell("cat /run/serve.log"))


class ByCommands(_WithoutService):
    """Without any server."""

    _draining: subprocess.Popen[str] | None = None

    def create(self, name: str, *, ephemeral: bool) -> None:
        kind = "--ephemeral" if ephemeral else "--persistent"
        self._done("create", name, "--repo", REPO, kind, "--wait", "online")

    def seen(self, name: str) -> dict[str, Any]:
        return dict(self._document("status", name))

    def lives(self) -> dict[str, str]:
        return {each["name"]: each["id"] for each in self._document("list")["items"]}

    def act(self, verb: str, name: str) -> None:
        self._done(verb, name)

    def drain(self, name: str) -> None:
        """The command goes on while the package is replaced below it."""
        argv = self.command("remove", name, "--drain")
        self._draining = self.inside.popen(*argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        until(lambda: self.seen(name)["state"] == "removing")

    def end(self) -> None:
        """What the command of the old package says when its program is replaced is its own; it must not hang."""
        if self._draining is None:
            return
        try:
            said, _ = self._draining.communicate(timeout=60 * SLOWNESS)
        finally:
            self._draining.kill()
            self._draining.wait()
        sys.stdout.write(f"remove --drain of the old package: {self._draining.returncode} {said}\n")

    def look(self) -> None:
        self._done("reconcile")

    def _document(self, *argv: str) -> Any:
        return json.loads(self._run(*argv).stdout)

    def _done(self, *argv: str) -> None:
        done = self._run(*argv)
        assert done.returncode == 0, done.stdout + done.stderr

    def _run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return self.inside.run(*self.command("--output", "json", *argv))
