"""The service under a real systemd, from install to purge: the tests go on from one another's state, in their order."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from runnerctl.install.files import all_files
from runnerctl.install.layout import Backend, Layout
from tests.support.front_ends.cli_running import cli
from tests.support.hosts.booted import VENV
from tests.support.hosts.host import until
from tests.support.hosts.installed import ENV_FILE, REPO, SITE, UNIT_DIR, Service
from tests.support.places import REPOSITORY

CONTRIB = REPOSITORY / "contrib" / "systemd"
NAMES = ("runnerctl-server", "runnerctl")
CREDENTIALS = "/run/credentials/runnerctl-server.service"
TOKEN = "GITHUB_WFA_RUNNER_SERVER__API_TOKEN"


# --- Texts ---


@pytest.mark.parametrize("backend", Backend)
def test_contrib_holds_what_is_printed(backend: Backend) -> None:
    directory = CONTRIB if backend is Backend.PROCESS else CONTRIB / f"backend-{backend}"
    files = {each.path.name: each.text for each in all_files(Layout(backend=backend))}
    assert {path.name: path.read_text() for path in directory.iterdir() if path.is_file()} == files


def test_one_file_is_printed_to_the_byte_and_all_with_a_heading_each() -> None:
    files = json.loads(cli("service", "print", "--output", "json").stdout)["items"]
    assert [each["name"] for each in files] == [
        "50-runnerctl.rules",
        "runnerctl-runner@.service",
        "runnerctl-server.socket",
        "runnerctl-server.service",
        "runnerctl.service",
        "runnerctl.env",
    ]
    everything = cli("service", "print").stdout
    for each in files:
        assert cli("service", "print", each["name"]).stdout == each["text"]
        assert f"### {each['is']}\n{each['text']}" in everything
    assert f"User={'build'}\n" in cli("service", "print", "runnerctl.service", "--user", "build").stdout


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (("print", "runnerctl.socket"), "'runnerctl.socket' is not a file of the service"),
        (("print", "--user", "Build Farm"), "'Build Farm' is not a user name"),
        (("print", "--backend", "docker"), "docker"),
        (("install", "--user", "x\nExecStartPre=/bin/sh"), "is not a user name"),
    ],
)
def test_what_cannot_be_meant_is_refused(argv: tuple[str, ...], says: str) -> None:
    refused = cli("--output", "json", "service", *argv)
    assert (refused.status, refused.error["code"]) == (2, "invalid_request")
    assert says in refused.error["message"]


def test_a_dry_run_tells_what_an_install_does_and_does_nothing(service: Service) -> None:
    told = service.steps("install", "--dry-run", "--now")
    assert service.there() == service.before
    assert told[0] == "make group runnerctl"
    assert told[-1] == "start runnerctl-server.service"


@pytest.mark.parametrize(
    ("path", "spoil", "mend"),
    [
        (f"{VENV}", "chmod 775", "chmod 755"),
        (f"{VENV}/bin", "chmod 1777", "chmod 755"),
        (f"{VENV}/lib", "chown nobody", "chown root"),
        ("/opt", "chmod o+w", "chmod o-w"),
        (f"{SITE}/runnerctl", "chmod g+w", "chmod g-w"),
        (f"{SITE}/runnerctl/core/domain/errors.py", "chmod 664", "chmod 644"),
        (f"{SITE}/runnerctl/core/domain/errors.py", "chown nobody", "chown root"),
        (f"{VENV}/lib", "chmod 700", "chmod 755"),
    ],
)
def test_code_that_others_can_change_or_the_user_cannot_reach_is_refused_naming_it(
    service: Service, path: str, spoil: str, mend: str
) -> None:
    service.inside.say(*spoil.split(), path)
    status, error = service.refusal("install", "--dry-run")
    service.inside.say(*mend.split(), path)
    assert (status, error["code"]) == (2, "config_invalid")
    assert repr(path) in error["message"]
    assert "/opt/runnerctl/venv" in error["hint"]


def test_install_makes_user_directories_settings_and_units_and_says_why_the_server_does_not_start(
    service: Service,
) -> None:
    status, error = service.refusal("install", "--now")
    assert (status, error["code"]) == (2, "config_invalid")
    assert error["message"].endswith("did not start: No GitHub credentials are set")
    assert "systemctl restart runnerctl-server" in error["hint"]
    seen = service.inside.say(
        *("stat", "-c", "%a %U:%G %n", "/etc/runnerctl", ENV_FILE, "/var/lib/runnerctl", "/opt/runnerctl/runners"),
        *(f"{UNIT_DIR}/runnerctl-server.service",),
    )
    assert seen.splitlines() == [
        "750 root:runnerctl /etc/runnerctl",
        f"640 root:runnerctl {ENV_FILE}",
        "700 runnerctl:runnerctl /var/lib/runnerctl",
        "755 runnerctl:runnerctl /opt/runnerctl/runners",
        f"644 root:root {UNIT_DIR}/runnerctl-server.service",
    ]
    account = service.inside.say("getent", "passwd", "runnerctl").strip().split(":")
    assert int(account[2]) < 1000
    assert account[6].endswith("/nologin")
    assert re.fullmatch(r"[0-9a-f]{64}", service.token)


def test_a_second_install_has_nothing_to_do_and_leaves_the_settings_alone(service: Service) -> None:
    settings = service.inside.say("cat", ENV_FILE)
    assert service.steps("install") == []
    assert service.inside.say("cat", ENV_FILE) == settings


def test_units_are_understood_and_the_one_without_runners_below_it_scores_under_two(service: Service) -> None:
    for backend in Backend:
        text = service.runnerctl("service", "print", "runnerctl-server.service", "--backend", backend).stdout
        path = f"/run/{backend}/runnerctl-server.service"
        service.inside.say("mkdir", "-p", str(Path(path).parent))
        service.inside.write(path, text)
        verified = service.inside.run("systemd-analyze", "verify", path)
        assert (verified.stdout, verified.stderr) == ("", "")
        score = service.inside.run("systemd-analyze", "security", "--offline=true", "--threshold=20", path)
        assert (score.returncode == 0) == (backend is Backend.SYSTEMD), score.stdout


def test_a_configured_service_starts_under_both_names_and_the_guides_token_opens_it(service: Service) -> None:
    names = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY_B64", "GITHUB_API_URL", "GITHUB_SERVER_URL")
    service.set(**{name: service.github[name] for name in names}, RUNNERCTL_REMOVE_SETTLE="0.2")
    assert service.steps("install", "--now") == ["start runnerctl-server.service"]
    assert {service.show("MainPID", name) for name in NAMES} == {service.show("MainPID")}
    assert service.show("StatusText") == "Listening on http://127.0.0.1:8080"
    assert service.ask("GET", "/api/v1/runners")["items"] == []
    assert service.ask("GET", "/api/v1/runners", token="wrong")["http"] == 401


def test_an_ordinary_user_runs_jobs_on_runners_of_both_kinds(service: Service) -> None:
    service.works_in_every_kind("plain")


def test_a_restart_and_a_crash_in_mid_job_leave_runner_and_job_alone(service: Service) -> None:
    runner = service.online("first")
    cgroup = service.inside.say("cat", f"/proc/{runner['pid']}/cgroup")
    assert "/runnerctl-server.service/runnerctl-" in cgroup, cgroup
    job = service.submit("first", "while [ ! -e /tmp/go-on ]; do sleep 0.05; done; id -un")
    until(lambda: service.runner("first")["phase"] == "busy")
    server = service.show("MainPID")
    service.inside.say("systemctl", "restart", "runnerctl")
    assert service.show("MainPID") != server
    assert service.runner("first")["pid"] == runner["pid"]

    service.inside.say("mkdir", "/run/systemd/system/runnerctl-server.service.d", "-p")
    service.inside.write("/run/systemd/system/runnerctl-server.service.d/soon.conf", "[Service]\nRestartSec=50ms\n")
    service.inside.say("systemctl", "daemon-reload")
    server = service.show("MainPID")
    service.inside.say("kill", "-KILL", server)
    until(lambda: service.show("ActiveState") == "active" and service.show("MainPID") not in {server, "0"})
    assert service.runner("first")["pid"] == runner["pid"]
    service.inside.say("touch", "/tmp/go-on")
    seen = service.concluded(job)
    assert (seen["conclusion"], seen["runner_name"]) == ("success", "first")
    until(lambda: service.runner("first")["status"] == "not_installed")


def test_a_unit_whose_restart_would_kill_runners_is_told_everywhere(service: Service) -> None:
    """As the guide's first unit was, whose reader forgot a line."""
    assert service.doctor()["service"]["level"] == "ok"
    unit = f"{UNIT_DIR}/runnerctl-server.service"
    text = service.inside.say("cat", unit)
    service.inside.write(unit, text.replace("KillMode=process\n", ""))
    service.inside.shell("systemctl daemon-reload && systemctl restart runnerctl-server")
    said = "A restart of runnerctl-server.service kills all runners: add KillMode=process to its [Service] section"
    assert said in service.ask("GET", "/readyz")["degraded"]
    assert said in service.inside.shell("journalctl -u runnerctl-server -o cat -n 20")
    assert service.doctor()["service"]["message"] == f"Installed files differ from this version: {unit}"
    service.steps("install", "--now")
    assert said not in service.ask("GET", "/readyz")["degraded"]
    assert service.doctor()["service"]["level"] == "ok"


