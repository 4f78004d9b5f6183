"""Behind a proxy that wants a password, and a GitHub whose certificate is a private one: by the env file, with jobs."""

from __future__ import annotations

import base64
import os
import signal
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runnerctl.sandbox import Sandbox
from tests.support.hosts.certificates import certificate
from tests.support.hosts.host import Host, Server, until
from tests.support.misbehaving_servers import CountingProxy, Misbehaving

USER = "me:p%40ss"
CREDENTIALS = "Basic " + base64.b64encode(b"me:p@ss").decode()


@dataclass
class Network:
    """What stands between this host and GitHub; ``variables`` is how the env file says so."""

    variables: Mapping[str, str]
    asked: Callable[[], list[str]]
    """What went by it."""
    seen_by_jobs: Mapping[str, str] = field(default_factory=dict)


def proxy_with_a_password(stack: ExitStack, sandbox: Sandbox, _: Path) -> Network:
    proxy = stack.enter_context(CountingProxy(sandbox.server_url, credentials=CREDENTIALS))
    address = _with_user(proxy)
    variables = {"GITHUB_API_URL": f"http://github.invalid{_path(sandbox)}", "HTTP_PROXY": address}
    return Network(variables, lambda: proxy.asked, {"http_proxy": address, "HTTP_PROXY": address})


def private_certificate(stack: ExitStack, sandbox: Sandbox, top: Path) -> Network:
    front, cert = _tls(stack, sandbox, top)
    variables = {"GITHUB_API_URL": f"https://localhost:{front.server_port}{_path(sandbox)}"}
    return Network({**variables, "REQUESTS_CA_BUNDLE": cert}, lambda: front.asked, {"SSL_CERT_FILE": cert})


def both(stack: ExitStack, sandbox: Sandbox, top: Path) -> Network:
    front, cert = _tls(stack, sandbox, top)
    proxy = stack.enter_context(CountingProxy(front.url, credentials=CREDENTIALS))
    address = _with_user(proxy)
    variables = {
        "GITHUB_API_URL": f"https://localhost:{front.server_port}{_path(sandbox)}",
        "HTTPS_PROXY": address,
        "SSL_CERT_FILE": cert,
    }
    # One tunnel carries many calls.
    return Network(
        variables, lambda: front.asked if proxy.asked else [], {"https_proxy": address, "SSL_CERT_FILE": cert}
    )


def _with_user(proxy: Misbehaving) -> str:
    return f"http://{USER}@127.0.0.1:{proxy.server_port}"


def _path(sandbox: Sandbox) -> str:
    return "/" + sandbox.api_url.partition("://")[2].partition("/")[2]


def _tls(stack: ExitStack, sandbox: Sandbox, top: Path) -> tuple[Misbehaving, str]:
    cert, key = certificate(top, "github")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    front = CountingProxy(sandbox.server_url)
    front.socket = context.wrap_socket(front.socket, server_side=True, do_handshake_on_connect=False)
    return stack.enter_context(front), str(cert)


@pytest.fixture(params=[proxy_with_a_password, private_certificate, both], ids=lambda make: make.__name__)
def network(request: pytest.FixtureRequest, host: Host, sandbox: Sandbox) -> Iterator[Network]:
    with ExitStack() as stack:
        made: Network = request.param(stack, sandbox, host.top)
        host.write_env_file(**made.variables)
        yield made


def test_a_job_runs_and_its_runner_is_drained_by_a_server(
    network: Network, host: Host, sandbox: Sandbox, serve: Callable[..., Server]
) -> None:
    server, go_on = serve(), host.top / "go-on"
    assert server.create("r1", wait="online").status_code == 201
    script = f"env | sort; until [ -e {go_on} ]; do sleep 0.05; done"
    job = sandbox.submit_job("acme/widgets", ["r1"], [{"run": script}])
    sandbox.wait_job_started(job, timeout=30)
    until(lambda: server.status("r1")["phase"] == "busy")
    assert server.remove("r1").json()["code"] == "runner_busy"
    assert server.remove("r1", "?drain=true").status_code == 202
    go_on.touch()
    done = sandbox.wait_job(job, timeout=30)
    assert done.conclusion == "success"
    assert {f"{name}={value}" for name, value in network.seen_by_jobs.items()} <= {*done.lines}
    until(lambda: host.roots() == [])
    assert sandbox.runners() == []
    assert any("generate-jitconfig" in asked for asked in network.asked())


def test_one_that_dies_idle_loses_its_registration_without_any_server(
    network: Network, host: Host, sandbox: Sandbox
) -> None:
    ran = host.cli("create", "r1", "--repo", "acme/widgets", "--wait", "online")
    assert ran.returncode == 0, ran.stderr
    os.kill(int((host.base_dir / "r1" / "runner.pid").read_text()), signal.SIGKILL)
    until(lambda: sandbox.runners() == [])
    until(lambda: not host.reapers())
    assert any(asked.startswith("DELETE") for asked in network.asked())
