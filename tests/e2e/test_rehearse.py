"""``runnerctl rehearse`` where runners are units, where they are processes of a user's own, and beside a service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.hosts.booted import VENV
from tests.support.hosts.installed import Service

USER = "ci"
AS_USER = ("setpriv", "--reuid", USER, "--regid", USER, "--init-groups", "env", "-i", f"HOME=/home/{USER}")
QUICK = '{"STANDIN_PACE":"0.1"}'
GITHUB = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY_B64", "GITHUB_API_URL", "GITHUB_SERVER_URL")


@pytest.fixture(scope="module", autouse=True)
def polkit() -> None:
    """Skips where none is, before anything is booted."""
    if not any(Path(each).exists() for each in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")):
        pytest.skip("needs polkit")


def rehearsed(service: Service, *before: str) -> dict[str, Any]:
    done = service.inside.run(*before, f"{VENV}/bin/runnerctl", "--output", "json", "rehearse", "--stand-in")
    report = json.loads(done.stdout)
    failures = [each for each in report.get("items", [report]) if each.get("level") != "ok"]
    assert done.returncode == 0, "\n".join(map(str, [*failures, done.stderr]))
    return dict(report)


def kept(service: Service) -> list[str]:
    """But for what the server asks GitHub of by itself meanwhile."""
    return [line for line in service.there().splitlines() if not line.endswith("/version-ends.json")]


def told(report: dict[str, Any]) -> dict[str, str]:
    return {each["check"]: f"{each['level']}: {each['message']}" for each in report["items"]}


def test_units_are_proved_beside_a_service_and_its_runners(service: Service) -> None:
    assert service.runnerctl("service", "install").returncode == 0
    github = {name: service.github[name] for name in GITHUB}
    service.set(**github, RUNNERCTL_REMOVE_SETTLE="0.2", RUNNERCTL_JOB_ENV=QUICK)
    assert service.runnerctl("service", "install", "--now").returncode == 0
    ours = service.online("ours")
    there = kept(service)
    report = rehearsed(service)
    said = told(report)
    assert "Runners are systemd units" in [each["message"] for each in report["items"]]
    assert said["user"].startswith("ok: Jobs run as ")
    assert "the same user" not in said["user"]
    proved = {each["check"] for each in report["items"] if each["level"] == "ok"}
    wanted = {"start", "job", "privileges", "secrets", "neighbours", "network", "failing job", "cancelled job", "drain"}
    assert proved >= {*wanted, "persistent", "clean-up"}
    assert report["left"] == []
    assert kept(service) == there
    units = service.inside.say("systemctl", "list-units", "--all", "--plain", "--no-legend", "runnerctl-runner@*")
    assert len(units.splitlines()) == 1
    assert service.runner("ours")["pid"] == ours["pid"]
    assert service.ask("DELETE", "/api/v1/runners/ours")["http"] == 200


def test_an_ordinary_user_proves_a_host_of_ones_own(service: Service, landlock: None) -> None:
    service.inside.shell(f"useradd --create-home {USER}; chmod 755 /home/{USER}")
    own = (f"RUNNERCTL_STATE_DIR=/home/{USER}/state", f"RUNNERCTL_BASE_DIR=/home/{USER}/runners")
    before = service.inside.say("find", f"/home/{USER}")
    report = rehearsed(
        service, *AS_USER, *own, f"RUNNERCTL_JOB_ENV={QUICK}", "RUNNERCTL_ENV_FILE=/dev/null", "PATH=/usr/bin:/bin"
    )
    said = told(report)
    assert said["user"] == f"ok: Jobs run as {USER}, the same user as runnerctl"
    assert said["persistent"].startswith("skipped: ")
    assert service.inside.say("find", f"/home/{USER}") == before
