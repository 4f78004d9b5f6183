"""SIGHUP: what the files say now counts from then on, everywhere; what a start would refuse changes nothing."""

from __future__ import annotations

import json
import secrets
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.front_ends.refusing import Told
from tests.support.hosts.certificates import certificate
from tests.support.hosts.host import Host, Server, until
from tests.support.sandboxes.strictness import strict_sandbox

pytestmark = pytest.mark.long

BASE_DIR = "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR"
RELOADED, REFUSED = "settings were reloaded", "settings were not reloaded: "


def reload(server: Server, host: Host, **changes: str) -> str:
    """What the server says of it."""
    host.write_env_file(**changes)
    before = len(server.log.read_text())
    server.signal(signal.SIGHUP)

    def said() -> str:
        return server.log.read_text()[before:]

    until(lambda: RELOADED in said() or REFUSED in said())
    return said()


def launched(host: Host, name: str) -> Any:
    """What the supervisor of that runner was told."""
    documents = [json.loads(path.read_text()) for path in (host.state_dir / "runners").glob("*/launch.json")]
    (found,) = [document for document in documents if document["name"] == name]
    return found


def test_runners_made_after_another_base_dir_are_there_and_kept_from_all_others(server: Server, host: Host) -> None:
    assert server.create("earlier").status_code == 201
    pid, moved = server.status("earlier")["pid"], host.top / "moved"
    assert RELOADED in reload(server, host, **{BASE_DIR: str(moved)})
    assert server.create("later").status_code == 201
    assert launched(host, "earlier")["root"] == str(host.base_dir / "earlier")
    assert launched(host, "later")["root"] == str(moved / "later")
    assert (moved / "later" / ".runner").exists()
    assert {str(moved), str(host.base_dir)} <= {*launched(host, "later")["confine"]["hidden"]}
    assert launched(host, "later")["reap"]["env"][BASE_DIR] == str(moved)
    assert server.status("earlier")["pid"] == pid


def test_what_was_hidden_stays_so_over_any_number_of_reloads(server: Server, host: Host) -> None:
    places = [host.top / name for name in ("second", "third")]
    for place in places:
        assert RELOADED in reload(server, host, **{BASE_DIR: str(place)})
    assert server.create("last").status_code == 201
    assert {*map(str, places), str(host.base_dir)} <= {*launched(host, "last")["confine"]["hidden"]}


def test_patience_and_priority_of_later_runners_are_the_new_ones(server: Server, host: Host) -> None:
    assert RELOADED in reload(server, host, RUNNERCTL_STOP_INTERRUPT="7", RUNNERCTL_LIMITS_NICE="9")
    assert server.create("nicer").status_code == 201
    assert launched(host, "nicer")["stop"]["interrupt_seconds"] == 7
    assert launched(host, "nicer")["priority"]["nice"] == 9


def test_a_runner_that_is_to_end_with_the_server_does_so_after_a_reload(server: Server, host: Host) -> None:
    assert server.create("attached", daemonize=False, wait="online").status_code == 201
    assert RELOADED in reload(server, host, RUNNERCTL_STOP_INTERRUPT="1")
    assert host.processes() != []
    server.stop()
    until(lambda: not host.processes())


BAD: dict[str, dict[str, str]] = {
    "a base_dir that is a file": {BASE_DIR: "FILE"},
    "a base_dir below a file": {BASE_DIR: "FILE/below"},
    "settings that do not fit": {"RUNNERCTL_NO_NEW_PRIVS": "false"},
    "no GitHub credentials": {"GITHUB_APP_ID": "", "GITHUB_APP_PRIVATE_KEY_B64": ""},
    "a key that is none": {"GITHUB_APP_PRIVATE_KEY_B64": "bm9uZQ=="},
    "no private key": {"GITHUB_APP_PRIVATE_KEY_B64": ""},
    "a token with blanks": {"GITHUB_WFA_RUNNER_SERVER__API_TOKEN": "two words"},
    "a group that is not there": {"RUNNERCTL_SOCKET_GROUP": "no-such-group"},
    "a certificate without a key": {"RUNNERCTL_TLS_CERT": "/nowhere.pem"},
    "an audience without an issuer": {"RUNNERCTL_OIDC_AUDIENCE": "here"},
    "groups without users": {"RUNNERCTL_RUN_AS_GROUPS": "adm"},
}


