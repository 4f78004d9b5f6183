"""config.sh drops the port of GitHub's address: a persistent runner that it could not register is refused. And how
one that fails is told."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl import core
from runnerctl.core.domain.errors import InvalidRequest
from runnerctl.core.engine.github_side.config_sh import unreachable
from runnerctl.core.services import Services
from runnerctl.core.settings.load import load
from runnerctl.sandbox import Sandbox
from tests.support.hosts.host import Host, Server, create, until
from tests.support.sandboxes.packages import with_program
from tests.support.sandboxes.strictness import strict_sandbox

REPO = "acme/widgets"
SAYS = "actions/runner's config.sh drops the port"


@pytest.fixture
def sandbox(archive: Path, request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    """At a port of its own, unless config.sh is to find it."""
    anywhere = {} if request.node.get_closest_marker("persistent") else {"host": "127.0.0.1", "port": 0}
    with strict_sandbox(archive=archive, **anywhere) as running:
        yield running


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("https://github.com", True),
        ("https://ghe.example.com", True),
        ("https://ghe.example.com:443", True),
        ("http://127.0.0.2", True),
        ("http://127.0.0.2:80", True),
        ("https://ghe.example.com:8443", False),
        ("https://ghe.example.com:80", False),
        ("http://127.0.0.1:8080", False),
    ],
)
def test_only_the_usual_port_of_a_scheme_can_be_left_out(url: str, fits: bool) -> None:
    told = unreachable(load(environ={"GITHUB_SERVER_URL": url}))
    assert (told is None) is fits
    assert fits or url in (told or "")


def test_no_such_runner_is_made_and_github_is_not_asked(services: Services, host: Host, sandbox: Sandbox) -> None:
    with pytest.raises(InvalidRequest, match=SAYS) as refused:
        create(services, host.spec("lasting", ephemeral=False))
    assert "ephemeral" in (refused.value.hint or "")
    assert sandbox.calls == []
    assert services.store.latest("lasting") is None
    assert host.roots() == []


def test_by_command_and_over_http_alike(host: Host, sandbox: Sandbox, serve: Callable[..., Server]) -> None:
    done = host.cli("create", "lasting", "--repo", REPO, "--persistent")
    assert (done.returncode, SAYS in done.stderr) == (2, True)
    answer = serve().create("lasting", ephemeral=False)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert SAYS in answer.json()["detail"]
    assert sandbox.calls == []


def test_a_host_whose_runners_are_persistent_unless_said_otherwise_is_told(host: Host) -> None:
    host.write_env_file(GITHUB_WFA_RUNNER_DEFAULTS__EPHEMERAL="false")
    assert SAYS in host.cli("config", "validate").stderr
    findings = host.cli_json("doctor", "--offline")["items"]
    assert [each["level"] for each in findings if SAYS in each["message"]] == ["warning"]


def test_doctor_says_it_as_a_note_to_all_others(host: Host) -> None:
    assert SAYS not in host.cli("config", "validate").stderr
    findings = host.cli_json("doctor", "--offline")["items"]
    assert [each["level"] for each in findings if SAYS in each["message"]] == ["ok"]


@pytest.mark.persistent
def test_at_the_usual_port_one_is_made(services: Services, host: Host, sandbox: Sandbox) -> None:
    assert sandbox.server_url.count(":") == 1
    runner = create(services, host.spec("lasting", ephemeral=False), wait=core.Wait.ONLINE)
    assert sandbox.runners()[0].id == runner.github_id


@pytest.mark.persistent
@pytest.mark.parametrize(
    ("script", "says"),
    [
        ("kill -SEGV $$", "SIGSEGV, without any output"),
        ("sh -c 'kill -ABRT $$' 2>/dev/null", "SIGABRT, without any output"),
        ("exit 3", "exit status 3, without any output"),
        ("echo no libicu; exit 3", "no libicu"),
    ],
)
def test_how_it_ended_is_told_where_it_says_nothing(
    archive: Path, tmp_path: Path, as_root: None, script: str, says: str
) -> None:
    package = with_program(archive, "config.sh", f"#!/bin/sh\n{script}\n", tmp_path / "package.tar.gz")
    with strict_sandbox(archive=package) as github:
        token = secrets.token_hex(16)
        host = Host.make(tmp_path, package_dir=tmp_path / "p", github=github.environment(), token=token)
        done = host.cli("create", "lasting", "--repo", REPO, "--persistent")
        assert f"config.sh of runner 'lasting' failed: {says}\n" in done.stderr, done.stderr


ICU = """echo "Libicu's dependencies is missing for Dotnet Core 6.0"
echo "Execute sudo ./bin/installdependencies.sh to install any missing Dotnet Core 6.0 dependencies."
exit 1"""
STACK = """echo "Process terminated. Couldn't find a valid ICU package installed on the system. Please install libicu"
i=0; while [ $i -lt 40 ]; do echo "   at System.Environment.FailFast(System.String)"; i=$((i+1)); done
exit 134"""
PROXY = """echo "The proxy tunnel request to proxy 'http://proxy.example:3128/' failed with status code '407'."
exit 1"""


@pytest.mark.persistent
@pytest.mark.parametrize(
    ("script", "says"),
    [
        (ICU, "libicu is missing: install it (`runnerctl doctor` names the package)"),
        (STACK, "libicu is missing"),
        (PROXY, "The proxy proxy.example:3128 refuses the user and password (407)"),
    ],
    ids=["its own check", "a stack", "a proxy"],
)
def test_what_it_fails_of_is_told_and_its_words_are_the_runners_log(
    archive: Path, tmp_path: Path, as_root: None, script: str, says: str
) -> None:
    """Secrets, among them the token that it was given, are masked there."""
    leaks = f'#!/bin/sh\necho "token $ACTIONS_RUNNER_INPUT_TOKEN"\nprintf "\\033[31mred\\n"\n{script}\n'
    package = with_program(archive, "config.sh", leaks, tmp_path / "package.tar.gz")
    with strict_sandbox(archive=package) as github:
        host = Host.make(tmp_path, package_dir=tmp_path / "p", github=github.environment(), token="x" * 32)
        host.write_env_file(HTTPS_PROXY="http://me:hunter2@proxy.example:3128")
        done = host.cli("create", "lasting", "--repo", REPO, "--persistent")
        assert f"config.sh of runner 'lasting' failed: {says}" in done.stderr, done.stderr
        assert "`runnerctl logs lasting` shows all that it said" in done.stderr
        assert "FailFast" not in done.stderr
        until(lambda: host.roots() == [])
        logged = host.cli("logs", "lasting").stdout.splitlines()
        assert logged[0].endswith("Z [config.sh] token ***")
        assert logged[1].endswith("[config.sh] \\x1b[31mred")
        assert len(logged) == 2 + script.count("echo") + 39 * ("FailFast" in script)
        assert "hunter2" not in str(logged) + done.stderr


@pytest.mark.persistent
def test_what_it_said_until_its_time_was_over_is_kept(archive: Path, tmp_path: Path, as_root: None) -> None:
    script = "#!/bin/sh\necho connecting\nsleep 600\n"
    package = with_program(archive, "config.sh", script, tmp_path / "package.tar.gz")
    with strict_sandbox(archive=package) as github:
        host = Host.make(tmp_path, package_dir=tmp_path / "p", github=github.environment(), token="x" * 32)
        host.write_env_file(RUNNERCTL_START_TIMEOUT="1s")
        done = host.cli("create", "lasting", "--repo", REPO, "--persistent")
        assert "did not end in 1 s" in done.stderr
        assert "[config.sh] connecting" in host.cli("logs", "lasting").stdout


@pytest.mark.persistent
def test_a_version_that_github_lets_register_no_more_is_told(host: Host, sandbox: Sandbox) -> None:
    sandbox.registration_minimum = "2.999.0"
    done = host.cli("create", "lasting", "--repo", REPO, "--persistent")
    assert done.returncode == 8
    assert "GitHub lets no runner of version 2.336.0 register any more: it asks for 2.999.0 or newer" in done.stderr
