"""Every setting there is: one row each, from which reading, ``config show`` and the documentation follow."""

from __future__ import annotations

import platform
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from ..domain import durations, sizes
from ..domain.errors import InvalidRequest

DEFAULT_STATE_DIR = "/var/lib/runnerctl"
DEFAULT_BASE_DIR = "/opt/runnerctl/runners"
DEFAULT_CONFIG_FILE = "/etc/runnerctl/runnerctl.yaml"
DEFAULT_ENV_FILE = "/etc/runnerctl/runnerctl.env"

PREFIXES = ("GITHUB_WFA_RUNNER_", "GHWFAX__", "RUNNERCTL_")
LOCATORS = ("RUNNERCTL_CONFIG", "RUNNERCTL_ENV_FILE")
"""Variables that say where settings are, and are not settings."""
_LEAST_MEMORY = 64 * 1024**2
MARKS = ("RUNNERCTL_LIFE",)
"""Variables of ours that a job finds in its environment: a job may call runnerctl."""


class Setting(NamedTuple):
    """One setting: its key in the config file, its variables (the first is the documented one), its default."""

    key: str
    variables: tuple[str, ...]
    default: str | None
    help: str
    parse: Callable[[str], Any] = str
    secret: bool = False


def architecture() -> str:
    """The machine's, as GitHub's labels name it."""
    return {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), "x64"
    )


def boolean(text: str) -> bool:
    word = text.strip().lower()
    if word in {"true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off"}:
        return False
    raise ValueError("use true or false")


def positive(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise ValueError("use a whole number above 0")
    return number


def duration(text: str) -> float:
    try:
        return durations.seconds(text)
    except InvalidRequest as exc:
        raise ValueError("use seconds, or 90s, 2m, 1h") from exc


def patience(text: str) -> float:
    """A duration that is long enough to wait for anything at all."""
    seconds = duration(text)
    if seconds < 0.1:
        raise ValueError("use at least 100ms")
    return seconds


def retention(text: str) -> float:
    """How long something is kept: never so short that it could go before its runner's last step is written."""
    seconds = duration(text)
    if seconds < 60:
        raise ValueError("use at least 1m")
    return seconds


def words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in text.split(",")) if word)


def backend(text: str) -> str:
    if text in {"auto", "process", "systemd"}:
        return text
    raise ValueError("use auto, process or systemd")


def job_users(text: str) -> tuple[str, ...]:
    from ..host import job_users  # few hosts name any

    return job_users.parse(text)


def size(text: str) -> int:
    try:
        return sizes.count(text)
    except InvalidRequest as exc:
        raise ValueError("use bytes, or 500M, 2G") from exc


def memory(text: str) -> int:
    count = size(text)
    if count < _LEAST_MEMORY:
        raise ValueError("use at least 64M: a runner alone needs about that")
    return count


def processors(text: str) -> float:
    """With at most two digits after the point."""
    number = float(text) if re.fullmatch(r"\d{1,4}(\.\d{1,2})?", text, re.ASCII) else 0.0
    if number <= 0:
        raise ValueError("use a number of processors, such as 2 or 1.5")
    return number


def between(least: int, most: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text[:9]) <= most):
            raise ValueError(f"use a whole number from {least} to {most}")
        return int(text)

    return parse


def networks(text: str) -> str:
    """Addresses and networks of proxies, and ``unix``; checked here, taken apart by the server."""
    from ipaddress import ip_network

    for word in text.split(","):
        if word.strip() != "unix":
            ip_network(word.strip(), strict=False)
    return text


def issuer(text: str) -> str:
    from ..domain.trusted_addresses import is_trustworthy

    if is_trustworthy(text):
        return text.rstrip("/")
    raise ValueError("use an https address; http is for this machine only")


def workflow_rules(text: str) -> str:
    """Checked here, taken apart by the server."""
    from ..access.oidc.workflow_rules import parse  # few hosts have any

    parse(text)
    return text


