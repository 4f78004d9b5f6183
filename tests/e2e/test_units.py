"""Runners as units of a real systemd, with its polkit; the tests go on from one another's state, in their order."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runnerctl.install import runner_units
from runnerctl.install.layout import Layout
from tests.support.hosts.booted import VENV
from tests.support.hosts.host import until
from tests.support.hosts.installed import ENV_FILE, REPO, SITE, UNIT_DIR, Service

CHECK = "/srv/check"
TEMPLATE = f"{UNIT_DIR}/runnerctl-runner@.service"
RULE = "/etc/polkit-1/rules.d/50-runnerctl.rules"
LIVE = "/run/runnerctl-runners"
MANAGER = ("setpriv", "--reuid", "runnerctl", "--regid", "runnerctl", "--init-groups")


@pytest.fixture(scope="module", autouse=True)
def polkit() -> None:
    """Skips where none is, before anything is booted."""
    if not any(Path(each).exists() for each in ("/usr/lib/polkit-1/polkitd", "/usr/libexec/polkitd")):
        pytest.skip("needs polkit")


def unit_of(service: Service, name: str) -> str:
    seen = service.ask("GET", f"/api/v1/runners/{name}")
    return f"runnerctl-runner@{seen['id']}.service"


def nothing_runs(service: Service) -> bool:
    units = service.inside.say("systemctl", "list-units", "--plain", "--no-legend", "runnerctl-runner@*")
    return not units and service.inside.shell(f"ls -A {LIVE} 2>/dev/null || true") == ""


# --- What is installed ---


def test_install_puts_template_and_rule_where_systemd_and_polkit_look(service: Service) -> None:
    done = service.runnerctl("--output", "json", "service", "install")
    assert done.returncode == 0, done.stdout
    written = [each["target"] for each in json.loads(done.stdout)["items"]]
    assert {TEMPLATE, RULE} <= set(written)
    assert service.inside.say("stat", "-c", "%a %U:%G", TEMPLATE, RULE).split("\n")[:2] == ["644 root:root"] * 2
    again = service.runnerctl("--output", "json", "service", "install")
    assert json.loads(again.stdout)["items"] == []


def test_the_template_is_understood_and_scores_four_at_most(service: Service) -> None:
    verified = service.inside.run("systemd-analyze", "verify", TEMPLATE)
    assert (verified.stdout, verified.stderr) == ("", "")
    score = service.inside.run("systemd-analyze", "security", "--offline=true", "--threshold=40", TEMPLATE)
    assert score.returncode == 0, score.stdout


# --- The contract ---


@pytest.mark.timeout(330)  # two whole modules run in there, and have 300 s
def test_the_contract_of_the_backends_holds_for_units(service: Service) -> None:
    layout = Layout(
        interpreter=Path(f"{VENV}/bin/python"),
        package=Path(f"{SITE}/runnerctl"),
        base_dir=Path(CHECK, "runners"),
        state_dir=Path(CHECK, "state"),
    )
    service.inside.shell(f"install -d -o runnerctl -g runnerctl {CHECK}; cp {TEMPLATE} /run/template")
    service.inside.write(TEMPLATE, runner_units.template(layout))
    service.inside.say("systemctl", "daemon-reload")
    run = (
        f"cd /opt/check; HOME={CHECK} RUNNERCTL_ENV_FILE=/dev/null RUNNERCTL_CHECK_UNITS={CHECK} {' '.join(MANAGER)}"
        f" {VENV}/bin/python -B -m pytest -q -p no:cacheprovider --basetemp={CHECK}/pytest"
        " tests/process/supervisor/test_backend_contract.py tests/process/engine/test_accept_crashes.py 2>&1"
    )
    done = service.inside.run("sh", "-c", run, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:]
    assert "passed" in done.stdout
    until(lambda: nothing_runs(service))
    service.inside.shell(f"cp /run/template {TEMPLATE}; systemctl daemon-reload; rm -rf {CHECK}")


# --- A service whose runners are units ---


def test_a_job_runs_as_a_user_of_its_units_and_reaches_nothing_of_ours(service: Service) -> None:
    names = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY_B64", "GITHUB_API_URL", "GITHUB_SERVER_URL")
    limits = {"RUNNERCTL_LIMITS_MEMORY_MAX": "512M", "RUNNERCTL_LIMITS_PROCESSES": "200"}
    service.set(
        **{name: service.github[name] for name in names},
        **limits,
        RUNNERCTL_RUN_AS_GROUPS="video",
        RUNNERCTL_REMOVE_SETTLE="0.2",
    )
    assert service.runnerctl("service", "install", "--now").returncode == 0
    ready = service.ask("GET", "/readyz")
    assert (ready["backend"], ready["degraded"]) == ("systemd", None)
    service.online("other")
    assert service.show("MemoryMax", unit_of(service, "other")) == str(512 * 1024 * 1024)
    assert service.show("MemorySwapMax", unit_of(service, "other")) == "0"
    assert service.show("TasksMax", unit_of(service, "other")) == "200"
    service.online("one")
    for attempt in (each for each in _TRIES.values() if each.startswith(("cat", "ls"))):
        assert service.inside.run("sh", "-c", f"({attempt}) >/dev/null").returncode == 0, (
            f"root cannot do it either: {attempt}"
        )
    job = service.submit("one", ATTACK)
    seen = service.concluded(job)
    lines = service.log(job).splitlines()
    said = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith(("##", "\x1b[")))
    assert seen["conclusion"] == "success", lines
    assert said.pop("whoami").startswith("rc-")
    assert said.pop("groups") == service.inside.shell("getent group video | cut -d: -f3").strip()
    assert set(said.values()) == {"refused"}, said
    until(lambda: service.runner("one")["status"] == "not_installed")
    assert service.ask("DELETE", "/api/v1/runners/other")["http"] == 200
    until(lambda: nothing_runs(service))


_TRIES = {
    "env file": f"cat {ENV_FILE}",
    "settings": "ls /etc/runnerctl",
    "database": "cat /var/lib/runnerctl/runnerctl.db",
    "state": "ls /var/lib/runnerctl",
    "records": f"cat {LIVE}/*/supervisor.json",
    "launch": f"cat {LIVE}/*/launch.json",
    "events": "ls /run/runnerctl",
    "neighbour": "ls /opt/runnerctl/runners/other",
    "key of neighbour": "cat /opt/runnerctl/runners/other/.credentials_rsaparams",
    "a file beside": "touch /opt/runnerctl/runners/mine",
    "package": "touch /opt/runnerctl/runners/.packages/*/bin/Runner.Listener",
    "its Listener": "touch ../../../bin/Runner.Listener",
    "another Listener": "mv ../../../bin ../../../bin.mine",
    "its log": "rm ../../../runner.log",
    "the system": "touch /etc/mine /usr/mine",
    "environment of the supervisor": "cat /proc/$(pgrep -of supervisor/__main__.py)/environ",
    "environment of the server": "cat /proc/$(pgrep -of runnerctl.server)/environ",
    "signal to the supervisor": "kill -0 $(pgrep -of supervisor/__main__.py)",
    "signal to the server": "kill -0 $(pgrep -of runnerctl.server)",
    "another unit": "systemctl --no-ask-password stop runnerctl-server",
    "its unit": "systemctl --no-ask-password kill 'runnerctl-runner@*'",
    "root": "setpriv --reuid 0 true",
    "its cgroup": "echo $$ > $(dirname $(find /sys/fs/cgroup -name cgroup.procs | head -1))/cgroup.procs",
}
ATTACK = "echo whoami=$(id -un)\necho groups=$(grep Groups: /proc/self/status | cut -f2 | tr -d ' ')\n" + "".join(
    f"if ({attempt}) >/dev/null 2>&1; then echo '{what}=done'; else echo '{what}=refused'; fi\n"
    for what, attempt in _TRIES.items()
)


def test_a_restart_a_reload_and_a_drain_of_the_service(service: Service) -> None:
    runner = service.online("two")
    main = service.show("MainPID", unit_of(service, "two"))
    job = service.submit("two", "while [ ! -e ../../../go-on ]; do sleep 0.05; done; echo whole")
    until(lambda: service.runner("two")["phase"] == "busy")
    service.inside.say("systemctl", "restart", "runnerctl-server")
    service.inside.say("systemctl", "reload", "runnerctl-server")
    assert service.runner("two")["pid"] == runner["pid"]
    assert service.show("MainPID", unit_of(service, "two")) == main
    assert service.ask("DELETE", "/api/v1/runners/two")["code"] == "runner_busy"
    assert service.ask("DELETE", "/api/v1/runners/two?drain=true")["http"] == 202
    service.inside.shell("touch /opt/runnerctl/runners/two/go-on")
    assert service.concluded(job)["conclusion"] == "success"
    until(lambda: service.runner("two")["state"] in {"removed", "completed"})
    until(lambda: nothing_runs(service))


def test_an_install_with_other_limits_leaves_runners_alone_and_counts_for_the_next_one(service: Service) -> None:
    runner, unit = service.online("older"), unit_of(service, "older")
    main = service.show("MainPID", unit)
    service.set(RUNNERCTL_LIMITS_MEMORY_MAX="1G", RUNNERCTL_LIMITS_PROCESSES="")
    done = service.runnerctl("--output", "json", "service", "install", "--now")
    steps = [f"{each['action']} {each['target']}" for each in json.loads(done.stdout)["items"]]
    assert steps == [f"replace {TEMPLATE}", "reload units of systemd", "restart runnerctl-server.service"]
    assert (service.runner("older")["pid"], service.show("MainPID", unit)) == (runner["pid"], main)
    service.set(RUNNERCTL_STATE_DIR="/var/lib/elsewhere")
    for argv in ((), ("--backend", "process")):
        done = service.runnerctl("--output", "json", "service", "install", *argv)
        assert "1 runner still running as units of the old service" in json.loads(done.stdout)["error"]["message"]
        service.set(RUNNERCTL_STATE_DIR="")
    service.online("newer")
    assert service.show("MemoryMax", unit_of(service, "newer")) == str(1024**3)
    assert service.show("TasksMax", unit_of(service, "newer")) != "200"
    for name in ("older", "newer"):
        assert service.ask("DELETE", f"/api/v1/runners/{name}")["http"] == 200
    until(lambda: nothing_runs(service))
    assert json.loads(service.runnerctl("--output", "json", "service", "install", "--now").stdout)["items"] == []


def test_users_of_units_run_jobs_on_runners_of_both_kinds(service: Service) -> None:
    service.works_in_every_kind("unit")
    until(lambda: nothing_runs(service))


def test_what_a_job_leaves_for_the_next_start_is_gone_at_it(service: Service) -> None:
    service.set(RUNNERCTL_CLEAN="tmp")
    service.inside.say("systemctl", "restart", "runnerctl-server")
    body = {"repo": REPO, "name": "steady", "ephemeral": False, "wait": "online", "env": {"GREETING": "hello"}}
    assert service.ask("POST", "/api/v1/runners", body)["http"] == 201
    leave = "for n in .env .path .setup_info; do rm -f $n; echo LEFT=behind > $n; mv -f new $n; done"
    show = "env; cat ../../../.env; ls -ln ../../../.env"

    def said(script: str) -> str:
        job = service.submit("steady", f"{script}; true")
        assert service.concluded(job)["conclusion"] == "success", service.log(job)
        return str(service.log(job))

    said("touch /tmp/of-before /var/tmp/of-before")
    assert "of-before" not in said("ls /tmp /var/tmp")
    assert "Permission denied" in said(f"set +e; cd ../../..; touch new; {leave}")
    assert service.ask("POST", "/api/v1/runners/steady/restart")["http"] == 200
    for _ in range(2):
        shown = said(show)
        assert "GREETING=hello" in shown
        assert "behind" not in shown
    pid = service.runner("steady")["pid"]
    service.inside.say("kill", "-KILL", str(pid))
    until(
        lambda: service.runner("steady")["pid"] not in {None, pid} and service.runner("steady")["phase"] == "listening"
    )
    assert "GREETING=hello" in said(show)
    assert service.ask("DELETE", "/api/v1/runners/steady")["http"] == 200
    until(lambda: nothing_runs(service))
    service.set(RUNNERCTL_CLEAN="")
    service.inside.say("systemctl", "restart", "runnerctl-server")


def test_a_supervisor_that_is_killed_in_mid_job_takes_nothing_with_it(service: Service) -> None:
    service.online("three")
    job = service.submit("three", "while [ ! -e ../../../go-on ]; do sleep 0.05; done; echo survived")
    until(lambda: service.runner("three")["phase"] == "busy")
    service.inside.say("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit_of(service, "three"))
    service.inside.shell("touch /opt/runnerctl/runners/three/go-on")
    assert service.concluded(job)["conclusion"] == "success"
    until(lambda: service.runner("three")["state"] == "completed")
    until(lambda: nothing_runs(service))


def test_a_supervisor_that_is_killed_is_replaced_within_its_unit_which_then_drains_and_stops(service: Service) -> None:
    """Of a persistent runner nothing else would ever say that the job is over, or read what its Listener writes."""
    body = {"repo": REPO, "name": "lasting", "ephemeral": False, "wait": "online"}
    assert service.ask("POST", "/api/v1/runners", body)["http"] == 201
    unit = unit_of(service, "lasting")
    for number in range(2):
        job = service.submit("lasting", f"while [ ! -e ../../../go-{number} ]; do sleep 0.05; done")
        until(lambda: service.runner("lasting")["phase"] == "busy")
        supervisor = service.show("MainPID", unit)
        service.inside.say("systemctl", "kill", "--kill-whom=main", "--signal=KILL", unit)
        until(lambda: service.show("MainPID", unit) not in {"0", supervisor})  # noqa: B023 - within its turn
        assert service.runner("lasting")["phase"] == "busy"
        service.inside.shell(f"touch /opt/runnerctl/runners/lasting/go-{number}")
        assert service.concluded(job)["conclusion"] == "success"
        until(lambda: service.runner("lasting")["state"] == "idle")
    assert "going on" in service.inside.shell(f"cat {LIVE}/*/runner.log")
    assert service.ask("POST", "/api/v1/runners/lasting/stop")["status"] == "stopped"
    assert service.ask("DELETE", "/api/v1/runners/lasting")["http"] == 200
    until(lambda: nothing_runs(service))


def test_a_hand_back_that_was_cut_short_is_done_again(service: Service) -> None:
    """As a power cut does it: nothing runs, and the directory is still the job's."""
    service.online("four")
    unit = unit_of(service, "four")
    override = f"/run/systemd/system/{unit}.d"
    service.inside.shell(f"mkdir -p {override}; printf '[Service]\\nExecStopPost=\\n' > {override}/cut.conf")
    service.inside.say("systemctl", "daemon-reload")
    service.inside.say("systemctl", "stop", "runnerctl-server")
    service.inside.say("systemctl", "kill", "--signal=KILL", unit)
    until(lambda: service.show("ActiveState", unit) in {"inactive", "failed"})
    service.inside.shell(f"rm -rf {override} {LIVE}/*; systemctl daemon-reload; systemctl start runnerctl-server")
    until(lambda: service.runner("four")["status"] == "not_installed")
    assert service.inside.shell("ls /opt/runnerctl/runners") == ""
    until(lambda: nothing_runs(service))


