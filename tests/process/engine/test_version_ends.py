"""Versions that end: GitHub is asked seldom, it is said ahead, and runners get the newer one while they are idle."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.models import Runner
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.github_side import breaker, packages, renewal, rolling, version_ends
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.sweep import sweep
from runnerctl.core.housekeeping import packaging
from runnerctl.core.packages.releases import platform_of_machine
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from runnerctl.standin.archive import build_archive
from tests.support.hosts.clocks import JumpingClock
from tests.support.hosts.host import Host, Server, create, until

pytestmark = pytest.mark.long

DAY = 86400.0
OLD, NEW = "2.336.0", "2.337.0"
QUESTION = "/deprecations/"


@pytest.fixture(scope="session")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_archive(tmp_path_factory.mktemp("newer") / "actions-runner.tar.gz", version=NEW)


@pytest.fixture
def clock(services: Services) -> JumpingClock:
    services.clock = JumpingClock()
    return services.clock


@pytest.fixture
def aging(services: Services, host: Host, sandbox: Sandbox, newer: Path) -> list[Runner]:
    """Three that listen; their version has ten days left, and a newer one is offered."""
    made = [create(services, host.spec(name), wait=core.Wait.ONLINE) for name in ("a", "b", "c")]
    swept(services)  # what is seen of them is written down
    sandbox.end_version(OLD, runtime=time.time() + 10.5 * DAY)
    sandbox.add_release(NEW, newer)
    for remembered in ("releases.json", "version-ends.json"):
        (host.state_dir / remembered).unlink()
    return made


def swept(services: Services) -> None:
    sweep(services, RegistrationPoller(services))


def versions(services: Services) -> dict[str, str]:
    return {runner.name: runner.version for runner in services.store.live()}


def questions(sandbox: Sandbox) -> list[str]:
    return [call.path for call in sandbox.calls if QUESTION in call.path]


def all_online(services: Services) -> bool:
    return all(routed.observe(services, runner).phase == "listening" for runner in services.store.live())


def test_one_after_the_other_gets_the_newer_version_and_keeps_its_registration(
    services: Services, sandbox: Sandbox, aging: list[Runner]
) -> None:
    registered = {runner.id for runner in sandbox.runners()}
    counts = []
    while "2.336.0" in versions(services).values():
        swept(services)
        until(lambda: all_online(services))
        counts.append(list(versions(services).values()).count(NEW))
        assert len(counts) < 20
    assert set(range(1, 4)) <= set(counts), "they are renewed one by one"
    assert {runner.id for runner in sandbox.runners()} == registered
    (reason,) = {event.reason for event in services.store.history(aging[0].id) if "Updated" in str(event.reason)}
    assert reason == f"Updated from {OLD} to {NEW}: the older ends soon"
    job = sandbox.submit_job("acme/widgets", ["a"], [{"run": "true"}])
    assert sandbox.wait_job(job).conclusion == "success"


def test_github_is_asked_once_for_a_scope_and_version_however_many_runners_there_are(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    for name in ("a", "b", "c"):
        create(services, host.spec(name))
    for _ in range(3):
        version_ends.refresh(services, services.store.live())
    assert len(questions(sandbox)) == 1
    other = Services.open(host.settings())  # another process of this host
    version_ends.refresh(other, other.store.live())
    other.close()
    assert len(questions(sandbox)) == 1
    clock.ahead += 6 * 3600 + 1
    version_ends.refresh(services, services.store.live())
    assert len(questions(sandbox)) == 2


def test_a_runner_that_works_is_left_alone_while_there_is_time(
    services: Services, sandbox: Sandbox, aging: list[Runner], tmp_path: Path
) -> None:
    let_go = tmp_path / "go"
    wait_for_it = f"while [ ! -e {let_go} ]; do sleep 0.1; done"
    jobs = [sandbox.submit_job("acme/widgets", [name], [{"run": wait_for_it}]) for name in ("a", "b", "c")]
    for job in jobs:
        sandbox.wait_job_started(job)
    until(lambda: all(routed.observe(services, runner).phase == "busy" for runner in services.store.live()))
    for _ in range(3):
        swept(services)
    assert set(versions(services).values()) == {OLD}
    assert all(runner.desired == "running" and runner.wanted_by != "policy renewal" for runner in services.store.live())
    let_go.touch()
    assert {sandbox.wait_job(job).conclusion for job in jobs} == {"success"}


def test_a_newer_version_that_does_not_come_online_stops_at_the_first_runner(
    services: Services, aging: list[Runner]
) -> None:
    swept(services)
    until(lambda: NEW in versions(services).values())
    first = next(runner for runner in services.store.live() if runner.version == NEW)
    stuck = first._replace(state=RunnerState.STARTING, started_wants=first.wants, wanted_at=0.0)
    others = [runner for runner in services.store.live() if runner.id != first.id]
    assert rolling.renew_ahead(services, [stuck, *others]) == []
    assert rolling.renew_ahead(services, [stuck._replace(state=RunnerState.IDLE), *others]) != []


def test_a_package_that_cannot_be_fetched_stops_nobody(
    services: Services, sandbox: Sandbox, clock: JumpingClock, aging: list[Runner]
) -> None:
    if there := services.packages.ready(NEW, platform_of_machine()):  # of another test
        services.packages.remove(there, used=lambda: False)
    sandbox.add_fault(Fault(match="GET /sandbox/downloads", status=500, times=None))
    before = {runner.id: routed.observe(services, runner).pid for runner in aging}
    for _ in range(3):
        swept(services)
    assert {runner.id: routed.observe(services, runner).pid for runner in aging} == before
    assert breaker.held_back(services) == [], "what a command asks for is not held back by it"
    sandbox.clear_faults()
    clock.ahead += 700
    swept(services)
    until(lambda: NEW in versions(services).values())


def test_a_version_that_the_settings_name_is_kept(host: Host, sandbox: Sandbox, newer: Path) -> None:
    pinned = Services.open(host.settings(GITHUB_WFA_RUNNER_DEFAULTS__VERSION=OLD))
    create(pinned, host.spec("a", version=OLD), wait=core.Wait.ONLINE)
    sandbox.end_version(OLD, runtime=time.time() + 3 * DAY)
    sandbox.add_release(NEW, newer)
    for _ in range(3):
        swept(pinned)
    assert versions(pinned) == {"a": OLD}
    assert core.runner_status(pinned, "a").degraded is not None
    pinned.close()


@pytest.mark.persistent
def test_a_persistent_one_is_renewed_by_its_server_after_its_job(
    services: Services, host: Host, sandbox: Sandbox, newer: Path, serve: Callable[..., Server]
) -> None:
    """Two days before the end it is told so in the midst of its job, which is finished first."""
    runner = create(services, host.spec("r", ephemeral=False), wait=core.Wait.ONLINE)
    let_go = host.top / "go"
    job = sandbox.submit_job("acme/widgets", ["r"], [{"run": f"while [ ! -e {let_go} ]; do sleep 0.1; done"}])
    sandbox.wait_job_started(job)
    sandbox.end_version(OLD, runtime=time.time() + 2.5 * DAY)
    sandbox.add_release(NEW, newer)
    (host.state_dir / "releases.json").unlink(missing_ok=True)
    server = serve()
    until(lambda: services.store.live()[0].wanted_by == "policy renewal", seconds=60)
    assert server.status("r")["state"] in {"busy", "stopping"}
    let_go.touch()
    assert sandbox.wait_job(job).conclusion == "success"
    until(lambda: server.status("r")["package"]["version"] == NEW and server.status("r")["state"] == "idle", seconds=60)
    assert [each.id for each in sandbox.runners()] == [runner.github_id]
    again = sandbox.submit_job("acme/widgets", ["r"], [{"run": "true"}])
    assert sandbox.wait_job(again).conclusion == "success"


# -- what is said


def test_status_package_list_and_doctor_say_how_long_a_version_does(
    services: Services, host: Host, aging: list[Runner]
) -> None:
    version_ends.refresh(services, aging)
    packages.hear_offer(services, aging[0].scope)
    until_text = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 10.5 * DAY))
    status = host.cli_json("status", "c")
    assert status["package"]["version"] == OLD
    assert (status["package"]["days_left"], status["package"]["told_by"]) == (10, "github")
    assert status["package"]["runtime_deprecates_at"].startswith(until_text)
    assert f"no more jobs to runners of version {OLD} from {until_text} on, in 10 days" in status["degraded"]
    assert f"{OLD}, jobs until {until_text} (10 days left)" in host.cli("status", "c").stdout
    (package,) = [each for each in host.cli_json("package", "list")["items"] if each["version"] == OLD]
    assert (package["days_left"], package["newer"]) == (10, NEW)
    assert f"{until_text} (10d)" in host.cli("package", "list").stdout
    found = [each for each in host.cli_json("doctor", "--offline")["items"] if each["check"] == "versions"]
    assert [each["level"] for each in found] == ["warning"]
    assert f"acme/widgets: GitHub gives no more jobs to runners of version {OLD}" in found[0]["message"]
    assert "reconcile" in found[0]["hint"]


def test_doctor_asks_for_what_is_not_known_and_says_that_a_version_has_no_end(
    services: Services, host: Host, sandbox: Sandbox
) -> None:
    create(services, host.spec("a"))
    assert host.cli("doctor", "--offline").returncode == 0
    assert questions(sandbox) == []
    found = [each for each in host.cli_json("doctor")["items"] if each["check"] == "versions"]
    assert len(questions(sandbox)) == 1
    assert [(each["level"], each["message"]) for each in found] == [("ok", f"acme/widgets: runner {OLD}")]


@pytest.mark.parametrize("answer", ["no such call", "no such permission"])
def test_where_github_does_not_tell_the_packages_age_counts(
    services: Services, host: Host, sandbox: Sandbox, newer: Path, answer: str
) -> None:
    """An Enterprise Server answers 404; a permission that is missing is no end of a version."""
    create(services, host.spec("a", version=OLD), wait=core.Wait.ONLINE)
    if answer == "no such call":
        sandbox.deprecations = False
    else:
        sandbox.add_fault(Fault(match=QUESTION, status=403, body={"message": "Resource not accessible"}, times=None))
    sandbox.add_release(NEW, newer)
    (package,) = [facts.package for facts in packaging.describe(services) if facts.package.version == OLD]
    manifest = package.path.with_name(f".{package.path.name}.manifest.json")
    os.utime(manifest)
    (host.state_dir / "releases.json").unlink(missing_ok=True)
    version_ends.refresh(services, services.store.live())
    assert core.runner_status(services, "a").degraded == services.backend.degraded
    age = time.time() - 20 * DAY
    os.utime(manifest, (age, age))
    status = core.runner_status(services, "a")
    assert status.version is not None
    assert (status.version.told_by, status.version.days_left(status.now)) == ("age", 9)
    assert f"Runner {OLD} was unpacked 20 days ago and GitHub offers {NEW}" in str(status.degraded)


def test_a_github_that_does_not_answer_is_asked_again_later_and_what_was_told_stays(
    services: Services, sandbox: Sandbox, clock: JumpingClock, aging: list[Runner]
) -> None:
    version_ends.refresh(services, services.store.live())
    sandbox.add_fault(Fault(match=QUESTION, status=503, times=None))
    clock.ahead += 6 * 3600 + 1
    version_ends.refresh(services, services.store.live())
    asked = len(questions(sandbox))
    version_ends.refresh(services, services.store.live())
    assert len(questions(sandbox)) == asked
    end = version_ends.end_of_runner(services, aging[0])
    assert end is not None
    assert end.days_left(services.clock.now()) == 10


def test_a_server_says_it_in_its_log_once_and_shows_it_over_http(
    services: Services, host: Host, sandbox: Sandbox, server: Server
) -> None:
    assert server.create("a").status_code == 201
    sandbox.end_version(OLD, runtime=time.time() + 2.5 * DAY)
    (host.state_dir / "version-ends.json").unlink(missing_ok=True)
    until(lambda: server.status("a")["package"]["days_left"] == 2, seconds=40)
    assert "in 2 days; no newer one is known to be offered" in server.status("a")["degraded"]
    said = f"acme/widgets: GitHub gives no more jobs to runners of version {OLD}"
    until(lambda: said in server.log.read_text())
    assert server.log.read_text().count(said) == 1
    listed = server.request("GET", "/api/v1/runners").json()["items"]
    assert [each["package"]["days_left"] for each in listed] == [2]


def test_the_outage_of_a_github_that_calls_its_newest_version_too_old_is_told_apart_from_an_end(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    create(services, host.spec("r", version=OLD), wait=core.Wait.ONLINE)
    version_ends.refresh(services, services.store.live())
    runner = services.store.live()[0]
    assert "no date of its end has passed, so this counts as an outage at GitHub" in str(
        renewal.newer_package(services, runner)
    )
    ended = time.time() - DAY
    (host.state_dir / "version-ends.json").unlink()
    sandbox.end_version(OLD, runtime=ended)
    version_ends.refresh(services, services.store.live())
    assert f"ended on {time.strftime('%Y-%m-%d', time.gmtime(ended))}" in str(renewal.newer_package(services, runner))
