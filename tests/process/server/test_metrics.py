"""What /metrics tells of a played day: each act in its place, explained in the docs, and nobody named."""

from __future__ import annotations

import http.client
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest
import requests

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.exported import OPENMETRICS, Exported, documented, promtool, read, scraped
from tests.support.hosts.host import Host, Server, until
from tests.support.sandboxes.strictness import strict_sandbox

REPO = "acme/widgets"
ALLOWED, PROXY, ELSEWHERE = "127.0.0.7", "127.0.0.8", "127.0.0.9"
"""One may read metrics without a token, one's word for others counts."""
TEAMS = ("team-a", "team-b")
JOB_NAMES = ("hush-build", "hush-test")


class Day(NamedTuple):
    """What was played, and what was seen of it at its end."""

    server: Server
    host: Host
    tokens: dict[str, str]
    operator: Exported
    tenant: Exported


def issued(host: Host, name: str, *rights: Right) -> str:
    services = host.services()
    limits = TokenLimits(tenant=name, repositories=("acme/*",), name_pattern=f"{name}-*", labels=("*",))
    try:
        return issuing.issue(services, f"{name}-{secrets.token_hex(3)}", rights=rights, limits=limits)[1]
    finally:
        services.close()


def as_tenant(day_server: Server, token: str, method: str, path: str, body: object = None) -> requests.Response:
    return day_server.request(method, path, body, headers={"Authorization": f"Bearer {token}"})


def play(server: Server, host: Host, sandbox: Sandbox, tokens: dict[str, str]) -> None:
    """Two jobs, by a request and by a command; a drain, a removal by force, a create that GitHub fails, refusals."""
    body = {"repo": REPO, "name": "team-a-one", "labels": "linux", "wait": "online"}
    assert as_tenant(server, tokens["team-a"], "POST", "/api/v1/runners", body).status_code == 201
    assert host.cli("create", "by-hand", "--repo", REPO, "--wait", "online").returncode == 0
    for runner, name, step in zip(("team-a-one", "by-hand"), JOB_NAMES, ("exit 0", "exit 1"), strict=True):
        sandbox.submit_job(REPO, [runner], [{"run": step}], name=name)
    for name in ("drained", "forced"):
        assert server.create(name, wait="online").status_code == 201
    sandbox.add_fault(Fault(match="DELETE .*/actions/runners/", drop=True))  # and is asked again
    assert server.remove("drained", "?drain=true").status_code in {200, 202}
    assert server.remove("forced", "?force=true").status_code == 200
    sandbox.add_fault(Fault(match="generate-jitconfig", status=422, body={"message": "no"}))
    assert server.create("broken", wait="started").status_code == 502
    assert as_tenant(server, tokens["team-a"], "POST", "/api/v1/runners", body | {"name": "team-a-two"}).ok  # it stays
    assert requests.get(f"{server.url}/api/v1/runners", timeout=60).status_code == 401
    assert as_tenant(server, tokens["team-b"], "GET", "/api/v1/orphans").status_code == 403


def ended(server: Server) -> bool:
    told = scraped(server)
    jobs = sum(told.value("runnerctl_jobs_total", result=result) for result in ("succeeded", "failed"))
    states = sum(
        told.value("runnerctl_runners_ended_total", state=state) for state in ("completed", "removed", "failed")
    )
    return (jobs, states) == (2, 5)