def test_files_of_root_that_a_job_left_go_with_its_unit(service: Service) -> None:
    """As `docker run -v $PWD:…` leaves them: the manager may not delete them, and its server has nobody to ask."""
    service.online("five")
    work = "/opt/runnerctl/runners/five/_work/widgets/widgets"
    service.inside.shell(f"install -d {work}/built/deep /opt/runnerctl/runners/five/made; touch {work}/built/deep/file")
    service.inside.shell(f"touch {work}/built/file /opt/runnerctl/runners/five/made/file")
    service.inside.shell(
        "cd /opt/runnerctl/runners/five; chown $(stat -c %g .) _work _work/widgets _work/widgets/widgets"
    )
    removed = service.ask("DELETE", "/api/v1/runners/five")
    assert (removed["http"], removed.get("warning")) == (200, None)
    assert service.ask("GET", "/api/v1/orphans")["items"] == []
    assert service.inside.shell("ls /opt/runnerctl/runners; ls -A /opt/runnerctl/runners/.trash") == ""


def test_what_units_could_not_clear_is_cleared_by_sudo(service: Service) -> None:
    """What is the manager's own, with files of root in it, is no job's to its unit."""
    service.online("six")
    service.inside.shell("install -d /opt/runnerctl/runners/six/bin/built/deep")
    removed = service.ask("DELETE", "/api/v1/runners/six")
    (orphan,) = service.ask("GET", "/api/v1/orphans")["items"]
    assert f"`sudo runnerctl orphans clear {orphan['id']}` on the host clears it" in removed["warning"]
    assert service.inside.shell("ls /opt/runnerctl/runners") == ""
    cleared = service.runnerctl("orphans", "clear", str(orphan["id"]))
    assert cleared.returncode == 0, cleared.stderr
    assert service.ask("GET", "/api/v1/orphans")["items"] == []
    assert service.inside.shell("ls -A /opt/runnerctl/runners/.trash") == ""


