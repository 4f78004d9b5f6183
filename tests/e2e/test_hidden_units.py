"""Units under ``hidepid=2``: the service sees no process of its runners, and none of them is lost for that."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.hosts.host import until
from tests.support.hosts.installed import Service

RUNNER_BUSY = 6
HIDE = "mount -o remount,hidepid=2 /proc"
SHOW = "mount -o remount,hidepid=0 /proc"


@pytest.fixture(scope="module", autouse=True)
def polkit() -> None:
    """Skips where none is, before anything is booted."""
    if not any(Path(each).exists() for each in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")):
        pytest.skip("needs polkit")


@pytest.fixture(scope="module")
def units(service: Service) -> Service:
    """Installed, with a GitHub to make runners of."""
    names = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY_B64", "GITHUB_API_URL", "GITHUB_SERVER_URL")
    assert service.runnerctl("service", "install").returncode == 0
    service.set(**{name: service.github[name] for name in names}, RUNNERCTL_REMOVE_SETTLE="0.2")
    assert service.runnerctl("service", "install", "--now").returncode == 0
    assert service.ask("GET", "/readyz")["backend"] == "systemd"
    return service


def test_a_job_that_runs_when_processes_are_hidden_runs_to_its_end(units: Service) -> None:
    """The service has a ``/proc`` of its own (its unit's kernel protection), commands have the host's."""
    units.online("seen")
    job = units.submit("seen", "while [ ! -e ../../../go-on ]; do sleep 0.05; done; echo survived")
    until(lambda: units.runner("seen")["phase"] == "busy")
    units.inside.shell(HIDE)
    as_manager = ("setpriv", "--reuid", "runnerctl", "--regid", "runnerctl", "--clear-groups")
    assert units.inside.run(*as_manager, "ls", f"/proc/{units.runner('seen')['pid']}").returncode != 0
    units.inside.say("systemctl", "restart", "runnerctl-server")
    until(lambda: units.ask("GET", "/readyz").get("status") == "ready")
    assert units.runner("seen")["phase"] == "busy"
    assert json.loads(units.runnerctl("--output", "json", "status", "seen").stdout)["phase"] == "busy"
    assert units.runnerctl("remove", "seen").returncode == RUNNER_BUSY
    assert units.ask("DELETE", "/api/v1/runners/seen")["code"] == "runner_busy"
    units.inside.shell("touch /opt/runnerctl/runners/seen/go-on")
    assert units.concluded(job)["conclusion"] == "success"
    until(lambda: units.runner("seen")["state"] == "completed")


def test_runners_are_made_and_work_and_go_while_processes_are_hidden(units: Service) -> None:
    units.works_in_every_kind("unseen")
    units.inside.shell(SHOW)
