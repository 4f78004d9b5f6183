"""Every input of runnerctl, and how a text is put into it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, quote_plus

from runnerctl.core.settings.table import SETTINGS as ALL
from runnerctl.sandbox import Fault
from tests.support.front_ends.planted import Secret

REPO = "acme/widgets"
RUNNERS = "/api/v1/runners"


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
    "a query's sort": lambda s: Ask("GET", f"{RUNNERS}?sort={quote_plus(s.text)}"),
    "a query's since": lambda s: Ask("GET", f"{RUNNERS}?since={quote_plus(s.text)}"),
    "a usage's by": lambda s: Ask("GET", f"/api/v1/usage?by={quote_plus(s.text)}"),
    "a usage's until": lambda s: Ask("GET", f"/api/v1/usage?until={quote_plus(s.text)}"),
    "the name in an undrain": lambda s: Ask("POST", f"{RUNNERS}/{quote(s.text, safe='')}/undrain"),
    "a query's force": lambda s: Ask("DELETE", f"{RUNNERS}/x?force={quote_plus(s.text)}"),
    "X-Request-Id": lambda s: Ask("GET", RUNNERS, headers={"X-Request-Id": s.line}),
    "X-Forwarded-For": lambda s: Ask("DELETE", f"{RUNNERS}/x", headers={"X-Forwarded-For": s.line}),
    "User-Agent": lambda s: Ask("DELETE", f"{RUNNERS}/x", headers={"User-Agent": s.line}),
    "If-None-Match": lambda s: Ask("GET", RUNNERS, headers={"If-None-Match": s.line}),
    "X-Runnerctl-Version": lambda s: Ask("GET", f"{RUNNERS}?x=1", headers={"X-Runnerctl-Version": s.line}),
    "Expect": lambda s: Ask("GET", RUNNERS, headers={"Expect": s.line}),
    "Idempotency-Key": lambda s: Ask(
        "POST", RUNNERS, {"repo": REPO, "name": "x", "labels": ",,"}, headers={"Idempotency-Key": s.line}
    ),
    "the browser of a session": lambda s: Ask("POST", "/api/v1/session", headers={"User-Agent": s.line}),
    "the id of a session": lambda s: Ask("DELETE", f"/api/v1/sessions/{quote(s.text, safe='')}"),
    "the name of a page's part": lambda s: Ask("GET", f"/static/{quote(s.text, safe='')}"),
    "a host's name": lambda s: Ask("GET", "/", headers={"Host": s.line}),
    "a CSRF token": lambda s: Ask("DELETE", f"{RUNNERS}/x", headers={"X-CSRF-Token": s.line}),
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
    "name_prefix": lambda s: Ask("POST", f"{RUNNERS}:batch", {"repo": REPO, "name_prefix": s.text, "count": 2}),
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
    "NAME of undrain": lambda s: ["undrain", s],
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
    "--bind": lambda s: ["serve", "--bind", s],
    "--tls-cert": lambda s: ["serve", "--tls-cert", s],
    "NAME of service print": lambda s: ["service", "print", s],
    "--user of service print": lambda s: ["service", "print", "--user", s],
    "--backend of service print": lambda s: ["service", "print", "--backend", s],
    "--user of service install": lambda s: ["service", "install", "--dry-run", "--user", s],
    "--backend of service install": lambda s: ["service", "install", "--dry-run", "--backend", s],
    "an argument of service uninstall": lambda s: ["service", "uninstall", "--dry-run", s],
    "a command of service": lambda s: ["service", s],
}

SETTINGS = (*(each.variables[0] for each in ALL if not each.secret), "RUNNERCTL_OF_ANOTHER_VERSION")
"""Variables that hold no secret when they are right; the last means nothing."""


def _rule(**fields: Any) -> str:
    return json.dumps([{"match": {"repository": "acme/*"}, **fields}])


RULE_PARTS: dict[str, Callable[[str], str]] = {
    "a claim of a rule": lambda s: _rule(match={"repository": "acme/*", "ref": s}),
    "a claim's name in a rule": lambda s: _rule(match={"repository": "acme/*", s: "x"}),
    "a repository of a rule": lambda s: _rule(repos=[f"acme/{s}"]),
    "a label of a rule": lambda s: _rule(labels=["linux", s]),
    "the name_pattern of a rule": lambda s: _rule(name_pattern=s),
    "a scope of a rule": lambda s: _rule(scopes=[s]),
    "a field of a rule": lambda s: _rule(**{s: 1}),
}
"""Of RUNNERCTL_OIDC_RULES, right but for that."""

UNIT_SETTINGS = (
    *("RUNNERCTL_STATE_DIR", "RUNNERCTL_PACKAGE_DIR", "GITHUB_WFA_RUNNER_DEFAULTS__BASE_DIR"),
    *("GITHUB_WFA_RUNNER_SERVER__BIND", "RUNNERCTL_LIMITS_MEMORY_MAX", "RUNNERCTL_LIMITS_CPU_MAX"),
    *(each.variables[0] for each in ALL if each.secret),
)
"""What the service's env file may hold when its units are written; the last ones hold secrets, when they are right."""

HANDED_OVER = ("LISTEN_FDS", "LISTEN_FDNAMES")
"""What systemd says of a socket."""

ANSWERS = {f"GitHub's {status}": status for status in (403, 422, 500)}


def answer(text: str, *, status: int, repo: str) -> Fault:
    """GitHub's to whoever asks for a runner of that repository."""
    line = " ".join(text.split())
    return Fault(
        match=f"{repo}/actions/runners/generate-jitconfig",
        status=status,
        body={"message": f"No {text}", "errors": [{"message": text}, text]},
        headers={"X-Accepted-GitHub-Permissions": line, "X-GitHub-Request-Id": line},
        times=None,
    )


CLAIMS = ("ref", "environment", "sub", "job_workflow_ref", "repository")
LISTENER = ("the Listener's output", "a job's name", "the Listener's last error")
FILES = ("a key of the env file", "a value of the env file")
