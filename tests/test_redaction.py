"""Secrets of every form are put into every input, and then looked for in everything that comes out or stays.

What was done with them is done once; each case is one form in one input. The secrets differ by both, so that a leak
tells where it came in.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

import pytest
import requests

from runnerctl.core import logs
from runnerctl.core.redact import redact
from runnerctl.sandbox import Fault, Sandbox
from tests import planted
from tests.cli_running import cli
from tests.host import Host, Server
from tests.planted import FORMS, Secret
from tests.test_supervisor import Supervised

REPO = "acme/widgets"
AUDIENCE = "https://runners.acme.example"
RUNNERS = "/api/v1/runners"
RULES = '[{"match": {"repository": "acme/*"}, "name_pattern": "*", "labels": ["linux"]}]'


class Ask(NamedTuple):
    method: str
    path: str
    json: Any = None
    headers: Mapping[str, str] = {}
    data: str | None = None


def _field(**fields: Any) -> Ask:
    return Ask("POST", RUNNERS, {"repo": REPO, "name": "x", **fields})


HTTP: dict[str, Callable[[Secret], Ask]] = {
    "a path": lambda s: Ask("GET", f"/{quote(s.text, safe='')}"),
    "a path that knows another method": lambda s: Ask("PUT", f"{RUNNERS}/{quote(s.text, safe='')}"),
    "the name in a status": lambda s: Ask("GET", f"{RUNNERS}/{quote(s.text, safe='')}/status"),
    "the name in a log": lambda s: Ask("GET", f"{RUNNERS}/{quote(s.text, safe='')}/logs"),
    "the name in a removal": lambda s: Ask("DELETE", f"{RUNNERS}/{quote(s.text, safe='')}"),
    "the name of a token": lambda s: Ask("DELETE", f"/api/v1/tokens/{quote(s.text, safe='')}"),
    "a query's name": lambda s: Ask("GET", f"{RUNNERS}?{quote_plus(s.text)}=1"),
    "a query's state": lambda s: Ask("GET", f"{RUNNERS}?state={quote_plus(s.text)}"),
    "a query's label": lambda s: Ask("GET", f"{RUNNERS}?label={quote_plus(s.text)}"),
    "a query's limit": lambda s: Ask("GET", f"{RUNNERS}?limit={quote_plus(s.text)}"),
    "a query's cursor": lambda s: Ask("GET", f"{RUNNERS}?cursor={quote_plus(s.text)}"),
    "a query's force": lambda s: Ask("DELETE", f"{RUNNERS}/x?force={quote_plus(s.text)}"),
    "X-Request-Id": lambda s: Ask("GET", RUNNERS, headers={"X-Request-Id": s.line}),
    "X-Forwarded-For": lambda s: Ask("DELETE", f"{RUNNERS}/x", headers={"X-Forwarded-For": s.line}),
    "User-Agent": lambda s: Ask("DELETE", f"{RUNNERS}/x", headers={"User-Agent": s.line}),
    "Authorization": lambda s: Ask("GET", RUNNERS, headers={"Authorization": s.line}),
    "a bearer token": lambda s: Ask("GET", RUNNERS, headers={"Authorization": f"Bearer {s.line}"}),
    "Content-Type": lambda s: Ask("POST", RUNNERS, headers={"Content-Type": s.line}, data="{}"),
    "a body that is no JSON": lambda s: Ask(
        "POST", RUNNERS, headers={"Content-Type": "application/json"}, data=s.text
    ),
    "a field's name": lambda s: _field(**{s.text: 1}),
    "a field of the wrong kind": lambda s: _field(ephemeral=s.text),
    "name": lambda s: _field(name=s.text),
    "repo": lambda s: _field(repo=s.text),
    "half of repo": lambda s: _field(repo=f"acme/{s.text}"),
    "org": lambda s: Ask("POST", RUNNERS, {"org": s.text, "name": "x"}),
    "labels": lambda s: _field(labels=s.text),
    "a label": lambda s: _field(labels=["linux", s.text]),
    "group": lambda s: Ask("POST", RUNNERS, {"org": "acme", "name": "x", "group": s.text[:100]}),
    "version": lambda s: _field(version=s.text),
    "workdir": lambda s: _field(workdir=s.text),
    "wait": lambda s: _field(wait=s.text),
    "timeout": lambda s: _field(timeout=s.text),
    "the repo of a removal": lambda s: Ask("DELETE", f"{RUNNERS}/x", {"repo": s.text}),
}  # fmt: skip
"""One request with the operator's token, where it names no other."""

