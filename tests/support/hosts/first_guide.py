"""The first edition of the guide to the API (``tests/data/api-mode.md``), and whoever follows it.

A paragraph is what stands between blank lines of a shell block: a comment and the commands below it. It is played as
it is written; only what a reader has to put in is put in: tokens, the path to a checkout.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import yaml

from tests.support.hosts.booted import VENV
from tests.support.hosts.host import until
from tests.support.hosts.installed import Service
from tests.support.places import DATA, REPOSITORY

GUIDE = (DATA / "api-mode.md").read_text()
TABLE = "## What holds of the first edition"
"""In ``docs/api-mode.md``."""

HOLDS, IN_PART, NO, ROOTS, OTHERS = "holds", "in part", "no", "root's", "others' tools"
_OF_OTHERS = ("cloudflare", "ufw ", "iptables ", "runnerctl.example.com")
_OF_ROOT = ("sudo ", "systemctl ", "journalctl ", "/etc/runnerctl", "/opt/runnerctl")
_TOOLS = ("netstat", "xxd", "top", "pgrep", "openssl", "jq", "curl", "make")
_SCRIPT, _OUTPUT = "/run/paragraph.sh", "/tmp/github-output"
_PRELUDE = """
sudo() { "$@"; }
nano() { cat /run/edited > "$1"; }
journalctl() { timeout 0.5 /usr/bin/journalctl --no-pager "$@" || [ $? = 124 ]; }
tail() { timeout 2 /usr/bin/tail "$@" || [ $? = 124 ]; }
top() { /usr/bin/top -b -n 1 "$@"; }
"""
"""Who reads the guide as root needs no sudo, ends what follows a log with Ctrl-C, and edits a file as it says."""


@dataclass(frozen=True, kw_only=True)
class Paragraph:
    section: str
    text: str

    @property
    def is_of_others(self) -> bool:
        return any(word in self.text.lower() for word in _OF_OTHERS)

    @property
    def is_of_root(self) -> bool:
        return any(word in self.text for word in _OF_ROOT)


def paragraphs() -> list[Paragraph]:
    """Those of shell blocks, in the guide's order; its workflow is one more."""
    found = []
    for section, kind, block in _blocks():
        texts = [block] if kind == "yaml" else _split(block)
        found += [Paragraph(section=section, text=text) for text in texts if kind != "yaml" or "jobs:" in text]
    return found


def _blocks() -> Iterator[tuple[str, str, str]]:
    for part in re.split(r"^(?=##)", GUIDE, flags=re.MULTILINE):
        section = part.split("\n", 1)[0].lstrip("# ")
        for kind, block in re.findall(r"^```(bash|yaml)\n(.*?)^```", part, re.MULTILINE | re.DOTALL):
            yield section, kind, block


def _split(block: str) -> list[str]:
    texts, inside = [""], False
    for line in block.splitlines():
        inside = (inside and line != "EOF") or "<< 'EOF'" in line
        if line or inside:
            texts[-1] += f"{line}\n"
        elif texts[-1]:
            texts.append("")
    return [text for text in texts if text]


def documented() -> dict[str, tuple[str, str]]:
    """(as root, as an ordinary user) by section, as the guide of today says."""
    text = (REPOSITORY / "docs" / "api-mode.md").read_text().partition(f"\n{TABLE}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|", text, re.MULTILINE)
    return {section: (root, user) for section, root, user in rows if section not in {"section", "---"}}


