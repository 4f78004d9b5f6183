"""Programs that know nothing but the API's description: one that tries to prove it wrong, and a client made of it."""

from __future__ import annotations

import importlib
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runnerctl.core.access import issuing
from runnerctl.core.access.grants import TokenLimits
from runnerctl.core.access.policy import Right
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, until
from tests.support.places import REPOSITORY
from tests.support.sandboxes.strictness import strict_sandbox

pytestmark = pytest.mark.long

CASES = int(os.environ.get("FUZZ_API", "0"))
"""For each operation, others in each run; beside those that the description itself gives rise to: 600 in all."""
SUPPORT = REPOSITORY / "tests" / "support" / "front_ends"
SETTINGS = SUPPORT / "schemathesis.toml"
HOOKS = "tests.support.front_ends.schemathesis_hooks"
"""For schemathesis alone: it changes how `requests` sends."""
LIMITS = TokenLimits(tenant="games", repositories=("*/*",), organizations=("*",), labels=("*",), persistent=True)


@pytest.fixture
def roomy(archive: Path, package_dir: Path, tmp_path: Path) -> Iterator[tuple[Server, Host]]:
    """A server that has room for few runners, and for thousands of requests a minute."""
    with strict_sandbox(archive=archive) as sandbox:
        host = Host.make(tmp_path, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        host.write_env_file(
            RUNNERCTL_MAX_RUNNERS="3",
            GITHUB_WFA_RUNNER_SERVER__RATE_LIMIT="1000000",
            GITHUB_WFA_RUNNER_SERVER__GITHUB_CALLS="1000000",
            GITHUB_WFA_RUNNER_SERVER__TRUSTED_PROXIES="127.0.0.1",
        )
        server = Server.start(host, {})
        yield server, host
        server.stop()
        host.kill_everything()
        assert "Traceback" not in server.log.read_text()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("caller", ["the operator", "a tenant"])
def test_nothing_that_the_description_allows_or_forbids_proves_it_wrong(
    roomy: tuple[Server, Host], caller: str, tmp_path: Path
) -> None:
    """All of schemathesis' checks: statuses, schemas, headers, what must be refused and what must not, and whose."""
    server, host = roomy
    found = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(SETTINGS), "run"),
            f"{server.url}/api/v1/openapi.json",
            *("-H", f"Authorization: Bearer {server.token if caller == 'the operator' else tenants(host)}"),
            *("--checks", "all", "--phases", "examples,coverage,fuzzing", "--max-examples", str(CASES or 1)),
            *(() if CASES else ("--seed", "1")),
            # A start is waited for ten seconds; so long is a session kept from a Listener that was killed.
            *("--request-timeout", "60", "--max-response-time", "30"),
            *("--continue-on-failure", "--no-color"),
        ],
        env={**host.environment(), "SCHEMATHESIS_HOOKS": HOOKS, "PYTHONPATH": str(REPOSITORY)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=3600,
        check=False,
    )
    sys.stdout.write(found.stdout[-20_000:])
    assert found.returncode == 0, found.stderr[-2000:]


def tenants(host: Host) -> str:
    """It may do all but revoke itself."""
    services = host.services()
    rights = [right for right in Right if right is not Right.TOKENS_ADMIN]
    _, token = issuing.issue(services, "fuzzer", rights=rights, limits=LIMITS)
    services.close()
    return token


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A client, made of nothing but the description by openapi-python-client."""
    top = tmp_path_factory.mktemp("client")
    (top / "openapi.json").write_bytes(described_bytes())
    (top / "settings.yaml").write_text("post_hooks: []\n")
    made = subprocess.run(
        [
            *(sys.executable, "-m", "openapi_python_client", "generate", "--path", str(top / "openapi.json")),
            *("--meta", "none", "--output-path", str(top / "generated_client"), "--config", str(top / "settings.yaml")),
            "--fail-on-warning",
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(top))
    yield importlib.import_module("generated_client")
    sys.path.remove(str(top))


def described_bytes() -> bytes:
    from runnerctl.server.app import ROUTES
    from runnerctl.server.description.document import encoded_description

    return encoded_description(ROUTES)


@pytest.fixture
def client(generated: Any, server: Server) -> Iterator[Any]:
    with generated.AuthenticatedClient(base_url=server.url, token=server.token) as made:
        yield made


def test_a_client_made_of_the_description_makes_a_runner_waits_reads_and_removes_it(
    client: Any, sandbox: Sandbox
) -> None:
    def call(tag: str, name: str, *args: Any, **kwargs: Any) -> Any:
        return importlib.import_module(f"generated_client.api.{tag}.{name}").sync(*args, client=client, **kwargs)

    models = importlib.import_module("generated_client.models")
    wanted = models.CreateBody(name="made", repo="acme/widgets", labels=["linux"], wait=models.CreateBodyWait.ONLINE)
    made = call("runners", "runner_create", body=wanted)
    assert (made.status, made.labels) == ("started", ["linux", "made"])
    taken = call("runners", "runner_create", body=wanted)
    assert (taken.status, taken.code) == (409, "runner_exists")

    job = sandbox.submit_job("acme/widgets", ["made"], [{"run": "true"}], name="build")
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
    shown = until(lambda: (seen := call("runners", "runner_show", "made")).state == "completed" and seen)
    assert (shown.history[0].to, shown.history[-1].to) == ("pending", "completed")
    assert call("runners", "runner_status", "made").status == "not_installed"
    assert call("runners", "runner_status", "never").pid is None
    (ran,) = call("jobs", "job_list", runner="made").items
    assert (ran.name, ran.result, ran.told_by.result) == ("build", "succeeded", "listener")
    assert "Running job: build" in call("logs", "runner_logs", "made", tail=100)

    again = call("runners", "runner_create", body=wanted)
    assert again.id != made.id
    removed = call("runners", "runner_remove", "made", body=models.RemoveBody(), force=True)
    assert (removed.status, removed.name) == ("removed", "made")
    (gone,) = call("runners", "runner_list", state=models.RunnerState.REMOVED).items
    assert gone.id == again.id