COMMANDS: dict[str, Callable[[str], list[str]]] = {
    "a command": lambda s: [s],
    "an option": lambda s: ["list", f"--{s}"],
    "NAME of create": lambda s: ["create", s, "--repo", REPO],
    "--repo": lambda s: ["create", "x", "--repo", s],
    "--org": lambda s: ["create", "x", "--org", s],
    "--labels": lambda s: ["create", "x", "--repo", REPO, "--labels", f"linux,{s}"],
    "--group": lambda s: ["create", "x", "--org", "acme", "--group", s],
    "--runner-version": lambda s: ["create", "x", "--repo", REPO, "--runner-version", s],
    "--workdir": lambda s: ["create", "x", "--repo", REPO, "--workdir", s],
    "--wait": lambda s: ["create", "x", "--repo", REPO, "--wait", s],
    "--timeout": lambda s: ["create", "x", "--repo", REPO, "--wait", "online", "--timeout", s],
    "NAME of remove": lambda s: ["remove", "x", s],
    "NAME of status": lambda s: ["status", s],
    "NAME of logs": lambda s: ["logs", s],
    "--state": lambda s: ["list", "--state", s],
    "NAME of a token": lambda s: ["token", "create", s, "--repo", REPO],
    "--tenant": lambda s: ["token", "create", "x", "--repo", REPO, "--tenant", s],
    "--repo of a token": lambda s: ["token", "create", "x", "--repo", f"acme/{s}"],
    "--labels of a token": lambda s: ["token", "create", "x", "--repo", REPO, "--labels", s],
    "--name-pattern": lambda s: ["token", "create", "x", "--repo", REPO, "--name-pattern", s],
    "NAME of a token to revoke": lambda s: ["token", "revoke", s],
    "a package": lambda s: ["package", "fetch", s],
    "--env-file": lambda s: ["--env-file", f"/no/{s}", "list"],
    "--output": lambda s: ["--output", s, "list"],
}

SETTINGS = (
    "GITHUB_APP_ID",
    "GITHUB_API_URL",
    "GITHUB_APP_PRIVATE_KEY_FILE",
    "GITHUB_WFA_RUNNER_DEFAULTS__LABELS",
    "GITHUB_WFA_RUNNER_DEFAULTS__WORKDIR",
    "RUNNERCTL_STATE_DIR",
    "RUNNERCTL_MAX_RUNNERS",
    "RUNNERCTL_OIDC_AUDIENCE",
    "RUNNERCTL_OF_ANOTHER_VERSION",
)
"""Variables that hold no secret when they are right; the last means nothing."""

ANSWERS: dict[str, Callable[[str], Fault]] = {
    f"GitHub's {status}": lambda s, status=status: Fault(  # type: ignore[misc]
        match="generate-jitconfig",
        status=status,
        body={"message": f"No {s}", "errors": [{"message": s}, s]},
        headers={"X-Accepted-GitHub-Permissions": " ".join(s.split()), "X-GitHub-Request-Id": " ".join(s.split())},
        times=None,
    )
    for status in (403, 422, 500)
}
CLAIMS = ("ref", "environment", "sub", "job_workflow_ref", "repository")
LISTENER = ("the Listener's output", "a job's name", "the Listener's last error")
FILES = ("a key of the env file", "a value of the env file")


