"""A runner stays where it was made, whatever the settings say by now; told by commands alone."""

from __future__ import annotations

from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host

IDENTITY = (".runner", ".credentials", ".credentials_rsaparams")


def test_a_runner_is_removed_from_where_it_was_made_when_base_dir_has_changed_since(
    host: Host, sandbox: Sandbox
) -> None:
    assert host.cli("create", "one", "--repo", "acme/widgets").returncode == 0
    made = host.base_dir / "one"
    assert all((made / name).exists() for name in IDENTITY)
    elsewhere = host.top / "elsewhere"
    host.write_env_file(GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(elsewhere))
    assert host.cli_json("status", "one")["status"] == "running"
    removed = host.cli("remove", "one")
    assert removed.returncode == 0, removed.stderr
    assert not made.exists()
    assert host.roots() == []
    assert sandbox.runners() == []
    assert host.processes() == []


def test_one_that_was_stopped_starts_where_it_was_made_when_base_dir_has_changed_since(
    host: Host, sandbox: Sandbox
) -> None:
    assert host.cli("create", "one", "--repo", "acme/widgets", "--wait", "online").returncode == 0
    assert host.cli("stop", "one").returncode == 0
    host.write_env_file(GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR=str(host.top / "elsewhere"))
    started = host.cli("start", "one")
    assert started.returncode == 0, started.stderr
    job = sandbox.submit_job("acme/widgets", ["one"], [{"run": "pwd"}])
    assert sandbox.wait_job(job, timeout=20).conclusion == "success"