@pytest.fixture(scope="module")
def day(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("day")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        environment = {"RUNNERCTL_METRICS_FROM": f"{ALLOWED},10.9.0.0/16", "RUNNERCTL_TRUSTED_PROXIES": PROXY}
        server = Server.start(host, {**environment, "RUNNERCTL_MAX_RUNNERS": "20"})
        try:
            tokens = {name: issued(host, name, *Right) for name in TEAMS}
            play(server, host, sandbox, tokens)
            until(lambda: ended(server))
            for name in TEAMS:  # whatever they cost, each has a budget that is shown
                services = host.services()
                services.store.spend(name, 7, an_hour=1000)
                services.close()
            fresh(server)
            yield Day(server, host, tokens, scraped(server), scraped(server, tokens["team-a"]))
        finally:
            server.stop()
            host.kill_everything()


def fresh(server: Server) -> None:
    """Until what is kept is told anew."""
    before = scraped(server).value("runnerctl_event_loop_lag_seconds_count")
    until(lambda: scraped(server).value("runnerctl_event_loop_lag_seconds_count") > before)


# --- Each act in its place ---

COUNTED = [
    ("runnerctl_runners_created_total", {}, 6),
    ("runnerctl_runners_ended_total", {"state": "completed"}, 2),
    ("runnerctl_runners_ended_total", {"state": "removed"}, 2),
    ("runnerctl_runners_ended_total", {"state": "failed"}, 1),
    ("runnerctl_jobs_total", {"result": "succeeded"}, 1),
    ("runnerctl_jobs_total", {"result": "failed"}, 1),
    ("runnerctl_jobs_total", {"result": "unknown"}, 0),
    ("runnerctl_job_duration_seconds_count", {"result": "failed"}, 1),
    ("runnerctl_idle_before_job_seconds_count", {}, 2),
    ("runnerctl_create_duration_seconds_count", {"result": "created"}, 4),
    ("runnerctl_create_duration_seconds_count", {"result": "failed"}, 1),
    ("runnerctl_drain_duration_seconds_count", {}, 1),
    ("runnerctl_remove_duration_seconds_count", {"how": "drain"}, 1),
    ("runnerctl_remove_duration_seconds_count", {"how": "now"}, 1),
    ("runnerctl_remove_duration_seconds_count", {"how": "gentle"}, 0),
    ("runnerctl_github_requests_total", {"operation": "generate_jitconfig", "status": "4xx"}, 1),
    ("runnerctl_github_requests_total", {"operation": "generate_jitconfig", "status": "2xx"}, 4),
    ("runnerctl_github_request_duration_seconds_count", {"operation": "generate_jitconfig"}, 5),
    ("runnerctl_github_requests_total", {"operation": "delete_runner", "status": "none"}, 1),
    ("runnerctl_github_request_duration_seconds_count", {"operation": "delete_runner"}, 3),
    ("runnerctl_engine_steps_total", {"step": "register", "result": "failed"}, 1),
    ("runnerctl_engine_steps_total", {"step": "register", "result": "done"}, 4),
    ("runnerctl_http_requests_total", {"route": "/api/v1/runners", "method": "POST", "status": "5xx"}, 1),
    ("runnerctl_refusals_total", {"code": "unauthorized"}, 1),
    ("runnerctl_refusals_total", {"code": "forbidden"}, 1),
    ("runnerctl_runners_limit", {}, 20),
    ("runnerctl_runners", {"state": "idle"}, 1),
    ("runnerctl_package_runners", {"version": "2.336.0"}, 1),
    ("runnerctl_tenant_runners", {"tenant": "team-a"}, 1),
    ("runnerctl_ready", {}, 1),
    ("runnerctl_engine_errors_total", {}, 0),
    ("runnerctl_tenant_failures_in_a_row", {"tenant": "team-a"}, 0),
]


@pytest.mark.parametrize(("name", "labels", "value"), COUNTED)
def test_each_act_is_counted_once_whoever_acted(day: Day, name: str, labels: dict[str, str], value: int) -> None:
    assert (name, frozenset(labels.items())) in day.operator.samples or value == 0
    assert day.operator.value(name, **labels) == value


@pytest.mark.parametrize(
    ("family", "least", "most"),
    [
        ("runnerctl_create_to_online_seconds", 5, 5),
        ("runnerctl_start_to_online_seconds", 5, 5),
        ("runnerctl_sweep_duration_seconds", 1, 100),
        ("runnerctl_event_loop_lag_seconds", 10, 10_000),
    ],
)
def test_durations_are_in_their_buckets(day: Day, family: str, least: int, most: int) -> None:
    told = day.operator
    count = told.value(f"{family}_count")
    assert least <= count <= most
    assert told.value(f"{family}_bucket", le="+Inf") == count
    assert 0 < told.value(f"{family}_sum") < 60 * count


def test_the_parts_of_a_host_are_read(day: Day) -> None:
    told = day.operator
    assert all(told.value("runnerctl_scrape_errors_total", **dict(labels)) == 0 for name, labels in told.samples
               if name == "runnerctl_scrape_errors_total")  # fmt: skip
    size, used, free = (
        told.value(f"runnerctl_disk_{which}_bytes", directory="state") for which in ("size", "used", "free")
    )
    assert size > used > 0
    assert size > free > 0
    assert told.value("runnerctl_github_rate_limit") > told.value("runnerctl_github_rate_limit_remaining") > 0
    assert told.value("process_cpu_seconds_total") > 0


# --- The same in the docs, and for Prometheus ---


def test_every_metric_is_explained_and_nothing_else_is(day: Day) -> None:
    told, found = documented(), day.operator.families()
    assert set(told) == set(found)
    kinds = {name: "gauge" if kind == "unknown" else kind for name, kind in day.operator.kinds.items()}
    assert {name: family.kind for name, family in told.items()} == kinds
    without = {name for name, labels in found.items() if not labels and told[name].labels}
    assert without == {"runnerctl_repository_jobs_total", "runnerctl_package_end_timestamp_seconds"}
    assert {name: set(family.labels) for name, family in told.items() if name not in without} == {
        name: labels for name, labels in found.items() if name not in without
    }


def test_both_formats_say_the_same(day: Day) -> None:
    answer = day.server.request("GET", "/metrics", headers={"Accept": f"{OPENMETRICS};version=1.0.0,text/plain;q=0.5"})
    assert answer.headers["Content-Type"] == f"{OPENMETRICS}; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("# EOF\n")
    assert set(read(answer.text, openmetrics=True).kinds) == set(day.operator.kinds)
    plain = day.server.request("GET", "/metrics", headers={"Accept": "*/*"})
    assert plain.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_the_names_are_as_prometheus_wants_them(day: Day) -> None:
    done = subprocess.run(
        [promtool(), "check", "metrics"],
        input=day.operator.text,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


# --- Who may read it, and who is named ---


def named(day: Day) -> list[str]:
    runners = [path.name for path in (day.host.state_dir / "runners").iterdir()]
    names = ["team-a-one", "team-a-two", "by-hand", "drained", "forced", "broken", *JOB_NAMES]
    return [*runners, *names, REPO, "widgets", day.host.token, *day.tokens.values()]


def test_nobody_is_named(day: Day) -> None:
    for told in (day.operator, day.tenant):
        assert [each for each in named(day) if each in told.text] == []
    assert len(day.operator.samples) < 1000


def test_a_tenant_sees_the_hosts_sums_and_of_budgets_its_own(day: Day) -> None:
    tenants = {value for label, value in day.operator.labels() if label == "tenant"}
    assert tenants == set(TEAMS)
    assert {value for label, value in day.tenant.labels() if label == "tenant"} == {"team-a"}
    assert "team-b" not in day.tenant.text
    assert day.tenant.value("runnerctl_tenant_github_calls", tenant="team-a") > 6
    assert set(day.operator.kinds) - set(day.tenant.kinds) == {"runnerctl_repository_jobs_total"}


def test_a_token_without_the_scope_is_refused(day: Day) -> None:
    for rights, status in ((set(Right) - {Right.METRICS_READ}, 403), ({Right.METRICS_READ}, 200)):
        token = issued(day.host, "team-c", *rights)
        assert as_tenant(day.server, token, "GET", "/metrics").status_code == status


def answered(server: Server, source: str, headers: Mapping[str, str], path: str = "/metrics") -> int:
    """The status of a request from that address of this machine, without a token unless one is given."""
    host, _, port = server.url.removeprefix("http://").rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=60, source_address=(source, 0))
    try:
        connection.request("GET", path, headers=dict(headers))
        return connection.getresponse().status
    finally:
        connection.close()


ASKING: list[tuple[str, dict[str, str], str, int]] = [
    (ALLOWED, {}, "/metrics", 200),
    (ELSEWHERE, {}, "/metrics", 401),
    (ALLOWED, {"Authorization": "Bearer wrong"}, "/metrics", 401),
    (ALLOWED, {"X-Forwarded-For": ALLOWED}, "/metrics", 401),
    (ALLOWED, {"Via": "1.1 somebody"}, "/metrics", 401),
    (ALLOWED, {"CF-Connecting-IP": ALLOWED}, "/metrics", 401),
    (ELSEWHERE, {"X-Forwarded-For": ALLOWED}, "/metrics", 401),
    (PROXY, {"X-Forwarded-For": ALLOWED}, "/metrics", 200),
    (PROXY, {"X-Forwarded-For": "10.9.1.1"}, "/metrics", 200),
    (PROXY, {"X-Forwarded-For": f"{ALLOWED}, 192.0.2.1"}, "/metrics", 401),
    (PROXY, {"Forwarded": f"for={ALLOWED}"}, "/metrics", 401),
    (PROXY, {}, "/metrics", 401),
    *[
        (ALLOWED, {}, path, 401)
        for path in ("/api/v1/runners", "/api/v1/whoami", "/api/v1/orphans", "/api/v1/tokens", "/metrics/")
    ],
]


def test_an_address_that_the_operator_named_needs_no_token_for_metrics_and_nothing_else(day: Day) -> None:
    """All at once: who is refused is answered late."""
    with ThreadPoolExecutor(len(ASKING)) as pool:
        found = list(pool.map(lambda each: answered(day.server, *each[:3]), ASKING))
    assert [(*each[:3], status) for each, status in zip(ASKING, found, strict=True)] == ASKING


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("HEAD", "/metrics", 200), ("POST", "/metrics", 405), ("GET", "/metrics?name=x", 400)],
)
def test_it_is_read_and_nothing_else(day: Day, method: str, path: str, status: int) -> None:
    assert day.server.request(method, path).status_code == status