# --- A manager that was taken over ---


@pytest.mark.parametrize(
    "argv",
    [
        ("set-property", "{unit}", "CPUWeight=200"),
        ("start", "runnerctl-server.service"),
        ("stop", "runnerctl-server.service"),
        ("restart", "{unit}"),
        ("start", "runnerctl-runner@..service"),
        ("mask", "{unit}"),
        ("daemon-reload",),
    ],
    ids=lambda argv: argv[0],
)
def test_the_manager_may_use_the_listed_verbs_on_runners_and_no_others(service: Service, argv: tuple[str, ...]) -> None:
    words = [word.format(unit="runnerctl-runner@abcdefghjk.service") for word in argv]
    refused = service.inside.run(*MANAGER, "systemctl", "--no-ask-password", *words)
    assert refused.returncode != 0
    assert "authentication required" in refused.stderr or "Access denied" in refused.stderr, refused.stderr


LIFE = "hostile2345"
ROOT = "/opt/runnerctl/runners/hostile"
_REQUEST = {
    "id": LIFE, "name": "hostile", "root": ROOT, "ephemeral": True, "env": {}, "restart": {}, "stop": {}, "log": {},
    "priority": {},
}  # fmt: skip
HOSTILE = {
    "a link for a request": ("ln -s /etc/shadow request.json", "Too many levels of symbolic links"),
    "a request that never ends": ("mkfifo request.json", "is not understood"),
    "another's request": ("echo '{other}' > request.json", "is not understood"),
    "a directory elsewhere": ("echo '{elsewhere}' > request.json", "names no runner"),
    "a link for a directory": (f"echo '{{own}}' > request.json; ln -s /etc {ROOT}", "Not a directory"),
    "a link for what becomes the job's": (
        f"echo '{{own}}' > request.json; mkdir {ROOT}; ln -s /etc/shadow {ROOT}/.runner", "levels of symbolic links",
    ),
    "a file of two names": (
        f"echo '{{own}}' > request.json; mkdir {ROOT}; touch {ROOT}/a; ln {ROOT}/a {ROOT}/.runner",
        "not what the manager makes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_manager_gets_nothing_handed_over(service: Service, what: str) -> None:
    script, says = HOSTILE[what]
    script = script.format(
        own=json.dumps(_REQUEST),
        other=json.dumps({**_REQUEST, "id": "somebodyelse"}),
        elsewhere=json.dumps({**_REQUEST, "name": "../../../etc"}),
    )
    run_dir = f"/var/lib/runnerctl/runners/{LIFE}"
    before = service.inside.say("stat", "-c", "%a %u:%g", "/etc", "/etc/shadow")
    prepared = service.inside.run(*MANAGER, "sh", "-ec", f"mkdir {run_dir}; cd {run_dir}; {script}")
    assert prepared.returncode == 0, prepared.stderr
    started = service.inside.run(*MANAGER, "systemctl", "--no-ask-password", "start", f"runnerctl-runner@{LIFE}")
    assert started.returncode != 0
    said = service.inside.say("journalctl", "--no-pager", "-o", "cat", "-u", f"runnerctl-runner@{LIFE}")
    assert says in said.rpartition(f"Runner {LIFE} is not started: ")[2], said
    assert "Traceback" not in said
    assert "root:" not in said
    assert service.inside.say("stat", "-c", "%a %u:%g", "/etc", "/etc/shadow") == before
    service.inside.shell(f"rm -rf {run_dir} {ROOT}")
    until(lambda: nothing_runs(service))


# --- The end ---


def test_another_backend_takes_the_runners_units_away_and_an_uninstall_the_rest(service: Service) -> None:
    service.set(RUNNERCTL_RUN_AS_GROUPS="")
    assert f"remove {RULE}" in service.steps("install", "--now")
    assert service.ask("GET", "/readyz")["backend"] == "process"
    assert service.runnerctl("service", "install", "--now").returncode == 0
    assert service.ask("GET", "/readyz")["backend"] == "systemd"
    service.steps("uninstall", "--purge", "--yes")
    assert service.there() == service.before
    assert service.steps("uninstall", "--purge", "--yes") == []