class Aftermath:
    """Everything that came out or stayed, and what was put in."""

    def __init__(self, host: Host, sandbox: Sandbox) -> None:
        self.host = host
        self.sandbox = sandbox
        self.planted: set[tuple[str, str]] = set()
        self.seen: dict[str, bytes] = {}

    def plant(self, where: str) -> Iterator[Secret]:
        """One of each form, for that input."""
        for form in FORMS:
            self.planted.add((form, where))
            yield planted.secret(form, where)

    def see(self, place: str, *texts: str) -> None:
        self.seen[place] = self.seen.get(place, b"") + "\n".join(texts).encode(errors="surrogateescape")

    # -- what is done

    def serve(self) -> None:
        """A server of its own process, and a command, whose env file is full of them."""
        self.host.write_env_file(
            RUNNERCTL_OIDC_ISSUER=self.sandbox.server_url,
            RUNNERCTL_OIDC_AUDIENCE=AUDIENCE,
            RUNNERCTL_OIDC_RULES=RULES,
            RUNNERCTL_TRUSTED_PROXIES="127.0.0.1",
        )
        self._spoil_env_file()
        shown = self.host.cli("--verbose", "--output", "json", "config", "show")
        self.see("a process's output", shown.stdout, shown.stderr)
        server = Server.start(self.host, {})
        try:
            self._ask_all(server)
            self._ask_as_workflows(server)
            self._hear_github(server)
        finally:
            server.stop()
        self.see("the server's log", server.log.read_text())

    def _spoil_env_file(self) -> None:
        with self.host.env_file.open("a") as file:
            for number, secret in enumerate(self.plant("a value of the env file")):
                file.write(f'RUNNERCTL_UNKNOWN_{number}="{secret.line}"\n')
            for secret in self.plant("a key of the env file"):
                file.write(f"'RUNNERCTL_{secret.line}'=1\n")

    def _ask_all(self, server: Server) -> None:
        with requests.Session() as session:
            for where, make in HTTP.items():
                for number, secret in enumerate(self.plant(where)):
                    ask = make(secret)
                    # A source of its own: failed logins of one are answered late.
                    usual = {"X-Forwarded-For": f"10.0.0.{number}", "Authorization": f"Bearer {self.host.token}"}
                    headers = {**usual, **ask.headers}
                    self._note(session.request(
                        ask.method, server.url + ask.path, json=ask.json, data=ask.data, headers=headers, timeout=30
                    ))  # fmt: skip

    def _note(self, answer: requests.Response) -> None:
        assert answer.status_code < 500 or "application/problem+json" in answer.headers["Content-Type"]
        self.see("an answer's body", answer.text)
        self.see("an answer's headers", str(answer.headers))

    def _ask_as_workflows(self, server: Server) -> None:
        for claim in CLAIMS:
            for number, secret in enumerate(self.plant(claim)):
                claims = {"repository": REPO, claim: f"acme/{secret.text}" if claim == "repository" else secret.text}
                token = self.sandbox.oidc_token(claims.pop("repository"), audience=AUDIENCE, **claims)
                headers = {"Authorization": f"Bearer {token}", "X-Forwarded-For": f"10.0.1.{number}"}
                for method, path in (("GET", "/api/v1/whoami"), ("DELETE", f"{RUNNERS}/x")):
                    self._note(requests.request(method, server.url + path, headers=headers, timeout=30))

    def _hear_github(self, server: Server) -> None:
        for where, fault in ANSWERS.items():
            for number, secret in enumerate(self.plant(where)):
                self.sandbox.add_fault(fault(secret.text))
                refused = server.create(f"refused-{number}")
                assert refused.status_code in {502, 503}
                self._note(refused)
                self.sandbox.clear_faults()
        self._note(server.request("GET", f"{RUNNERS}?all=1&limit=1000"))
        self._note(server.request("GET", f"{RUNNERS}/refused-1"))

    def command(self) -> None:
        """The command line, in this process."""
        environment = self.host.environment()
        for where, make in COMMANDS.items():
            for number, secret in enumerate(self.plant(where)):
                form = ("--output", "json") if number % 2 else ()
                ran = cli("--verbose", *form, *make(secret.text), env=environment)
                self.see(f"a command's output: {where}", ran.stdout, ran.stderr)
        for where in SETTINGS:
            for number, secret in enumerate(self.plant(where)):
                argv = ["--verbose", "config", "show" if number % 2 else "validate"]
                ran = cli(*argv, env={**environment, where: secret.line})
                self.see(f"a command's output: {where}", ran.stdout, ran.stderr)
        done = self.host.cli("--verbose", "--output", "json", "list", "--all")
        self.see("a process's output", done.stdout, done.stderr)

    def supervise(self, top: Path) -> None:
        said = [s.text for s in self.plant("the Listener's output")]
        jobs = [s.line for s in self.plant("a job's name")]
        errors = [s.line for s in self.plant("the Listener's last error")]
        for number, error in enumerate(errors):
            lines = [said[number], f"2026-11-24 03:57:14Z: Running job: {jobs[number]}", f"An error occurred: {error}"]
            listener = Supervised(top / str(number), _says(lines)).started()
            record = listener.ended()
            assert record["jobs_run"] == 1, "masked lines are understood still"
            assert record["reason"].startswith("fatal error: ")
            listener.close()
            self.see("a runner's log", listener.log, *logs.read(listener.run_dir / "runner.log")[0])
            self.see("a runner's record", (listener.run_dir / "supervisor.json").read_text())

    def gather(self) -> None:
        """All that was left on disk; the names of the files, too."""
        for directory, folders, names in os.walk(self.host.top):
            self.see("names of files", *folders, *names)
            for name in names:
                path = Path(directory) / name
                if path != self.host.env_file and path.is_file():
                    self.seen[str(path.relative_to(self.host.top))] = path.read_bytes()


