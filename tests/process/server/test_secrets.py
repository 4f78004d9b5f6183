"""Secrets are looked for where they must not be: in everything that runs for us and in everything that we write."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runnerctl.sandbox import Fault, Sandbox
from tests.support.hosts.host import Host, Server, until

REPO = "acme/widgets"


def secrets_of(host: Host, sandbox: Sandbox) -> dict[str, bytes]:
    """Every secret of this host, as bytes that would be found in any text that holds it."""
    pem = sandbox.private_key_pem.encode()
    key = b"".join(line for line in pem.splitlines() if b"-----" not in line)
    found = {
        "API token": host.token.encode(),
        "App key (PEM)": pem.splitlines()[5],
        "App key (base64)": base64.b64encode(pem)[200:260],
        "App key (DER)": base64.b64decode(key)[100:140],
    }
    cache = host.state_dir / "tokens"
    for number, token in enumerate(re.findall(rb"ghs_[A-Za-z0-9._-]+", cache.read_bytes())):
        assert len(token) > 500, "the sandbox's tokens are as long as GitHub's, and are kept whole"
        found[f"installation token {number}"] = token
    return found


def processes_of_ours(host: Host, server: Server) -> Iterator[int]:
    """Supervisors, Listeners, Workers, job steps; not the server, which was given its secrets by its operator."""
    yield from (pid for pid in host.processes() if pid != server.process.pid)


def visible(pid: int) -> bytes:
    """What another process of the same user sees of this one."""
    parts = []
    for name in ("cmdline", "environ"):
        try:
            parts.append(Path(f"/proc/{pid}/{name}").read_bytes())
        except OSError:
            continue
    return b"\0".join(parts)


def written(host: Host, *, but: set[Path]) -> Iterator[tuple[Path, bytes]]:
    for directory, _, names in os.walk(host.top):
        for name in names:
            path = Path(directory) / name
            if path not in but and path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()


@pytest.mark.parametrize("ephemeral", [True, pytest.param(False, marks=pytest.mark.persistent)])
def test_no_secret_is_in_any_process_or_file(server: Server, host: Host, sandbox: Sandbox, ephemeral: bool) -> None:
    server.create("guarded", ephemeral=ephemeral, wait="online")
    go = host.top / "go"
    job = sandbox.submit_job(REPO, ["guarded"], [{"run": f"env; while [ ! -e {go} ]; do sleep 0.02; done"}])
    until(lambda: server.status("guarded")["phase"] == "busy")
    secrets = secrets_of(host, sandbox)
    identity = host.base_dir / "guarded" / ".credentials_rsaparams"
    if ephemeral:  # a persistent runner of the stand-in package uses the key that the package itself holds
        secrets["runner's own key"] = json.loads(identity.read_text())["d"][:40].encode()
    assert len(secrets) >= 5

    until(lambda: len(list(processes_of_ours(host, server))) >= 4)  # supervisor, Listener, Worker, step
    seen = {pid: visible(pid) for pid in processes_of_ours(host, server)}
    # The env file is the operator's; the token cache and the identity files are where these secrets live.
    allowed = {host.env_file, host.state_dir / "tokens", identity}
    files = dict(written(host, but=allowed))
    assert any(path.name == "runnerctl.db" for path in files)
    for name, secret in secrets.items():
        assert [pid for pid, text in seen.items() if secret in text] == [], name
        assert [path for path, text in files.items() if secret in text] == [], name
    go.touch()
    output = "\n".join(sandbox.wait_job(job, timeout=20).lines).encode()
    assert [name for name, secret in secrets.items() if secret in output] == []


def test_what_holds_secrets_is_readable_by_its_owner_only(server: Server, host: Host) -> None:
    server.create("guarded", wait="online")
    state = host.state_dir
    (run_dir,) = (state / "runners").iterdir()
    private = [state / "tokens", run_dir / "launch.json", run_dir / "supervisor.json"]
    private += [host.base_dir / "guarded" / name for name in (".runner", ".credentials", ".credentials_rsaparams")]
    assert {path: oct(path.stat().st_mode & 0o777) for path in private} == dict.fromkeys(private, "0o600")
    assert {oct(path.stat().st_mode & 0o777) for path in (state, run_dir)} == {"0o700"}


FAULTS = {
    "bad credentials": Fault(match="generate-jitconfig", status=401, times=None),
    "forbidden": Fault(match="generate-jitconfig", status=403, times=None),
    "broken": Fault(match="generate-jitconfig", status=500, times=None),
    "a secret in GitHub's own answer": Fault(
        match="generate-jitconfig",
        status=422,
        body={"message": "Invalid token ghs_" + "x" * 36 + " in Bearer hunter2hunter2"},
        times=None,
    ),
    "lost answer": Fault(match="generate-jitconfig", lost_answer=True, times=None),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_no_secret_is_in_an_error_or_a_log(
    serve: Callable[..., Server], host: Host, sandbox: Sandbox, fault: Fault
) -> None:
    server = serve()
    sandbox.add_fault(fault)
    answer = server.create("refused")
    assert answer.status_code >= 400
    done = host.cli("--verbose", "--output", "json", "create", "refused-too", "--repo", REPO)
    assert done.returncode != 0
    text = (answer.text + str(answer.headers) + done.stdout + done.stderr + server.log.read_text()).encode()
    text += (host.state_dir / "runnerctl.db").read_bytes() + (host.state_dir / "runnerctl.db-wal").read_bytes()
    secrets = {**secrets_of(host, sandbox), "GitHub's": b"x" * 30, "a bearer": b"hunter2"}
    assert [name for name, secret in secrets.items() if secret in text] == []


def test_a_serving_process_makes_itself_unreadable_to_others_of_its_user() -> None:
    script = """
import ctypes
from runnerctl.server.run import _be_undumpable
_be_undumpable()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0", "PR_GET_DUMPABLE"


def test_configuration_is_shown_without_secrets(host: Host, sandbox: Sandbox) -> None:
    for output in ("table", "json", "yaml"):
        shown = host.cli("--output", output, "config", "show")
        assert shown.returncode == 0
        assert host.token not in shown.stdout
        assert host.github["GITHUB_APP_PRIVATE_KEY_B64"][:30] not in shown.stdout