@pytest.fixture(scope="module")
def shared(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Host]]:
    """One server for all settings that it does not take."""
    with strict_sandbox(archive=archive) as sandbox:
        top = tmp_path_factory.mktemp("reloading")
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token=secrets.token_hex(16))
        (top / "file").touch()
        server = Server.start(host, {})
        yield server, host
        server.stop()
        host.kill_everything()


@pytest.mark.parametrize("changes", BAD.values(), ids=BAD)
def test_what_a_start_refuses_a_reload_does_with_the_same_words_and_the_doctor_and_validate_know_it(
    shared: tuple[Server, Host], changes: dict[str, str]
) -> None:
    server, host = shared
    name = f"as-before-{list(BAD.values()).index(changes)}"
    bad = {name: text.replace("FILE", str(host.top / "file")) for name, text in changes.items()}
    told = reload(server, host, RUNNERCTL_STOP_INTERRUPT="7", **bad)
    validated = Told.by_command(host.cli("--output", "json", "config", "validate"))
    assert REFUSED + validated.message in told
    assert Told.by_command(host.cli("--output", "json", "serve")) == validated
    found = host.cli_json("doctor", "--offline")["items"]
    assert [each["level"] for each in found if each["message"] == validated.message and each["stops_serve"]] == [
        "error"
    ]
    host.write_env_file()
    assert server.create(name).status_code == 201
    assert launched(host, name)["stop"]["interrupt_seconds"] == 30
    assert launched(host, name)["root"] == str(host.base_dir / name)


def test_another_state_directory_needs_a_restart(server: Server, host: Host) -> None:
    told = reload(server, host, RUNNERCTL_STATE_DIR=str(host.top / "elsewhere"))
    assert f"{REFUSED}state_dir has changed to '{host.top / 'elsewhere'}'. Restart the server" in told
    assert not (host.top / "elsewhere").exists()


def test_an_address_to_listen_at_counts_from_the_next_start(server: Server, host: Host) -> None:
    told = reload(server, host, GITHUB_WFA_RUNNER_SERVER__BIND="127.0.0.1:1")
    assert "restart the server to listen there" in told
    assert RELOADED in told
    assert server.request("GET", "/api/v1/runners").status_code == 200


def test_tls_comes_and_goes_with_a_restart_only(serve: Callable[..., Server], host: Host) -> None:
    cert, key = certificate(host.top, "own")
    files = {"RUNNERCTL_TLS_CERT": str(cert), "RUNNERCTL_TLS_KEY": str(key)}
    host.write_env_file(**files)
    assert f"{REFUSED}No TLS certificate is set any more" in reload(serve(), host)
    told = reload(serve(RUNNERCTL_STATE_DIR=str(host.top / "other")), host, **files)
    assert "restart the server to listen with TLS" in told
    assert RELOADED in told


def test_a_second_signal_while_files_are_read_reads_them_once_more(server: Server, host: Host) -> None:
    for seconds in range(1, 6):
        host.write_env_file(RUNNERCTL_STOP_INTERRUPT=str(seconds))
        server.signal(signal.SIGHUP)
    until(lambda: _creates_with(server, host, 5))


def _creates_with(server: Server, host: Host, seconds: int) -> bool:
    name = f"probe-{len(host.roots())}"
    assert server.create(name).status_code == 201
    found: float = launched(host, name)["stop"]["interrupt_seconds"]
    return found == seconds


def test_secrets_that_everybody_reads_do_not_stop_the_server(server: Server, host: Host) -> None:
    host.env_file.chmod(0o644)
    told = reload(server, host)
    assert "is world-readable" in told
    assert RELOADED in told