def _says(lines: list[str]) -> str:
    text = "".join(f"{line}\n" for line in lines)
    return f"#!{sys.executable} -ISB\nimport os\nos.write(1, {text.encode()!r})\nos._exit(1)\n"


@pytest.fixture(scope="module")
def aftermath(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    top = tmp_path_factory.mktemp("planted")
    with Sandbox(archive=archive) as sandbox:
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token="operator" * 4)
        done = Aftermath(host, sandbox)
        done.command()
        done.serve()
        done.supervise(tmp_path_factory.mktemp("supervised"))
        done.gather()
        yield done
        host.kill_everything()


INPUTS = [*HTTP, *COMMANDS, *SETTINGS, *ANSWERS, *CLAIMS, *LISTENER, *FILES]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("where", INPUTS)
def test_a_secret_is_in_nothing_that_comes_out_or_stays(aftermath: Aftermath, form: str, where: str) -> None:
    assert (form, where) in aftermath.planted
    fragments = [fragment.encode() for fragment in planted.secret(form, where).fragments]
    found = [place for place, text in aftermath.seen.items() if any(each in text for each in fragments)]
    assert found == []


def test_everything_was_looked_at_and_what_is_no_secret_is_there(aftermath: Aftermath) -> None:
    """Without this, an input that never arrived would pass."""
    expected = {"state/runnerctl.db", "state/audit.log", "state/tokens", "the server's log", "an answer's headers"}
    assert expected <= set(aftermath.seen)
    for place, word in {
        "an answer's body": "is not allowed",
        "the server's log": "GitHub refused to",
        "state/audit.log": "oidc:acme/widgets@***",
        "state/runnerctl.db": "GitHub refused to",
        "a runner's log": "Running job: ***",
        "a runner's record": "fatal error: ***",
        "a command's output: --repo": "Traceback",
    }.items():
        assert word.encode() in aftermath.seen[place], place


@pytest.mark.parametrize("form", FORMS)
def test_the_words_around_a_secret_stay(form: str) -> None:
    masked = redact(f"before {planted.secret(form, 'text').line} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after") or "/o/r after" in masked
    assert "***" in masked
