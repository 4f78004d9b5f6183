"""Case C8: a tenant whose creates fail, or that asks GitHub again and again, leaves GitHub to the others."""

from __future__ import annotations

import secrets
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import requests

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.audited import audited
from tests.support.hosts.host import Host, Server, until
from tests.support.sandboxes.strictness import strict_sandbox

CREATES = 40
REFUSED = Fault(match="generate-jitconfig", status=422, times=None)
"""GitHub has something against each of them, and says so only when it is asked."""


class Place(NamedTuple):
    server: Server
    host: Host
    sandbox: Sandbox

    def token(self, tenant: str, **limits: Any) -> str:
        services = self.host.services()
        given = {"repositories": ("acme/*",), "labels": ("linux",), "name_pattern": f"{tenant}-*", "persistent": True}
        try:
            made = TokenLimits(tenant=tenant, **{**given, **limits})
            return issuing.issue(services, f"t-{secrets.token_hex(4)}", rights=tuple(Right), limits=made)[1]
        finally:
            services.close()

    def ask(self, token: str, method: str, path: str, body: Any = None) -> requests.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, f"{self.server.url}{path}", json=body, headers=headers, timeout=60)

    def create(self, token: str, name: str, **fields: Any) -> requests.Response:
        body = {"repo": "acme/widgets", "name": name, "labels": "linux", "wait": "none", **fields}
        return self.ask(token, "POST", "/api/v1/runners", body)

    def whoami(self, token: str) -> Any:
        return self.ask(token, "GET", "/api/v1/whoami").json()


@pytest.fixture
def place(archive: Path, package_dir: Path, tmp_path: Path) -> Iterator[Place]:
    with strict_sandbox(archive=archive) as sandbox:
        host = Host.make(tmp_path, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        server = Server.start(host, {})
        yield Place(server, host, sandbox)
        server.stop()
        host.kill_everything()


def asked(place: Place) -> int:
    """Calls of ours so far; what a runner asks is its own affair."""
    return sum(not call.path.startswith("/actions/") for call in place.sandbox.calls)


def codes(answers: list[requests.Response]) -> set[tuple[int, str | None]]:
    return {(answer.status_code, answer.json().get("code")) for answer in answers}


def test_a_tenant_whose_creates_fail_is_held_back_and_nobody_else(place: Place) -> None:
    place.sandbox.add_fault(REFUSED)
    token = place.token("noisy", max_runners=1)
    before, began = asked(place), time.monotonic()
    answers = [place.create(token, f"noisy-{number}") for number in range(CREATES)]
    calls, seconds = asked(place) - before, time.monotonic() - began
    print(f"{CREATES} failing creates: {calls} calls in {seconds:.1f} s")  # noqa: T201 - the cost of the attack
    assert codes(answers) == {(502, "github_refused"), (429, "too_many_requests")}
    assert calls < 40
    last = answers[-1]
    assert int(last.headers["Retry-After"]) == last.json()["retry_after"] > 0
    place.sandbox.clear_faults()
    others = place.token("quiet")
    assert place.create(others, "quiet-1").status_code == 201
    assert place.server.create("of-the-operator").status_code == 201


def test_repositories_that_are_invented_cost_no_more(place: Place) -> None:
    """Each costs several calls, for none is known: no token, no installation."""
    place.sandbox.add_fault(Fault(match="/installation", status=404, times=None))
    token = place.token("noisy", max_runners=1, repositories=("*/*",))
    before = asked(place)
    answers = [place.create(token, f"noisy-{n}", repo=f"ghosts{n}/x") for n in range(CREATES)]
    assert codes(answers) == {(502, "github_not_found"), (429, "too_many_requests")}
    assert asked(place) - before < 40


def test_neither_many_at_once_nor_a_new_server_is_a_way_around(place: Place) -> None:
    place.sandbox.add_fault(REFUSED)
    token = place.token("noisy")
    before = asked(place)
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda n: place.create(token, f"noisy-{n}"), range(16)))
    place.server.process.kill()
    place.server.process.wait()
    again = place._replace(server=Server.start(place.host, {}))
    try:
        told = again.whoami(token)["budget"]
        assert told["failed_creates"] > 4
        assert told["retry_after"] > 0
        assert codes([again.create(token, f"noisy-again-{n}") for n in range(3)]) == {(429, "too_many_requests")}
        assert asked(place) - before < 16 * 4
    finally:
        again.server.stop()


def test_a_runner_that_takes_jobs_ends_the_row(place: Place) -> None:
    token = place.token("mended")
    place.sandbox.add_fault(Fault(match="generate-jitconfig", status=422, times=3))
    for number in range(3):
        assert place.create(token, f"mended-{number}").status_code == 502
    assert place.whoami(token)["budget"]["failed_creates"] == 3
    assert place.create(token, "mended-up", wait="online").status_code == 201
    assert until(lambda: place.whoami(token)["budget"]["failed_creates"] == 0)


def test_what_the_calls_of_a_tenant_are_is_counted_shown_and_bounded(place: Place) -> None:
    """Also where no create fails: a start asks GitHub each time whether that registration is there still."""
    place.host.write_env_file(RUNNERCTL_GITHUB_CALLS="40")
    place.server.signal(signal.SIGHUP)
    token = place.token("busy")
    until(lambda: place.whoami(token)["budget"]["github_calls"] == 40)
    before = asked(place)
    assert place.create(token, "busy-1", ephemeral=False).status_code == 201
    assert place.ask(token, "POST", "/api/v1/runners/busy-1/stop?now=true").status_code == 200
    (registered,) = place.sandbox.runners()
    place.sandbox.delete_runner(registered.id)
    answers = []
    while not answers or (answers[-1].status_code != 429 and len(answers) < CREATES):
        answers.append(place.ask(token, "POST", "/api/v1/runners/busy-1/start"))
    answers += [place.ask(token, "POST", "/api/v1/runners/busy-1/start") for _ in range(5)]
    assert codes(answers) == {(409, "invalid_transition"), (429, "too_many_requests")}
    assert asked(place) - before <= 40
    assert place.whoami(token)["budget"]["left"] < 10
    assert place.create(token, "busy-2").status_code == 429
    assert place.whoami(place.server.token)["budget"] is None
    # What is to go, goes: that is nobody's attack, and leaves nothing behind.
    assert place.ask(token, "DELETE", "/api/v1/runners/busy-1?force=true").status_code == 200
    refused = [line for line in audited(place.host.state_dir) if line["result"] == "too_many_requests"]
    assert {line["action"] for line in refused} == {"runner.start", "runner.create"}
