"""Public repositories: refused unless allowed, at the cost of one call an hour; and runners whose repository became
public take no more jobs, and lose none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runnerctl import core
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.oidc.workflow_rules import Policy, parse
from runnerctl.core.domain.errors import (
    Forbidden,
    GitHubCredentials,
    GitHubNotFound,
    GitHubRateLimited,
    GitHubUnavailable,
    RunnerctlError,
)
from runnerctl.core.domain.models import RunnerSpec, Scope
from runnerctl.core.domain.states import RunnerState
from runnerctl.core.engine import routed
from runnerctl.core.engine.github_side.registration_poller import RegistrationPoller
from runnerctl.core.engine.plan import Step
from runnerctl.core.engine.sweep import Sweep, sweep
from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.clocks import JumpingClock, steps
from tests.support.hosts.host import Host, Server, create, start, stop, until

pytestmark = pytest.mark.long

REPO = "acme/widgets"
LOOK = f"/repos/{REPO}"
ALLOWED = {"RUNNERCTL_PUBLIC_REPOSITORIES": "true"}
LIMITS = TokenLimits(tenant="acme", repositories=("acme/*",), labels=("linux", "self-hosted"), persistent=True)
PUBLIC = replace(LIMITS, public_repositories=True)
HOUR = 3600


@pytest.fixture
def clock(services: Services) -> JumpingClock:
    services.clock = JumpingClock()
    return services.clock


@pytest.fixture
def allowing(host: Host) -> Iterator[Services]:
    opened = host.services(**ALLOWED)
    yield opened
    opened.close()


def looks(sandbox: Sandbox) -> int:
    """How often GitHub was asked whether the repository is public."""
    return sum(call.path == LOOK for call in sandbox.calls)


def current(services: Services, name: str) -> core.Runner:
    runner = services.store.latest(name)
    assert runner is not None
    return runner


# --- Refused ---


def test_a_public_repository_is_refused_alike_on_both_sides_and_nothing_is_left(
    host: Host, server: Server, sandbox: Sandbox
) -> None:
    sandbox.publish(REPO)
    answer = server.create("open")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert [error["field"] for error in answer.json()["errors"]] == ["repo"]
    ran = host.cli("--output", "json", "create", "open", "--repo", REPO)
    assert ran.returncode == 4
    error = json.loads(ran.stdout)["error"]
    assert (error["code"], error["message"]) == ("forbidden", answer.json()["detail"])
    assert "public_repositories" in error["hint"]
    assert (sandbox.runners(), host.roots(), host.processes()) == ([], [], [])
    assert not any("generate-jitconfig" in call.path for call in sandbox.calls)


def test_a_private_repository_costs_one_look_an_hour_for_all_processes(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    create(services, host.spec("first"))
    create(services, host.spec("second"))
    assert host.cli("create", "third", "--repo", "ACME/Widgets").returncode == 0
    assert looks(sandbox) == 1
    clock.ahead += HOUR - 60
    create(services, host.spec("fourth"))
    assert looks(sandbox) == 1
    clock.ahead += 60
    create(services, host.spec("fifth"))
    assert looks(sandbox) == 2


def test_a_clock_that_was_set_back_keeps_nothing_for_longer(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    create(services, host.spec("first"))
    clock.ahead -= 10 * HOUR
    sandbox.publish(REPO)
    with pytest.raises(Forbidden):
        create(services, host.spec("second"))


def test_many_creates_at_once_look_once(services: Services, host: Host, sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: create(services, host.spec(f"r{number}")), range(8)))
    assert looks(sandbox) == 1


def test_nobody_is_refused_for_long_because_of_old_news(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    sandbox.publish(REPO)
    for _ in range(3):
        with pytest.raises(Forbidden):
            create(services, host.spec("soon"))
    assert looks(sandbox) == 1, "a caller that insists costs no calls"
    sandbox.publish(REPO, public=False)
    clock.ahead += 61
    assert create(services, host.spec("soon")).live


TROUBLES: dict[str, tuple[dict[str, object], type[RunnerctlError]]] = {
    "not found": ({"status": 404}, GitHubNotFound),
    "forbidden": ({"status": 403}, GitHubCredentials),
    "down": ({"status": 503}, GitHubUnavailable),
    "hanging up": ({"drop": True}, GitHubUnavailable),
    "limiting": ({"rate_limit": "primary", "retry_after": 60}, GitHubRateLimited),
    "talking of something else": ({"status": 200, "body": {"name": "widgets"}}, GitHubUnavailable),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_create_that_cannot_be_told_does_not_happen(
    services: Services, host: Host, sandbox: Sandbox, trouble: str
) -> None:
    fault, error = TROUBLES[trouble]
    sandbox.add_fault(Fault(match=f"GET /.*{LOOK}$", times=None, **fault))  # type: ignore[arg-type]
    with pytest.raises(error):
        create(services, host.spec("unknown"))
    assert current(services, "unknown").state is RunnerState.FAILED
    assert (sandbox.runners(), host.roots(), host.processes()) == ([], [], [])
    sandbox.clear_faults()
    assert create(services, host.spec("unknown")).live, "what was not told is not remembered"


def test_of_an_organization_nothing_is_asked(services: Services, sandbox: Sandbox) -> None:
    create(services, RunnerSpec.of(name="org", scope=Scope.of(org="acme"), labels="linux"))
    assert not any(call.path.count("/") == 3 and call.path.startswith("/repos/") for call in sandbox.calls)


# --- Allowed ---


def test_the_setting_allows_all_and_asks_nothing(allowing: Services, host: Host, sandbox: Sandbox) -> None:
    sandbox.publish(REPO)
    assert create(allowing, host.spec("open")).live
    assert looks(sandbox) == 0


def test_a_token_allows_its_own(host: Host, server: Server, sandbox: Sandbox) -> None:
    sandbox.publish(REPO)
    made = ["token", "create", "--repo", "acme/*", "--labels", "linux"]
    refused = host.cli(*made, "plain").stdout.strip()
    allowed = host.cli(*made, "open", "--public-repositories").stdout.strip()

    def answer(token: str, name: str) -> tuple[int, str | None]:
        body = {"repo": REPO, "name": name, "labels": "linux"}
        said = server.request("POST", "/api/v1/runners", body, headers={"Authorization": f"Bearer {token}"})
        return said.status_code, said.json().get("code")

    assert answer(refused, "plain-1") == (403, "forbidden")
    assert answer(allowed, "open-1") == (201, None)
    assert looks(sandbox) == 1, "of an allowed one nothing is asked"
    tokens = {
        token["name"]: token["limits"]["public_repositories"] for token in host.cli_json("token", "list")["items"]
    }
    assert tokens == {"plain": False, "open": True}
    rotated = host.cli("token", "rotate", "open").stdout.strip()
    assert answer(rotated, "open-2") == (201, None)


@pytest.mark.parametrize("allows", [False, True])
def test_a_rule_for_workflows_allows_as_a_token_does(allows: bool) -> None:
    more = {"public_repositories": True} if allows else {}
    rules = parse(json.dumps([{"match": {"repository": REPO}, **more}]))
    policy = Policy(issuer="https://issuer", audience="us", rules=rules, labels=("linux",))
    actor = policy.actor({"repository": REPO, "exp": 1})
    assert actor is not None
    assert actor.limits is not None
    assert actor.limits.public_repositories is allows


def test_a_lost_runner_that_a_token_allowed_is_made_again_and_no_other(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    sandbox.add_fault(Fault(match="/sandbox/broker/message", delay=60, times=None))  # its Listener never hears of it
    sandbox.publish(REPO)
    allowed = create(
        services,
        host.spec("allowed", tenant="acme"),
        limits=PUBLIC,
        wait=core.Wait.ONLINE,
    )
    sandbox.publish(REPO, public=False)
    plain = create(services, host.spec("plain", tenant="acme"), limits=LIMITS, wait=core.Wait.ONLINE)
    for runner in (allowed, plain):
        assert sandbox.delete_runner(runner.github_id or 0)
    swept = []
    for _ in range(2):
        clock.ahead += 61
        if swept:
            sandbox.publish(REPO)
            clock.ahead += HOUR
        swept.append(sweep(services, RegistrationPoller(services)))
    assert [runner.name for runner in swept[-1].replaced] == ["allowed"]
    assert current(services, "allowed").may_be_public
    assert services.store.replacements() == []
    assert core.held_back(services) == []


# --- Later ---


def an_hour_later(services: Services, clock: JumpingClock) -> Sweep:
    clock.ahead += HOUR
    return sweep(services, RegistrationPoller(services))


def a_job(sandbox: Sandbox, services: Services, host: Host, name: str) -> tuple[int, Path]:
    """One that runs until a file appears."""
    go = host.top / f"go-{name}"
    job = sandbox.submit_job(REPO, [name], [{"run": f"while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: routed.working(services, current(services, name)))
    return job, go


@pytest.mark.persistent
@pytest.mark.parametrize("ephemeral", [True, False])
def test_an_idle_runner_whose_repository_became_public_is_withdrawn_and_says_so(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, ephemeral: bool
) -> None:
    runner = create(services, host.spec("idle", ephemeral=ephemeral), wait=core.Wait.ONLINE)
    sandbox.publish(REPO)
    assert steps(an_hour_later(services, clock)) == [("idle", Step.DRAIN_EXPOSED)]
    until(lambda: sweep(services) and current(services, "idle").state is RunnerState.STOPPED)
    status = core.runner_status(services, "idle")
    assert status.word == "installed_not_running"
    assert "acme/widgets has become public" in (status.degraded or "")
    assert "become public" in (current(services, "idle").reason or "")
    assert any("become public" in (event.reason or "") for event in services.store.history(runner.id))
    until(lambda: not host.processes() and not host.reapers())  # those do not know how late it is
    with pytest.raises(Forbidden):
        start(services, "idle")
    sandbox.publish(REPO, public=False)
    clock.ahead += 61
    start(services, "idle")
    sandbox.wait_runner("idle", status="online", timeout=20)
    assert "public" not in (core.runner_status(services, "idle").degraded or "")
    assert steps(sweep(services)) in ([], [("idle", Step.RECORD_STATE)])


@pytest.mark.persistent
@pytest.mark.parametrize("ephemeral", [True, False])
def test_a_job_that_runs_is_finished_and_none_comes_after_it(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, ephemeral: bool
) -> None:
    create(services, host.spec("busy", ephemeral=ephemeral), wait=core.Wait.ONLINE)
    job, go = a_job(sandbox, services, host, "busy")
    sandbox.publish(REPO)
    assert ("busy", Step.DRAIN_EXPOSED) in steps(an_hour_later(services, clock))
    status = core.runner_status(services, "busy")
    assert status.word == "running"
    assert "has become public" in (status.degraded or "")
    for _ in range(3):
        sweep(services)
    go.touch()
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    ends = RunnerState.COMPLETED if ephemeral else RunnerState.STOPPED
    until(lambda: sweep(services) and current(services, "busy").state is ends)
    late = sandbox.submit_job(REPO, ["busy"], [{"run": "true"}])
    assert sandbox.job(late).status == "queued"


def test_the_sweep_looks_once_an_hour_and_what_it_is_not_told_changes_nothing(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    for name in ("a", "b"):
        create(services, host.spec(name), wait=core.Wait.ONLINE)
    sweep(services)
    poller = RegistrationPoller(services)
    for _ in range(10):
        clock.ahead += HOUR / 5
        sweep(services, poller)
    assert looks(sandbox) == 1 + 2
    sandbox.publish(REPO)
    sandbox.add_fault(Fault(match=f"GET /.*{LOOK}$", status=403, times=None))
    assert an_hour_later(services, clock).findings == ()
    assert current(services, "a").exposed_at is None


@pytest.mark.persistent
def test_what_is_allowed_is_not_withdrawn_and_what_gets_allowed_may_start_again(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, allowing: Services
) -> None:
    create(services, host.spec("allowed", tenant="acme"), limits=PUBLIC, wait=core.Wait.ONLINE)
    create(services, host.spec("other", ephemeral=False), wait=core.Wait.ONLINE)
    sandbox.publish(REPO)
    assert steps(an_hour_later(services, clock)) == [("other", Step.DRAIN_EXPOSED)]
    until(lambda: sweep(services) and current(services, "other").state is RunnerState.STOPPED)
    assert "public" in (core.runner_status(services, "other").degraded or "")
    assert core.runner_status(allowing, "other").degraded is None
    start(allowing, "other")
    sandbox.wait_runner("other", status="online", timeout=20)
    assert current(allowing, "other").exposed_at is None


def test_what_another_process_found_out_counts_for_a_start(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock
) -> None:
    runner = create(services, host.spec("rests"), wait=core.Wait.ONLINE)
    stop(services, "rests")
    assert current(services, "rests").exposed_at is None
    sandbox.publish(REPO)
    clock.ahead += 61
    other = host.services()
    other.store.note_exposures({runner.id: clock.now()})
    other.close()
    with pytest.raises(Forbidden):
        start(services, "rests")


@pytest.mark.parametrize("command", [core.start_runner, core.restart_runner])
def test_one_that_was_found_exposed_is_asked_about_before_anything_is_begun(
    services: Services, host: Host, sandbox: Sandbox, clock: JumpingClock, command: Callable[..., core.Operation[Any]]
) -> None:
    """Whoever must not wait for GitHub hands the question on."""
    create(services, host.spec("rests"), wait=core.Wait.ONLINE)
    stop(services, "rests")
    services.store.note_exposures({current(services, "rests").id: clock.now()})
    clock.ahead += 61
    before, asked = current(services, "rests"), looks(sandbox)
    operation = command(services, "rests")
    question = operation.begin()
    assert question is not None
    assert (current(services, "rests"), looks(sandbox)) == (before, asked)
    sandbox.publish(REPO)
    with pytest.raises(Forbidden):
        question()
    assert (current(services, "rests"), looks(sandbox)) == (before, asked + 1)


@pytest.mark.persistent
def test_the_server_finds_it_out_by_itself(
    services: Services, host: Host, serve: Callable[..., Server], sandbox: Sandbox
) -> None:
    create(services, host.spec("served", ephemeral=False), wait=core.Wait.ONLINE)
    sandbox.publish(REPO)
    (host.state_dir / "tokens").unlink()  # an hour goes by
    server = serve()
    until(lambda: server.status("served")["state"] == "stopped")
    assert "acme/widgets has become public" in server.status("served")["degraded"]
    assert "runner served is to be stopped after its job by policy public repositories" in server.log.read_text()
    answer = server.request("POST", "/api/v1/runners/served/start")
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
