"""A tenant chooses no version of the runner that would have to be fetched for it: each takes room on the disk."""

from __future__ import annotations

from collections.abc import Callable

from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server


def tenant(host: Host) -> dict[str, str]:
    limits = ("--repo", "acme/*", "--labels", "*", "--name-pattern", "*", "--expires", "1h")
    return {"Authorization": f"Bearer {host.cli_json('token', 'create', 'a', *limits)['token']}"}


def test_a_tenant_gets_what_is_here_and_has_nothing_else_fetched(server: Server, host: Host, sandbox: Sandbox) -> None:
    headers = tenant(host)
    assert server.create("first", headers=headers).status_code == 201
    assert server.create("same", version="2.336.0", headers=headers).status_code == 201
    assert server.create("latest", version="latest", headers=headers).status_code == 201
    asked = len(sandbox.calls)
    refused = server.create("other", version="v2.300.0", headers=headers).json()
    assert (refused["status"], refused["code"], refused["errors"][0]["field"]) == (403, "forbidden", "version")
    assert refused["detail"].startswith("Runner version 2.300.0 is not on this host")
    assert "2.336.0" in refused["hint"]
    assert len(sandbox.calls) == asked
    # GitHub has no such version, and the operator is told so.
    assert server.create("other", version="2.300.0").json()["code"] != "forbidden"


def test_a_tenant_gets_the_version_that_the_settings_name(
    host: Host, serve: Callable[..., Server], sandbox: Sandbox
) -> None:
    host.write_env_file(RUNNER_VERSION="v2.300.0")
    server = serve()
    headers = tenant(host)
    for fields in ({}, {"version": "2.300.0"}):
        told = server.create("one", headers=headers, **fields).json()
        assert told["code"] != "forbidden", told
