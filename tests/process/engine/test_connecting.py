"""A Listener that cannot reach GitHub is shown with its reason until it is back."""

from __future__ import annotations

from runnerctl.core.services import Services
from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, Server, create, until

SESSION = "POST .*/session"
QUICK = {"STANDIN_PACE": "0.02"}
"""It tries again each 0.6 s."""


def test_status_list_and_http_show_it_with_the_reason_until_it_is_back(
    services: Services, host: Host, sandbox: Sandbox, server: Server
) -> None:
    sandbox.add_fault(Fault(match=SESSION, status=503, times=None))
    create(services, host.spec("r", env=QUICK))
    status = until(lambda: (seen := host.cli_json("status", "r"))["state"] == "connecting" and seen)
    assert (status["status"], status["phase"]) == ("running", "connecting")
    assert "Runner connect error: " in status["reason"]
    assert "ServiceUnavailable" in status["reason"]
    assert status["reason"].endswith("(told by its Listener's output)")
    (listed,) = host.cli_json("list")["items"]
    assert (listed["state"], listed["reason"]) == ("connecting", status["reason"])
    assert "connecting" in host.cli("list").stdout
    assert host.cli_json("status")["states"] == {"connecting": 1}
    over_http = server.status("r")
    assert (over_http["state"], over_http["reason"]) == ("connecting", status["reason"])
    (row,) = services.store.live()
    assert row.state == "starting", "no row says what a line alone says"
    sandbox.clear_faults()
    until(lambda: server.status("r")["state"] == "idle")
    assert (server.status("r")["phase"], server.status("r")["reason"]) == ("listening", None)


def test_a_proxy_that_refuses_the_runner_is_named_without_its_password(host: Host, sandbox: Sandbox) -> None:
    """A loopback address is reached directly, by the real one too: what a proxy answers is answered there."""
    proxied = Services.open(host.settings(HTTPS_PROXY="http://me:hunter2@proxy.example:3128"))
    sandbox.add_fault(Fault(match=SESSION, status=407, times=None))
    create(proxied, host.spec("r", env=QUICK))
    status = until(lambda: (seen := host.cli_json("status", "r"))["state"] == "connecting" and seen)
    assert status["reason"].startswith("The proxy proxy.example:3128 refuses the user and password (407)")
    assert "set them in HTTPS_PROXY" in status["reason"]
    assert "hunter2" not in str(status) + host.cli("logs", "r").stdout
    proxied.close()


def test_a_wait_for_online_that_runs_out_says_why(host: Host, sandbox: Sandbox) -> None:
    sandbox.add_fault(Fault(match=SESSION, status=503, times=None))
    ran = host.cli("create", "r", "--repo", "acme/widgets", "--wait", "online", "--timeout", "2s")
    assert ran.returncode == 7
    assert "Runner connect error: " in ran.stderr