def test_a_server_that_hangs_is_replaced_and_runner_and_job_are_in_hand_again(service: Service) -> None:
    runner = service.online("hung")
    job = service.submit("hung", "while [ ! -e /tmp/unhung ]; do sleep 0.05; done")
    busy = until(lambda: (seen := service.runner("hung"))["phase"] == "busy" and seen)
    worker = service.inside.say("pgrep", "-f", "Runner.Worker")
    assert "Watchdog timeout (limit 2s)!" in service.hang()
    seen = service.runner("hung")
    assert (seen["phase"], seen["pid"], seen["state"]) == (busy["phase"], busy["pid"], busy["state"])
    assert (seen["pid"], service.inside.say("pgrep", "-f", "Runner.Worker")) == (runner["pid"], worker)
    assert service.ask("DELETE", "/api/v1/runners/hung")["code"] == "runner_busy"
    assert service.ask("DELETE", "/api/v1/runners/hung?drain=true")["http"] == 202
    service.inside.say("touch", "/tmp/unhung")
    assert service.concluded(job)["conclusion"] == "success"
    until(lambda: service.runner("hung")["status"] == "not_installed")


def test_a_reload_takes_over_another_token(service: Service) -> None:
    server, old = service.show("MainPID"), service.token
    service.set(**{TOKEN: "another-" + old})
    service.inside.say("systemctl", "reload", "runnerctl-server")
    until(lambda: service.ask("GET", "/api/v1/runners")["http"] == 200)
    assert service.ask("GET", "/api/v1/runners", token=old)["http"] == 401
    assert service.show("MainPID") == server


