"""Secrets of every form are put into every input, and then looked for in everything that comes out or stays.

What was done with them is done once; each case is one form in one input. The secrets differ by both, so that a leak
tells where it came in.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import requests

from runnerctl.core import logs
from runnerctl.core.redact import redact
from runnerctl.install import layout
from runnerctl.sandbox import Sandbox
from tests.support.front_ends import planted
from tests.support.front_ends.cli_running import cli
from tests.support.front_ends.inputs import (
    ANSWERS,
    CLAIMS,
    COMMANDS,
    FILES,
    HANDED_OVER,
    HTTP,
    LISTENER,
    REPO,
    RULE_PARTS,
    RUNNERS,
    SETTINGS,
    UNIT_SETTINGS,
    Ask,
    answer,
)
from tests.support.front_ends.leaks import Seen
from tests.support.front_ends.planted import FORMS, Secret
from tests.support.hosts.host import Host, Server
from tests.support.hosts.supervised import Supervised

pytestmark = pytest.mark.long

AUDIENCE = "https://runners.acme.example"
RULES = '[{"match": {"repository": "acme/*"}, "name_pattern": "*", "labels": ["linux"]}]'
CALLERS = 24
"""How many ask the server at once."""
HANDED = """
import json, os, sys
from runnerctl.cli.main import run
for given in json.load(sys.stdin):
    os.environ.update(given, LISTEN_PID=str(os.getpid()))
    run(["--verbose", "serve"])
"""
"""Is handed sockets that it cannot take, again and again: a process for each would take longer."""


class Aftermath:
    """Everything that came out or stayed, and what was put in."""

    def __init__(self, host: Host, sandbox: Sandbox) -> None:
        self.host = host
        self.sandbox = sandbox
        self.planted: set[tuple[str, str]] = set()
        self._texts: dict[str, list[str]] = defaultdict(list)

    def plant(self, where: str) -> list[Secret]:
        """One of each form, for that input."""
        self.planted.update((form, where) for form in FORMS)
        return [planted.secret(form, where) for form in FORMS]

    def see(self, place: str, *texts: str) -> None:
        self._texts[place].extend(texts)

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
            with ThreadPoolExecutor(CALLERS) as pool:
                asking = [pool.submit(ask) for ask in (*self._github_refuses(server), *self._strangers(server))]
            for each in asking:
                each.result()
            self._note(server.request("GET", f"{RUNNERS}?all=1&limit=1000"))
            self._note(server.request("GET", f"{RUNNERS}/refused-403-1"))
        finally:
            server.stop()
        self.see("the server's log", server.log.read_text())

    def _spoil_env_file(self) -> None:
        with self.host.env_file.open("a") as file:
            for number, secret in enumerate(self.plant("a value of the env file")):
                file.write(f'RUNNERCTL_UNKNOWN_{number}="{secret.line}"\n')
            for secret in self.plant("a key of the env file"):
                file.write(f"'RUNNERCTL_{secret.line}'=1\n")

    def _strangers(self, server: Server) -> Iterator[Callable[[], None]]:
        for where, make in HTTP.items():
            for number, secret in enumerate(self.plant(where)):
                yield partial(self._ask, server, make(secret), f"10.0.0.{number}")
        for claim in CLAIMS:
            for number, secret in enumerate(self.plant(claim)):
                claims = {"repository": REPO, claim: f"acme/{secret.text}" if claim == "repository" else secret.text}
                token = self.sandbox.oidc_token(claims.pop("repository"), audience=AUDIENCE, **claims)
                headers = {"Authorization": f"Bearer {token}"}
                yield partial(self._ask, server, Ask("GET", "/api/v1/whoami", headers=headers), f"10.0.1.{number}")
                yield partial(self._ask, server, Ask("DELETE", f"{RUNNERS}/x", headers=headers), f"10.0.1.{number}")

    def _ask(self, server: Server, ask: Ask, source: str) -> None:
        # One of its own: failed logins of one are answered late.
        usual = {"X-Forwarded-For": source, "Authorization": f"Bearer {self.host.token}"}
        headers = {**usual, **ask.headers}
        url = server.url + ask.path
        self._note(_session().request(ask.method, url, json=ask.json, data=ask.data, headers=headers, timeout=30))

    def _note(self, answer: requests.Response) -> None:
        assert answer.status_code < 500 or "application/problem+json" in answer.headers["Content-Type"]
        self.see("an answer's body", answer.text)
        self.see("an answer's headers", str(answer.headers))

    def _github_refuses(self, server: Server) -> Iterator[Callable[[], None]]:
        for where, status in ANSWERS.items():
            for number, secret in enumerate(self.plant(where)):
                name = f"refused-{status}-{number}"
                self.sandbox.add_fault(answer(secret.text, status=status, repo=f"acme/{name}"))
                yield partial(self._refused, server, name)

    def _refused(self, server: Server, name: str) -> None:
        refused = server.create(name, repo=f"acme/{name}")
        assert refused.status_code in {502, 503}
        self._note(refused)

    def command(self) -> None:
        """The command line, in this process."""
        environment = self.host.environment()
        for where, make in COMMANDS.items():
            for number, secret in enumerate(self.plant(where)):
                self._run(where, number, *make(secret.text), **environment)
        for where in SETTINGS:
            for number, secret in enumerate(self.plant(where)):
                self._read(where, number, **{where: secret.line})
        for where, part in RULE_PARTS.items():
            for number, secret in enumerate(self.plant(where)):
                self._read(where, number, RUNNERCTL_OIDC_RULES=part(secret.text))
        done = self.host.cli("--verbose", "--output", "json", "list", "--all")
        self.see("a process's output", done.stdout, done.stderr)

    def _read(self, where: str, number: int, **variables: str) -> None:
        self._run(where, number, "config", ("validate", "show")[number % 2], RUNNERCTL_ENV_FILE=os.devnull, **variables)

    def _run(self, where: str, number: int, *argv: str, **environment: str) -> None:
        """With every other form as JSON; with a trace for those that another input has without."""
        form = ("--output", "json") if number % 2 else ()
        trace = ("--verbose",) if (number // 2 + len(self.planted) // len(FORMS)) % 2 else ()
        ran = cli(*trace, *form, *argv, env=environment)
        self.see(f"a command's output: {where}", ran.stdout, ran.stderr)

    def install(self, env_file: Path) -> None:
        """What would be written, with that for the service's env file."""
        for variable in UNIT_SETTINGS:
            for number, secret in enumerate(self.plant(f"{variable} of a service")):
                env_file.write_text(f"{variable}='{secret.line}'\n")
                self._run("service print", number, "service", "print", RUNNERCTL_ENV_FILE=os.devnull)
        env_file.unlink()

    def hand_over(self) -> None:
        """A server, by systemd, what it cannot use."""
        given = zip(*([(where, secret.line) for secret in self.plant(where)] for where in HANDED_OVER), strict=True)
        text, argv = json.dumps([dict(each) for each in given]), [sys.executable, "-c", HANDED]
        done = subprocess.run(
            argv, env=self.host.environment(), input=text, capture_output=True, text=True, timeout=60, check=True
        )
        self.see("a server's output", done.stdout, done.stderr)

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

    def gather(self) -> Seen:
        """All that came out, and all that was left on disk; the names of the files, too."""
        seen = {}
        for directory, folders, names in os.walk(self.host.top):
            self.see("names of files", *folders, *names)
            for name in names:
                path = Path(directory) / name
                if path != self.host.env_file and path.is_file():
                    seen[str(path.relative_to(self.host.top))] = path.read_bytes()
        for place, texts in self._texts.items():
            seen[place] = "\n".join(texts).encode(errors="surrogateescape")
        return Seen(seen)