@dataclass(kw_only=True)
class Reader:
    """Somebody who plays the guide on a booted host."""

    service: Service
    whom: tuple[str, ...] = ()
    """What makes a command that user's; nothing for root."""
    token: str = field(repr=False)
    said: dict[str, str] = field(default_factory=dict)
    """The output of each paragraph, by its text."""

    def run(self, script: str, **environment: str) -> tuple[int, str]:
        """Its exit status and standard output. By a file: ``pgrep -f`` must not find the words that look for it."""
        inside, variables = self.service.inside, {"API_TOKEN": self.token, "SYSTEMD_PAGER": "", **environment}
        inside.write(_SCRIPT, _PRELUDE + script)
        inside.say("chmod", "644", _SCRIPT)
        given = [f"{name}={value}" for name, value in variables.items()]
        done = inside.run(*self.whom, "env", *given, "bash", "--noprofile", "--norc", "-eo", "pipefail", _SCRIPT)
        return done.returncode, done.stdout

    def plays(self, paragraph: Paragraph) -> bool:
        """Whether its commands succeed."""
        text = paragraph.text.replace("your-api-token", self.token)
        status, said = self.run(text)
        self.said[paragraph.text] = said
        return status == 0

    def shows_processes(self, paragraph: Paragraph) -> bool:
        """Without one it complains, and ends as if all was well."""
        return self.plays(paragraph) and "PID" in self.said[paragraph.text]

    def has_one_line(self, paragraph: Paragraph) -> bool:
        return self.plays(paragraph) and len(self.said[paragraph.text].splitlines()) == 1

    def tells_a_token(self, paragraph: Paragraph) -> bool:
        """Whether another answer comes to a token that is none."""
        wrong = Reader(service=self.service, whom=self.whom, token="wrong")
        assert self.plays(paragraph)
        return not wrong.plays(paragraph) or wrong.said[paragraph.text] != self.said[paragraph.text]

    def has_created(self, paragraph: Paragraph) -> bool:
        held = self.plays(paragraph) and '"started"' in self.said[paragraph.text]
        assert self.asked("GET", "/api/v1/runners/ci-runner-1/status")["status"] == "running"
        return held

    def has_removed(self, paragraph: Paragraph) -> bool:
        held = self.plays(paragraph) and '"removed"' in self.said[paragraph.text]
        assert self.asked("GET", "/api/v1/runners/ci-runner-1/status")["status"] == "not_installed"
        return held

    def readiness(self) -> dict[str, str | None] | None:
        """None as long as no server answers."""
        status, said = self.run("curl -s http://127.0.0.1:8080/readyz")
        return dict(json.loads(said)) if status == 0 and said.startswith("{") else None

    def env_file(self) -> str:
        """The required variables of step 2, with what is the reader's own, and where this GitHub is."""
        known = self.service.github
        names = ("GITHUB_APP_ID", "GITHUB_APP_PRIVATE_KEY_B64", "GITHUB_API_URL", "GITHUB_SERVER_URL")
        lines = [
            *(f"{name}={known[name]}" for name in names),
            f"GITHUB_WFA_RUNNER_SERVER__API_TOKEN={self.token}",
            "GITHUB_WFA_RUNNER_SERVER__BIND=127.0.0.1:8080",
            "RUNNERCTL_REMOVE_SETTLE=0.2",
        ]
        return "\n".join([*lines, ""])

    def asked(self, method: str, path: str, body: Any = None) -> Any:
        return self.service.ask(method, path, body, token=self.token)

    def follows_the_workflow(self, paragraph: Paragraph) -> bool:
        """Its three jobs, on the runner that it asks for."""
        jobs = yaml.safe_load(paragraph.text)["jobs"]
        values = {
            "github.run_id": "9876543210",
            "github.repository": "acme/widgets",
            "secrets.API_TOKEN": self.token,
            "secrets.RUNNERCTL_BASE_URL": "http://127.0.0.1:8080",
        }
        (create,) = jobs["provision"]["steps"]
        status, said = self.run(_expanded(create["run"], values), GITHUB_OUTPUT=_OUTPUT)
        assert (status, "Runner online" in said) == (0, True), said
        name = self.service.inside.say("cat", _OUTPUT).strip().partition("runner-name=")[2]
        values["needs.provision.outputs.runner-name"] = name
        build = jobs["build"]
        order = {
            "repo": "acme/widgets",
            "runs_on": [_expanded(build["runs-on"], values)],
            "steps": build["steps"],
            "files": {"Makefile": "build:\n\t@echo built\n"},
        }
        job = self.service.control("/jobs", order)["id"]
        assert self.service.concluded(job)["conclusion"] == "success"
        (remove,) = jobs["cleanup"]["steps"]
        status, said = self.run(_expanded(remove["run"], values))
        until(lambda: self.asked("GET", f"/api/v1/runners/{name}/status")["status"] == "not_installed")
        return status == 0 and json.loads(said[said.index("{") : said.rindex("}") + 1])["status"] == "removed"


def _expanded(text: str, values: Mapping[str, str]) -> str:
    """``${{ expression }}`` as the workflow engine would."""
    return re.sub(r"\$\{\{\s*([\w.-]+)\s*\}\}", lambda found: values[found[1]], text)


def is_yaml(_: Reader, paragraph: Paragraph) -> bool:
    """What the guide has in a shell block, and is none for a shell."""
    return bool(yaml.safe_load(paragraph.text)["jobs"])


Play = Callable[[Reader, Paragraph], bool]
PLAYS: Mapping[str, Play] = {
    "xxd -p": Reader.has_one_line,
    "top -p": Reader.shows_processes,
    "# Test API": Reader.tells_a_token,
    "# Bearer token format": Reader.tells_a_token,
    "-X POST \\\n  -H": Reader.has_created,
    "-X DELETE \\\n  -H": Reader.has_removed,
    "provision:": Reader.follows_the_workflow,
    "timeout-minutes": is_yaml,
}
"""By what stands in the paragraph, the first that fits; all others hold if they succeed."""


def holds(reader: Reader, paragraph: Paragraph, plays: Mapping[str, Play] = PLAYS) -> str:
    play = next((each for begin, each in plays.items() if begin in paragraph.text), Reader.plays)
    return HOLDS if play(reader, paragraph) else NO


def set_up(service: Service) -> None:
    """What step 1 would bring: the system's Python has the package."""
    wrapper = f'#!/bin/sh\nexec {VENV}/bin/python "$@"\n'
    service.inside.shell("rm -f /usr/bin/python3")
    service.inside.write("/usr/bin/python3", wrapper)
    service.inside.shell("chmod 755 /usr/bin/python3")


def require_tools() -> None:
    """Skips where one that the guide uses is missing."""
    missing = [each for each in _TOOLS if shutil.which(each) is None]
    if missing:
        pytest.skip(f"needs {', '.join(missing)}")


def in_all(outcomes: list[str]) -> str:
    """Of a section, from those of its paragraphs."""
    counted = [each for each in outcomes if each != OTHERS]
    if not counted:
        return OTHERS
    kinds = set(counted)
    return counted[0] if len(kinds) == 1 else IN_PART


def by_section(outcome: Callable[[Paragraph], str]) -> dict[str, str]:
    """What came of each section, played in the guide's order."""
    found: dict[str, list[str]] = {}
    for paragraph in paragraphs():
        told = OTHERS if paragraph.is_of_others else outcome(paragraph)
        found.setdefault(paragraph.section, []).append(told)
    return {section: in_all(outcomes) for section, outcomes in found.items()}