def url(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    if separator and scheme in {"http", "https"} and rest.strip("/") and not any(c.isspace() or c == "@" for c in rest):
        return text.rstrip("/")
    raise ValueError("use an http or https address without a user name")


def _server(name: str) -> tuple[str, ...]:
    return (f"GITHUB_WFA_RUNNER_SERVER__{name}", f"GHWFAX__SERVER__{name}", f"RUNNERCTL_{name}")


def _door(name: str, default: str | None, help_: str, parse: Callable[[str], Any] = str) -> Setting:
    return Setting(key=f"server.{name}", variables=_server(name.upper()), default=default, help=help_, parse=parse)


def _defaults(name: str, *older: str) -> tuple[str, ...]:
    return (f"GITHUB_WFA_RUNNER_DEFAULTS__{name}", f"GHWFAX__DEFAULTS__{name}", *older)


def _own(key: str, default: str | None, help_: str, parse: Callable[[str], Any] = str) -> Setting:
    variable = "RUNNERCTL_" + key.upper().replace(".", "_")
    return Setting(key=key, variables=(variable,), default=default, help=help_, parse=parse)


SETTINGS: tuple[Setting, ...] = (
    Setting(key="github.app_id", variables=("GITHUB_APP_ID",), default=None, help="App id or client id"),
    Setting(
        key="github.private_key_file",
        variables=("GITHUB_APP_PRIVATE_KEY_FILE",),
        default=None,
        help="Path of the App's private key (PEM)",
    ),
    Setting(
        key="github.private_key",
        variables=("GITHUB_APP_PRIVATE_KEY",),
        default=None,
        help="The App's private key itself (PEM, also with literal \\n)",
        secret=True,
    ),
    Setting(
        key="github.private_key_b64",
        variables=("GITHUB_APP_PRIVATE_KEY_B64",),
        default=None,
        help="The App's private key, base64 of the PEM",
        secret=True,
    ),
    Setting(
        key="github.installation_id",
        variables=("GITHUB_APP_INSTALLATION_ID",),
        default=None,
        help="Skips the look-up of the App's installation",
        parse=positive,
    ),
    Setting(
        key="github.pat",
        variables=("GITHUB_PAT",),
        default=None,
        help="Personal access token, used when no App is set",
        secret=True,
    ),
    Setting(
        key="github.api_url",
        variables=("GITHUB_API_URL",),
        default="https://api.github.com",
        help="REST API; for GitHub Enterprise Server derived from GITHUB_SERVER_URL",
        parse=url,
    ),
    Setting(
        key="github.server_url",
        variables=("GITHUB_SERVER_URL",),
        default="https://github.com",
        help="GitHub itself; for GitHub Enterprise Server derived from GITHUB_API_URL",
        parse=url,
    ),
    _own("github.timeout", "15", "How long GitHub may be silent before a call counts as unanswered", patience),
    Setting(
        key="server.api_token",
        variables=_server("API_TOKEN"),
        default=None,
        help="The operator's bearer token",
        secret=True,
    ),
    Setting(
        key="server.api_token_file",
        variables=_server("API_TOKEN_FILE"),
        default=None,
        help="File that holds the operator's bearer token",
    ),
    Setting(
        key="server.bind",
        variables=_server("BIND"),
        default="127.0.0.1:8080",
        help="HOST:PORT, [ADDRESS]:PORT or unix:/path; port 0 picks one",
    ),
    _door("tls_cert", None, "PEM file of the server's certificate and its chain"),
    _door("tls_key", None, "PEM file of its key, without a password"),
    _door("insecure_bind", "false", "Listen where other machines reach us, without TLS", boolean),
    _door("socket_group", None, "Group whose members are operators at the unix socket, without a token"),
    _door("trusted_proxies", None, "Proxies whose X-Forwarded-For counts: networks, or unix", networks),
    _door("rate_limit", "6000", "How many requests a minute one API token may send", positive),
    _own(
        "oidc.issuer",
        None,
        "Issuer of the OIDC tokens that workflows may use: GitHub, or a GitHub Enterprise Server",
        issuer,
    ),
    _own("oidc.audience", None, "Audience that those tokens must have"),
    _own("oidc.rules", None, "Which workflows may create which runners", workflow_rules),
    _own("audit.size", "10M", "Rotate the audit log when it is larger than this", size),
    _own("audit.files", "5", "Keep this many files of the audit log", positive),
    Setting(
        key="defaults.labels",
        variables=_defaults("LABELS"),
        default=f"self-hosted,linux,{architecture()}",
        help="Labels of a runner that is given none",
    ),
    Setting(
        key="defaults.version",
        variables=_defaults("VERSION", "RUNNER_VERSION"),
        default="latest",
        help="Version of the runner package",
    ),
    Setting(
        key="defaults.workdir",
        variables=_defaults("WORKDIR", "RUNNER_WORKDIR"),
        default="_work",
        help="Work directory below a runner's root",
    ),
    Setting(
        key="defaults.ephemeral",
        variables=_defaults("EPHEMERAL"),
        default="true",
        help="End runners after one job",
        parse=boolean,
    ),
    Setting(
        key="defaults.daemonize",
        variables=_defaults("DAEMONIZE"),
        default="true",
        help="Let runners outlive the server that made them",
        parse=boolean,
    ),
    Setting(
        key="defaults.base_dir",
        variables=_defaults("BASE_DIR", "RUNNERCTL_BASE_DIR"),
        default=DEFAULT_BASE_DIR,
        help="Directory of the runners' roots",
    ),
    _own("state_dir", DEFAULT_STATE_DIR, "Database, locks, logs, token cache"),
    _own("package_dir", None, "Unpacked runner packages; default BASE_DIR/.packages"),
    _own("max_runners", None, "Most runners that may exist on this host at once; not set: any number", positive),
    _own(
        "backend",
        "auto",
        "How runners run: process, or systemd (a unit each); auto: units where they are installed",
        backend,
    ),
    _own("run_as", None, "Users that jobs run as, one for each runner: names, ci-{1..32}, ids, 60001-60032", job_users),
    _own(
        "run_as_groups",
        None,
        "Supplementary groups of their jobs, or of units', such as docker; not set: none",
        words,
    ),
    _own("no_new_privs", "true", "Keep the jobs of those users from gaining privileges by sudo and the like", boolean),
    _own("public_repositories", "false", "Allow runners of public repositories to everybody", boolean),
    _own("fork_guard", "false", "Fail the jobs of pull requests from forks", boolean),
    _own("landlock", "true", "Confine jobs that run as the same user as runnerctl, where the kernel can", boolean),
    _own("limits.processes", None, "Most processes that a runner may have at once", positive),
    _own("limits.memory_max", None, "Most memory that a runner may use, its jobs included", memory),
    _own("limits.cpu_max", None, "Processors that a runner may use, such as 1.5", processors),
    _own(
        "limits.io_weight", None, "A runner's share of busy disks, 1 to 10000, where others have 100", between(1, 10000)
    ),
    _own(
        "limits.nice", "5", "Nice value of runners, 0 to 19; higher yields more to the rest of the host", between(0, 19)
    ),
    _own(
        "limits.oom_score_adj",
        "250",
        "Added to the OOM score of runners; the higher, the sooner killed",
        between(0, 1000),
    ),
    _own("replace_lost", "true", "Make an idle ephemeral runner again when GitHub no longer knows it", boolean),
    _own(
        "own_registrations", "30", "Most registrations in a scope within 5 minutes that no command asked for", positive
    ),
    _own("min_free_space", "500M", "No runner is created while less is free for runners, state or packages", size),
    _own("log_retention", "7d", "How long logs stay after their runner's end, and old _diag files", retention),
    _own("history_retention", "30d", "How long it is known that a runner was there", retention),
    _own("start_timeout", "120", "An ephemeral runner that is not online by then failed to start", duration),
    _own(
        "remove_settle",
        "3",
        "How long remove, or stop after a start or a job, waits for a job just sent",
        duration,
    ),
    _own("drain_settle", "60", "The same for remove --drain", duration),
    _own("stop.interrupt", "30", "Patience after SIGINT, before SIGTERM", duration),
    _own("stop.terminate", "10", "Patience after SIGTERM, before SIGKILL", duration),
    _own("stop.kill", "5", "How long SIGKILL of the whole tree may take", duration),
    _own("stop.force", "30", "Patience after SIGINT, before SIGKILL, when force was asked", duration),
    _own("stop.shutdown_grace", "60", "How long a job may go on after SIGTERM to the supervisor", duration),
)

STRUCTURED = frozenset({"oidc.rules"})
"""In the config file a list of mappings; elsewhere the same as JSON."""

BY_KEY = {setting.key: setting for setting in SETTINGS}
BY_VARIABLE = {variable: setting for setting in SETTINGS for variable in setting.variables}