def test_the_env_file_wins_over_roots_files_of_key_and_token(service: Service) -> None:
    key = base64.b64decode(service.github["GITHUB_APP_PRIVATE_KEY_B64"]).decode()
    for path, text in (("app-key.pem", key), ("api-token", "token-of-roots\n")):
        service.inside.write(f"/etc/runnerctl/{path}", text)
        service.inside.say("chmod", "600", f"/etc/runnerctl/{path}")
    service.inside.say("systemctl", "restart", "runnerctl-server")
    assert service.inside.say("ls", CREDENTIALS).split() == ["api-token", "app-key"]
    assert service.ask("GET", "/api/v1/runners")["http"] == 200
    assert service.ask("GET", "/api/v1/runners", token="token-of-roots")["http"] == 401


def test_no_job_reads_what_systemd_hands_to_the_server(service: Service, landlock: None) -> None:
    service.online("second")
    job = service.submit("second", f"id -un; cat {CREDENTIALS}/app-key {CREDENTIALS}/api-token /etc/runnerctl/*")
    assert service.concluded(job)["conclusion"] == "failure"
    said = service.log(job)
    assert "runnerctl" in said
    assert "PRIVATE KEY" not in said
    assert "token-of-roots" not in said


def test_a_stranger_is_told_whose_the_state_is(service: Service) -> None:
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "env", "HOME=/tmp")
    done = service.inside.run(*nobody, f"{VENV}/bin/runnerctl", "--output", "json", "list")
    error = json.loads(done.stdout)["error"]
    assert (done.returncode, error["code"]) == (2, "config_invalid"), done.stdout
    assert "belongs to user runnerctl, not to nobody" in error["message"]


def test_key_and_token_may_be_roots_files(service: Service) -> None:
    service.set(**{TOKEN: "", "GITHUB_APP_PRIVATE_KEY_B64": ""})
    service.inside.say("systemctl", "restart", "runnerctl-server")
    made = service.ask("POST", "/api/v1/runners", {"repo": REPO, "name": "third"}, token="token-of-roots")
    assert made["http"] == 201, made
    service.set(**{TOKEN: "of-the-env-file"})


def test_commands_of_roots_read_roots_key(service: Service) -> None:
    made = service.runnerctl("--output", "json", "create", "by-command", "--repo", REPO)
    assert made.returncode == 0, made.stdout
    shown = json.loads(service.runnerctl("--output", "json", "config", "show").stdout)
    (key,) = [each for each in shown["items"] if each["key"] == "github.private_key"]
    assert (key["value"], key["origin"]) == ("********", "/etc/runnerctl/app-key.pem")
    assert service.runnerctl("remove", "by-command", "--force").returncode == 0


