"""The service with root as its server, whose jobs have users of their own: a story, told in the order of the tests."""

from __future__ import annotations

from tests.support.hosts.host import until
from tests.support.hosts.installed import UNIT_DIR, Service

FIRST, LAST = 62001, 62002
"""No accounts: ids are enough."""


def users_of(service: Service, name: str) -> set[int]:
    """Whose the Listener is, and whatever it has started."""
    listener = service.runner(name)["pid"]
    said = service.inside.say("ps", "-o", "uid=", "-p", str(listener), "--ppid", str(listener))
    return set(map(int, said.split()))


def of_jobs(service: Service) -> str:
    """Processes and files of the jobs' users."""
    users = ",".join(map(str, range(FIRST, LAST + 1)))
    places = "/tmp /var/tmp /dev/shm /opt /var/lib /run"
    files = f"find {places} -xdev -uid +{FIRST - 1} -uid -{LAST + 1} 2>/dev/null"
    return service.inside.shell(f"ps -o pid=,args= -u {users} || true; {files} || true")


def test_an_install_for_root_makes_no_user_and_says_whose_the_jobs_are(service: Service) -> None:
    steps = service.steps("install", "--user", "root")
    assert not [step for step in steps if "user" in step or "group" in step]
    names = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY_B64", "GITHUB_API_URL", "GITHUB_SERVER_URL")
    service.set(
        **{name: service.github[name] for name in names},
        RUNNERCTL_REMOVE_SETTLE="0.2",
        RUNNERCTL_RUN_AS=f"{FIRST}-{LAST}",
    )
    assert service.steps("install", "--user", "root", "--now") == ["start runnerctl-server.service"]
    ready = service.ask("GET", "/readyz")
    assert (ready["status"], ready["backend"], ready["degraded"]) == ("ready", "process", None)


def test_no_secret_of_the_settings_is_in_a_unit_or_in_the_journal(service: Service) -> None:
    secrets = (service.token, service.github["GITHUB_APP_PRIVATE_KEY_B64"])
    shown = service.runnerctl("service", "print").stdout
    kept = service.inside.shell(f"cat {UNIT_DIR}/runnerctl*; journalctl --no-pager -o cat")
    assert not any(secret in text for secret in secrets for text in (shown, kept))
    misplaced = "ghp_" + "a1B2" * 9
    service.set(RUNNERCTL_BIND=misplaced)
    status, error = service.refusal("install", "--user", "root")
    assert (status, error["code"]) == (2, "config_invalid")
    assert error["message"].startswith("server.bind holds what looks like a secret")
    assert misplaced not in str(error) + service.inside.shell(f"cat {UNIT_DIR}/runnerctl*")
    service.set(RUNNERCTL_BIND="")


def test_jobs_have_users_of_their_own_and_go_on_through_a_restart(service: Service) -> None:
    runners = {name: service.online(name) for name in ("one", "two")}
    server = service.show("MainPID")
    secrets = "/proc/$(pgrep -of runnerctl.server)/environ /etc/runnerctl/runnerctl.env /var/lib/runnerctl/runnerctl.db"
    wait = "while [ ! -e /run/go-on ]; do sleep 0.05; done"
    script = f"id -u; {wait}; for each in {secrets}; do if cat $each; then exit 9; fi; done"
    jobs = {name: service.submit(name, script) for name in runners}
    until(lambda: all(service.runner(name)["phase"] == "busy" for name in runners))
    users = {name: users_of(service, name) for name in runners}
    assert sorted(users.values()) == [{FIRST}, {LAST}]
    service.inside.say("systemctl", "restart", "runnerctl-server")
    assert service.show("MainPID") != server
    for name, runner in runners.items():
        assert (service.runner(name)["pid"], users_of(service, name)) == (runner["pid"], users[name])
        assert service.ask("DELETE", f"/api/v1/runners/{name}")["code"] == "runner_busy"
    service.inside.say("touch", "/run/go-on")
    for name, job in jobs.items():
        assert service.concluded(job)["conclusion"] == "success"
        assert {str(user) for user in users[name]} <= set(service.log(job).split())
        until(lambda name=name: service.runner(name)["status"] == "not_installed")


def test_users_of_run_as_run_jobs_on_runners_of_both_kinds(service: Service) -> None:
    service.works_in_every_kind("of-users")
    until(lambda: of_jobs(service) == "")


def test_another_install_changes_nothing_and_the_next_job_finds_a_free_user(service: Service) -> None:
    pid = service.online("three")["pid"]
    assert service.steps("install", "--user", "root", "--now") == []
    assert service.runner("three")["pid"] == pid
    job = service.submit("three", "id -u; touch /tmp/mine /dev/shm/mine")
    assert service.concluded(job)["conclusion"] == "success"
    until(lambda: service.runner("three")["status"] == "not_installed")
    assert of_jobs(service) == ""


def test_an_uninstall_refuses_while_a_job_has_its_user_and_then_leaves_nothing(service: Service) -> None:
    service.online("four")
    assert service.refusal("uninstall", "--purge", "--yes")[1]["code"] == "invalid_transition"
    assert service.ask("DELETE", "/api/v1/runners/four")["http"] == 200
    service.steps("uninstall", "--purge", "--yes")
    assert service.there() == service.before
    assert of_jobs(service) == ""
    assert service.show("LoadState") == "not-found"
    assert service.steps("uninstall", "--purge", "--yes") == []
