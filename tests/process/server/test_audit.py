"""The audit log: one line for whatever was changed and whoever was refused, by both front ends, and no secret in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.core.audit import OK, Audit, AuditEntry
from runnerctl.core.domain.clock import SystemClock
from runnerctl.core.redact import MASK
from tests.support.front_ends.cli_running import cli
from tests.support.hosts.audited import GRANTED, REFUSED, audited
from tests.support.hosts.host import Host, Server, until

REPO = "acme/widgets"
FIELDS = ["time", "request_id", "actor", "source", "action", "object", "result"]
UID = f"uid:{os.getuid()}"


def deeds(host: Host, *names: str) -> list[dict[str, Any]]:
    return audited(host.state_dir, *names)


def told(host: Host) -> list[tuple[str, str, str, str]]:
    assert {deed["result"] for deed in deeds(host, GRANTED)} <= {OK}
    return [(deed["actor"].partition(" ")[0], deed["action"], deed["object"], deed["result"]) for deed in deeds(host)]


def test_whatever_is_changed_over_http_is_written_down(server: Server, host: Host) -> None:
    server.create("one", wait="online")
    server.create("one")
    server.request("POST", "/api/v1/runners/one/stop?now=true")
    server.request("POST", "/api/v1/runners/one/start")
    server.request("POST", "/api/v1/runners/one/restart")
    server.remove("one", "?force=true")
    server.remove("never")
    server.request("POST", "/api/v1/runners", {"name": "x"})
    server.request("POST", "/api/v1/runners", "no object")
    for path in ("/api/v1/runners", "/api/v1/runners/one", "/api/v1/runners/one/status", "/nowhere"):
        server.request("GET", path)
    assert told(host) == [
        ("operator", "runner.create", "one", OK),
        ("operator", "runner.create", "one", "runner_exists"),
        ("operator", "runner.stop", "one", OK),
        ("operator", "runner.start", "one", OK),
        ("operator", "runner.restart", "one", OK),
        ("operator", "runner.remove", "one", OK),
        ("operator", "runner.remove", "never", "runner_not_found"),
        ("operator", "runner.create", "x", "invalid_request"),
        ("operator", "runner.create", "", "invalid_request"),
    ]


def test_whatever_is_changed_by_command_is_written_down(host: Host) -> None:
    environment = {"RUNNERCTL_ENV_FILE": str(host.env_file)}
    for argv in (
        ("create", "one", "--repo", REPO, "--wait", "online"),
        ("create", "one", "--repo", REPO),
        ("stop", "one", "--now"),
        ("start", "one"),
        ("restart", "one"),
        ("remove", "one", "never", "--force"),
        ("reconcile",),
        ("package", "prune"),
        ("token", "create", "web", "--repo", REPO),
        ("token", "create", "web", "--repo", REPO),
        ("token", "rotate", "web"),
        ("token", "revoke", "web"),
    ):
        cli(*argv, env=environment)
    for argv in (("status",), ("list",), ("status", "one"), ("audit",), ("reconcile", "--dry-run"), ("token", "list")):
        assert cli(*argv, env=environment).status in {0, 5}
    assert told(host) == [
        (UID, "runner.create", "one", OK),
        (UID, "runner.create", "one", "runner_exists"),
        (UID, "runner.stop", "one", OK),
        (UID, "runner.start", "one", OK),
        (UID, "runner.restart", "one", OK),
        (UID, "runner.remove", "one", OK),
        (UID, "runner.remove", "never", "runner_not_found"),
        (UID, "reconcile", "host", OK),
        (UID, "package.prune", "host", OK),
        (UID, "token.create", "web", OK),
        (UID, "token.create", "web", "token_exists"),
        (UID, "token.rotate", "web", OK),
        (UID, "token.revoke", "web", OK),
    ]


def test_whoever_is_refused_is_written_down(serve: Callable[..., Server], host: Host) -> None:
    server = serve(RUNNERCTL_TRUSTED_PROXIES="127.0.0.0/8")
    services = host.services()
    limits = TokenLimits(tenant="acme", repositories=(REPO,))
    kept, token = issuing.issue(services, "reader", rights=[Right.RUNNERS_READ], limits=limits)
    forwarded = {"X-Forwarded-For": "192.0.2.7"}

    def ask(token: str, method: str = "GET", path: str = "/api/v1/runners") -> requests.Response:
        headers = {**forwarded, "Authorization": f"Bearer {token}"}
        return requests.request(method, f"{server.url}{path}", headers=headers, timeout=10)

    refused = [ask("wrong"), ask(token, path="/api/v1/runners/one/logs"), ask(token, "DELETE", "/api/v1/runners/one")]
    issuing.revoke(services, kept.id)
    refused.append(ask(token))
    services.close()
    assert [(deed["request_id"], deed["source"]) for deed in deeds(host)] == [
        (answer.headers["X-Request-Id"], "192.0.2.7") for answer in refused
    ]
    actor = f"token:{kept.id}"
    assert told(host) == [
        ("nobody", "GET /api/v1/runners", "", "unauthorized"),
        (actor, "GET /api/v1/runners/one/logs", "one", "forbidden"),
        (actor, "runner.remove", "one", "forbidden"),
        (actor, "GET /api/v1/runners", "", "unauthorized"),
    ]
    assert "login from 192.0.2.7 refused" in server.log.read_text()


def test_the_log_is_its_owners_and_each_line_is_whole(server: Server, host: Host) -> None:
    server.remove("never\N{SNOWMAN}")
    server.remove("never")
    path = host.state_dir / REFUSED
    assert oct(path.stat().st_mode & 0o777) == "0o600"
    assert [list(deed) for deed in deeds(host)] == [FIELDS] * 2


def an_audit(path: Path, *, max_bytes: int = 10**6, files: int = 3) -> Audit:
    return Audit(path=path, clock=SystemClock(), max_bytes=max_bytes, files=files)


def a_deed(number: int = 0, **fields: str) -> AuditEntry:
    return AuditEntry(
        **{"actor": "operator", "source": "local", "action": "test", "object": f"{number}", "result": OK, **fields}
    )


SECRETS = {
    "installation token": "ghs_" + "a1" * 18,
    "personal token": "ghp_" + "a1" * 18,
    "fine-grained token": "github_pat_" + "a1" * 20,
    "JWT": "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiIxMjM0NTYifQ.c2lnbmF0dXJl",
    "API token": "rctl_" + "a1" * 24,
    "header": "Bearer hunter2hunter2",
    "PEM": "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("field", ["actor", "source", "action", "object", "result", "request_id"])
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_no_secret_is_written_in_any_field(tmp_path: Path, secret: str, field: str) -> None:
    an_audit(tmp_path / "audit.log").write(a_deed(**{field: f"x {secret} y"}))
    line = (tmp_path / (REFUSED if field == "result" else GRANTED)).read_text()
    assert MASK in json.loads(line)[field]
    assert secret.rsplit(maxsplit=1)[-1][:20] not in line


def test_a_secret_that_a_long_field_cuts_is_masked_too(tmp_path: Path) -> None:
    an_audit(tmp_path / "audit.log").write(a_deed(object="x" * 245 + SECRETS["API token"] + "x" * 70_000))
    line = (tmp_path / "audit.log").read_text()
    assert "rctl_" not in line
    assert len(line) < 1000


def test_it_is_rotated_by_size_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "audit.log"
    audit = an_audit(path, max_bytes=1000)
    for number in range(60):
        audit.write(a_deed(number))
    kept = [path.with_name("audit.log.2"), path.with_name("audit.log.1"), path]
    numbers = [
        int(json.loads(line)["object"]) for file in kept if file.exists() for line in file.read_text().splitlines()
    ]
    assert numbers == list(range(numbers[0], 60))
    assert all(file.stat().st_size < 1200 for file in kept)
    assert sorted(each.name for each in tmp_path.glob("audit.log*")) in (
        ["audit.log", "audit.log.1", "audit.log.2"],
        ["audit.log.1", "audit.log.2"],
    )


def test_writers_at_once_lose_no_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    audit = an_audit(tmp_path / "audit.log", max_bytes=4000, files=100)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: audit.write(a_deed(number)), range(800)))
    assert caplog.messages == []
    lines = [line for file in tmp_path.glob("audit.log*") for line in file.read_text().splitlines()]
    assert sorted(int(json.loads(line)["object"]) for line in lines) == list(range(800))
    assert len(list(tmp_path.glob("audit.log*"))) > 3


def test_a_log_that_cannot_be_written_fails_nobody(server: Server, host: Host) -> None:
    for name in (GRANTED, REFUSED):
        (host.state_dir / name).mkdir()
    assert server.remove("never").status_code == 404
    assert "audit log" in server.log.read_text()
    assert server.create("one").status_code == 201


def test_audit_shows_the_last_and_follows_through_a_rotation(host: Host) -> None:
    host.settings()
    audit = host.services().audit
    for number in range(5):
        audit.write(a_deed(number))
    shown = host.cli("audit", "-n", "2").stdout.splitlines()
    assert shown[0].split("\t") == ["TIME", "ACTOR", "SOURCE", "ACTION", "OBJECT", "RESULT", "REQUEST_ID"]
    assert [line.split("\t")[4] for line in shown[1:]] == ["3", "4"]
    assert [deed["object"] for deed in host.cli_json("audit")["items"]] == list("01234")
    assert host.cli("audit", "-f", "-o", "json").returncode == 2
    following = subprocess.Popen(
        [sys.executable, "-m", "runnerctl", "audit", "-f", "-n", "0"],
        env=host.environment(),
        stdout=subprocess.PIPE,
        text=True,
    )
    seen: list[str] = []
    assert following.stdout is not None
    reading = threading.Thread(target=lambda: seen.extend(following.stdout or ()))
    reading.start()
    try:
        audit.write(a_deed(6))
        until(lambda: _poked(audit, seen))
        audit.path.rename(audit.path.with_name("audit.log.1"))
        audit.write(a_deed(7))
        until(lambda: any("\t7\t" in line for line in seen))
    finally:
        following.terminate()
        following.wait(timeout=10)
        reading.join(timeout=10)
        following.stdout.close()


def _poked(audit: Audit, seen: list[str]) -> bool:
    """It may have begun to follow after the first line was written."""
    audit.write(a_deed(6))
    return any("\t6\t" in line for line in seen)


# --- What strangers are refused ---


def refuse(server: Server, times: int, *, path: str, token: str = "wrong") -> set[int]:
    def ask(_: int) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return requests.get(f"{server.url}{path}", headers=headers, timeout=60).status_code

    with ThreadPoolExecutor(50) as pool:
        return set(pool.map(ask, range(times)))


def test_what_strangers_are_refused_is_counted_and_pushes_out_nothing(serve: Callable[..., Server], host: Host) -> None:
    """100 paths of 3 KB, and an audit log that 40 lines fill: one by one they would rotate all of it away."""
    host.write_env_file(RUNNERCTL_AUDIT_SIZE="10K", RUNNERCTL_AUDIT_FILES="2")
    server = serve()
    server.create("granted")
    assert refuse(server, 100, path="/" + "x" * 3000) == {401}
    assert refuse(server, 50, path="/api/v1/runners/granted") == {401}
    server.stop()  # the rest is summed up
    assert [(deed["action"], deed["object"]) for deed in deeds(host, GRANTED)] == [("runner.create", "granted")]
    refused = deeds(host, REFUSED)
    assert len(refused) < 50
    more = sum(int(deed["object"].split()[0]) for deed in refused if deed["action"] == "refused")
    assert sum(deed["action"] != "refused" for deed in refused) + more == 150
    assert "more requests of loopback were refused" in server.log.read_text()
    assert server.log.stat().st_size < 100_000


def test_a_tenants_refusals_do_not_either_and_those_of_others_are_told_still(
    serve: Callable[..., Server], host: Host
) -> None:
    services = host.services()
    tokens = {
        name: issuing.issue(
            services, name, rights=list(Right), limits=TokenLimits(tenant=name, repositories=("acme/*",))
        )[1]
        for name in ("noisy", "quiet")
    }
    services.close()
    server = serve()
    assert refuse(server, 200, path="/api/v1/runners/never", token=tokens["noisy"]) == {404}
    with ThreadPoolExecutor(16) as pool:
        asked = pool.map(
            lambda number: (
                requests.delete(
                    f"{server.url}/api/v1/runners/no-{number}",
                    headers={"Authorization": f"Bearer {tokens['noisy']}"},
                    timeout=60,
                ).status_code
            ),
            range(100),
        )
        assert set(asked) == {404}
    server.token = tokens["quiet"]
    assert server.remove("mine").status_code == 404
    server.stop()
    assert deeds(host, GRANTED) == []
    assert "mine" in [deed["object"] for deed in deeds(host, REFUSED)]
    assert len(deeds(host, REFUSED)) < 40


def test_what_was_so_already_is_no_granted_act(server: Server, host: Host) -> None:
    """A tenant may ask for it as often as its rate allows, and nothing happens: it must not push out what did."""
    server.create("once")
    for _ in range(3):
        assert server.remove("once", "?force=true").status_code == 200
    assert [deed["action"] for deed in deeds(host, GRANTED)] == ["runner.create", "runner.remove"]
    assert [(deed["action"], deed["result"]) for deed in deeds(host, REFUSED)] == [("runner.remove", OK)] * 2


def test_each_file_is_rotated_by_itself(tmp_path: Path) -> None:
    audit = an_audit(tmp_path / GRANTED, max_bytes=1000)
    audit.write(a_deed(1))
    for number in range(60):
        audit.write(a_deed(number, result="unauthorized"))
    assert len(list(tmp_path.glob(f"{REFUSED}.*"))) == 2
    assert [json.loads(line)["object"] for line in (tmp_path / GRANTED).read_text().splitlines()] == ["1"]
