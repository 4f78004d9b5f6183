"""A default that no create could use is the operator's fault, and found before anybody's create."""

from __future__ import annotations

import signal

import pytest

from runnerctl.sandbox import Sandbox
from tests.process.server.test_refused_hosts import Told
from tests.support.hosts.host import Host, Server, until

UNUSABLE = {
    "labels with a comma at the end": {"GITHUB_WFA_RUNNER_DEFAULTS__LABELS": "self-hosted,linux,"},
    "a work directory elsewhere": {"RUNNER_WORKDIR": "/tmp/x"},
    "a slash behind a work directory": {"RUNNER_WORKDIR": "_work/"},
    "a version of a container image": {"RUNNER_VERSION": "2.330.0-alpine"},
    "a relative base_dir": {"GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR": "runners"},
    "a relative state_dir": {"RUNNERCTL_STATE_DIR": "state"},
}
WAYS = (["config", "validate"], ["doctor"], ["serve"], ["create", "r1", "--repo", "acme/widgets"])


@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE)
def test_it_is_named_in_the_same_words_everywhere_and_github_is_not_asked(
    host: Host, sandbox: Sandbox, changes: dict[str, str]
) -> None:
    host.write_env_file(**changes)
    said = {Told.by_command(host.cli("--output", "json", *argv)) for argv in WAYS}
    (one,) = said
    ((variable, text),) = changes.items()
    assert one.code == "config_invalid"
    assert f"'{text}' cannot be used (env file {host.env_file}: {variable})" in one.message
    assert (sandbox.calls, sandbox.runners()) == ([], [])
    assert not host.state_dir.exists()
    assert not host.base_dir.exists()


@pytest.mark.parametrize("changes", UNUSABLE.values(), ids=UNUSABLE)
def test_a_server_that_reads_it_later_keeps_what_it_had(host: Host, server: Server, changes: dict[str, str]) -> None:
    host.write_env_file(**changes)
    server.signal(signal.SIGHUP)
    ((variable, _),) = changes.items()
    until(lambda: f"{host.env_file}: {variable})" in server.log.read_text())
    assert server.create("r1").status_code == 201
    assert server.remove("r1", "?force=true").status_code == 200