def test_who_may_read_it_is_read_again_on_sighup(serve: Callable[..., Server], host: Host) -> None:
    server = serve()
    assert answered(server, ALLOWED, {}) == 401
    host.write_env_file(RUNNERCTL_METRICS_FROM=ALLOWED)
    server.signal(signal.SIGHUP)
    until(lambda: answered(server, ALLOWED, {}) == 200)


def test_at_the_unix_socket_it_needs_no_token_where_the_operator_says_so(
    serve: Callable[..., Server], host: Host
) -> None:
    serve(GITHUB_WFA_RUNNER_SERVER__BIND=f"unix:{host.top}/sock", RUNNERCTL_METRICS_FROM="unix")
    statuses = []
    for path, headers in (("/metrics", ""), ("/api/v1/runners", ""), ("/metrics", "X-Forwarded-For: 127.0.0.1\r\n")):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(f"{host.top}/sock")
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n{headers}Connection: close\r\n\r\n".encode())
            statuses.append(connection.makefile().readline().split()[1])
    assert statuses == ["200", "401", "401"]


# --- What it costs ---


def test_however_many_ask_it_is_made_once_a_second(day: Day) -> None:
    """Each text says how much processor time the server has had, so two that were made are never equal."""
    accepted = [f"{OPENMETRICS};version=1.{number % 50}.0" for number in range(200)]

    def body(accept: str) -> bytes:
        return day.server.request("GET", "/metrics", headers={"Accept": accept}).content

    began = time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        bodies = set(pool.map(body, accepted))
    assert len(bodies) <= 2 + (time.monotonic() - began)


def test_a_loop_that_is_late_says_so(day: Day) -> None:
    """Stopped for half a second, it comes to what was due that much too late."""
    late = {"le": "0.25"}

    def beyond() -> float:
        told = scraped(day.server)
        lag = "runnerctl_event_loop_lag_seconds"
        return told.value(f"{lag}_count") - told.value(f"{lag}_bucket", **late)

    before = beyond()
    day.server.signal(signal.SIGSTOP)
    time.sleep(0.6)  # it is stopped: nothing can be awaited
    day.server.signal(signal.SIGCONT)
    until(lambda: beyond() > before)