def test_an_install_over_an_older_unit_replaces_it_and_keeps_the_runners(service: Service) -> None:
    pid = service.ask("GET", "/api/v1/runners/third/status", token="token-of-roots")["pid"]
    path = f"{UNIT_DIR}/runnerctl-server.service"
    newest = service.inside.say("cat", path)
    service.inside.write(path, newest.replace("WatchdogSec=60\n", ""))
    # And as the guide's first words had it: a copy under the other name.
    service.inside.shell(f"rm {UNIT_DIR}/runnerctl.service; cp {path} {UNIT_DIR}/runnerctl.service")
    service.inside.say("systemctl", "daemon-reload")
    assert service.steps("install", "--now") == [
        "disable runnerctl.service",
        f"replace {path}",
        f"replace {UNIT_DIR}/runnerctl.service",
        "reload units of systemd",
        "restart runnerctl-server.service",
    ]
    assert service.inside.say("cat", path) == newest
    assert service.show("WatchdogUSec") == "1min"
    assert service.runner("third")["pid"] == pid
    assert service.steps("install", "--now") == []


def test_an_uninstall_refuses_while_runners_live_unless_they_may_go_on_alone(service: Service) -> None:
    pid = service.runner("third")["pid"]
    for argv in ((), ("--purge", "--force")):
        status, error = service.refusal("uninstall", *argv)
        assert (status, error["code"]) == (6, "invalid_transition")
        assert "third" in error["message"]
    assert service.show("ActiveState") == "active"
    assert f"remove {UNIT_DIR}/runnerctl-server.service" in service.steps("uninstall", "--force")
    assert service.show("LoadState") == "not-found"
    assert service.inside.say("ps", "-o", "user=", "-p", str(pid)).strip() == "runnerctl"
    service.steps("install", "--now")
    assert service.runner("third")["pid"] == pid
    assert service.ask("DELETE", "/api/v1/runners/third")["http"] == 200


def test_the_unit_without_runners_below_it_serves_too(service: Service) -> None:
    text = service.runnerctl("service", "print", "runnerctl-server.service", "--backend", "systemd").stdout
    service.inside.write(f"{UNIT_DIR}/runnerctl-server.service", text)
    service.inside.say("systemctl", "daemon-reload")
    service.inside.say("systemctl", "restart", "runnerctl-server")
    assert service.ask("GET", "/readyz")["status"] == "ready"
    service.inside.say("systemctl", "reload", "runnerctl-server")
    assert service.ask("GET", "/api/v1/runners")["items"] == []
    assert service.show("NRestarts") == "0"


def test_behind_its_socket_unit_no_caller_is_refused_while_it_restarts(service: Service) -> None:
    service.inside.say("systemctl", "stop", "runnerctl-server")
    service.inside.say("systemctl", "enable", "--now", "runnerctl-server.socket")
    until(lambda: service.ask("GET", "/readyz")["status"] == "ready")
    asking = "for each in $(seq 30); do curl -sS -o /dev/null -w '%{http_code}\\n' http://127.0.0.1:8080/health; done"
    with service.inside.popen("sh", "-c", asking, stdout=-1, stderr=-1) as callers:
        service.inside.say("systemctl", "restart", "runnerctl-server")
        said, errors = callers.communicate(timeout=30)
    assert (set(said.split()), errors) == ({"200"}, "")


def test_an_uninstall_keeps_the_data_and_a_purge_leaves_nothing(service: Service) -> None:
    assert service.steps("uninstall")[0] == "stop runnerctl-server.socket"
    assert service.steps("uninstall") == []
    assert service.inside.say("cat", ENV_FILE) != ""
    assert f"write {ENV_FILE}" not in service.steps("install")
    assert "remove user runnerctl" in service.steps("uninstall", "--purge", "--yes")
    assert service.there() == service.before
    assert {service.show("LoadState", name) for name in NAMES} == {"not-found"}
    assert service.steps("uninstall", "--purge", "--yes") == []


def test_only_root_installs(service: Service) -> None:
    for verb in ("install", "uninstall"):
        done = service.inside.run(
            "setpriv", "--reuid=65534", "--clear-groups", f"{VENV}/bin/runnerctl", "service", verb
        )
        assert done.returncode == 2
        assert f"sudo runnerctl service {verb}" in done.stderr


def test_without_systemd_files_are_written_and_nothing_can_be_started(service: Service) -> None:
    hidden = ("unshare", "--mount", "sh", "-ec", 'umount -l /run; exec "$@"', "-", f"{VENV}/bin/runnerctl")
    done = service.inside.run(*hidden, "--output", "json", "service", "install", "--now")
    assert (done.returncode, json.loads(done.stdout)["error"]["code"]) == (8, "backend_failed")
    assert service.there() == service.before
    done = service.inside.run(*hidden, "--output", "json", "service", "install")
    assert done.returncode == 0, done.stderr
    assert service.inside.say("systemctl", "is-enabled", "runnerctl-server") == "enabled\n"
    done = service.inside.run(*hidden, "service", "uninstall", "--purge", "--yes")
    assert done.returncode == 0, done.stderr
    assert service.there() == service.before