_THREAD = threading.local()


def _session() -> requests.Session:
    """A connection for each thread."""
    if not hasattr(_THREAD, "session"):
        _THREAD.session = requests.Session()
    return cast("requests.Session", _THREAD.session)


def _says(lines: list[str]) -> str:
    text = "".join(f"{line}\n" for line in lines)
    return f"#!{sys.executable} -ISB\nimport os\nos.write(1, {text.encode()!r})\nos._exit(1)\n"


@pytest.fixture(scope="module")
def aftermath(archive: Path, package_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aftermath]:
    top = tmp_path_factory.mktemp("planted")
    with Sandbox(archive=archive) as sandbox, pytest.MonkeyPatch.context() as patch:
        host = Host.make(top, package_dir=package_dir, github=sandbox.environment(), token="operator" * 4)
        patch.setattr(layout, "DEFAULT_ENV_FILE", str(top / "service.env"))
        done = Aftermath(host, sandbox)
        done.command()
        done.install(top / "service.env")
        done.hand_over()
        done.serve()
        done.supervise(tmp_path_factory.mktemp("supervised"))
        yield done
        host.kill_everything()


INPUTS = [
    *HTTP, *COMMANDS, *SETTINGS, *RULE_PARTS, *(f"{variable} of a service" for variable in UNIT_SETTINGS),
    *HANDED_OVER, *ANSWERS, *CLAIMS, *LISTENER, *FILES,
]  # fmt: skip


@pytest.fixture(scope="module")
def seen(aftermath: Aftermath) -> Seen:
    return aftermath.gather()


@pytest.mark.parametrize("where", INPUTS)
def test_a_secret_is_in_nothing_that_comes_out_or_stays(aftermath: Aftermath, seen: Seen, where: str) -> None:
    leaks = {}
    for form in FORMS:
        assert (form, where) in aftermath.planted
        leaks[form] = seen.places_of(planted.secret(form, where))
    assert {form: places for form, places in leaks.items() if places} == {}


def test_everything_was_looked_at_and_what_is_no_secret_is_there(seen: Seen) -> None:
    """Without this, an input that never arrived would pass."""
    expected = {"state/runnerctl.db", "state/refused.log", "state/tokens", "the server's log", "an answer's headers"}
    assert expected <= set(seen.texts)
    for place, word in {
        "an answer's body": "is not allowed",
        "the server's log": "GitHub refused to",
        "state/refused.log": "oidc:acme/widgets@***",
        "state/runnerctl.db": "GitHub refused to",
        "a runner's log": "Running job: ***",
        "a runner's record": "fatal error: ***",
        "a command's output: --repo": "Traceback",
        "a command's output: a claim of a rule": "oidc.rules holds what looks like a secret",
        "a command's output: service print": "runnerctl-server.service (0644 root:root)",
        "a server's output": "systemd passed *** sockets",
    }.items():
        assert word.encode() in seen.texts[place], place


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_that_came_out_is_found_wherever_it_stands(form: str) -> None:
    secret = planted.secret(form, "a leak")
    for before in range(20):
        assert Seen({"here": b"x" * before + b"=" + secret.text.encode(), "there": b"y" * 60}).places_of(secret) == [
            "here"
        ]


@pytest.mark.parametrize("form", FORMS)
def test_the_words_around_a_secret_stay(form: str) -> None:
    masked = redact(f"before {planted.secret(form, 'text').line} after")
    assert masked.startswith("before ")
    assert masked.endswith(" after") or "/o/r after" in masked
    assert "***" in masked
