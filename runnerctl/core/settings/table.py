"""Every setting there is, section by section: from it reading, checking, ``config show`` and the documentation follow.

``settings.stop.interrupt`` is the value in force, typed by the parser; ``StopSection.interrupt`` is the setting itself.
"""

from __future__ import annotations

import platform
from pathlib import Path

from . import parsing
from .typed import Section, derived, optional, secret, setting

DEFAULT_STATE_DIR = "/var/lib/runnerctl"
DEFAULT_BASE_DIR = "/opt/runnerctl/runners"
DEFAULT_CONFIG_FILE = "/etc/runnerctl/runnerctl.yaml"
DEFAULT_ENV_FILE = "/etc/runnerctl/runnerctl.env"

PREFIXES = ("GITHUB_WFA_RUNNER_", "GHWFAX__", "RUNNERCTL_")
LOCATORS = ("RUNNERCTL_CONFIG", "RUNNERCTL_ENV_FILE")
"""Variables that say where settings are, and are not settings."""
REMOTE = ("RUNNERCTL_SERVER", "RUNNERCTL_BASE_URL")
"""Variables that name a server for commands to ask, which they cannot yet."""
MARKS = ("RUNNERCTL_LIFE", "RUNNERCTL_JOB_FILE", "RUNNERCTL_ROW")
"""Variables of ours that a job finds in its environment, and who is started for a runner: both may call runnerctl."""


def architecture() -> str:
    """The machine's, as GitHub's labels name it."""
    return {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}.get(
        platform.machine().lower(), "x64"
    )


def _github(_name: str) -> tuple[str, ...]:
    return ()  # GitHub's own names, each as it is


def _server(name: str) -> tuple[str, ...]:
    variable = name.upper()
    return (f"GITHUB_WFA_RUNNER_SERVER__{variable}", f"GHWFAX__SERVER__{variable}", f"RUNNERCTL_{variable}")


def _defaults(name: str) -> tuple[str, ...]:
    return (f"GITHUB_WFA_RUNNER_DEFAULTS__{name.upper()}", f"GHWFAX__DEFAULTS__{name.upper()}")


class GithubSection(Section, name="github", variables=_github):
    app_id = optional("App id or client id", str, "GITHUB_APP_ID")
    private_key_file = optional("Path of the App's private key (PEM)", Path, "GITHUB_APP_PRIVATE_KEY_FILE")
    private_key = secret("The App's private key itself (PEM, also with literal \\n)", "GITHUB_APP_PRIVATE_KEY")
    private_key_b64 = secret("The App's private key, base64 of the PEM", "GITHUB_APP_PRIVATE_KEY_B64")
    installation_id = optional(
        "Skips the look-up of the App's installation", parsing.positive, "GITHUB_APP_INSTALLATION_ID"
    )
    pat = secret("Personal access token, used when no App is set", "GITHUB_PAT")
    api_url = setting(
        "https://api.github.com",
        "REST API; for GitHub Enterprise Server derived from GITHUB_SERVER_URL",
        parsing.url,
        "GITHUB_API_URL",
    )
    server_url = setting(
        "https://github.com",
        "GitHub itself; for GitHub Enterprise Server derived from GITHUB_API_URL",
        parsing.url,
        "GITHUB_SERVER_URL",
    )
    timeout = setting(
        "10",
        "How long a call to GitHub may take in all before it counts as unanswered",
        parsing.patience,
        "RUNNERCTL_GITHUB_TIMEOUT",
    )


class ServerSection(Section, name="server", variables=_server):
    api_token = secret("The operator's bearer token")
    api_token_file = optional("File that holds the operator's bearer token", Path)
    bind = setting("127.0.0.1:8080", "HOST:PORT, [ADDRESS]:PORT or unix:/path; port 0 picks one", str)
    tls_cert = optional("PEM file of the server's certificate and its chain", Path)
    tls_key = optional("PEM file of its key, without a password", Path)
    insecure_bind = setting("false", "Allow an address that other machines reach, without TLS", parsing.boolean)
    socket_group = optional("Group whose members are operators at the unix socket, without a token", str)
    trusted_proxies = optional("Proxies whose X-Forwarded-For counts: networks, or unix", parsing.networks)
    log_format = setting("text", "How the server writes its log: text, or json, an object a line", parsing.log_format)
    hosts = optional("Host names that browsers may reach the dashboard by, besides localhost", parsing.hosts)
    session_idle = setting("12h", "How long a browser's session lasts that asks for nothing", parsing.retention)
    session_lifetime = setting("7d", "How long a browser's session lasts at most", parsing.retention)
    rate_limit = setting("6000", "How many requests a minute one API token may send", parsing.positive)
    metrics_from = optional("Who may read /metrics without a token: networks, or unix", parsing.networks)
    metrics_repositories = setting("false", "Count jobs in /metrics by repository, too", parsing.boolean)
    github_calls = setting("1000", "How many GitHub calls an hour the runners of one tenant may cost", parsing.positive)


class OidcSection(Section, name="oidc"):
    issuer = optional(
        "Issuer of the OIDC tokens that workflows may use: GitHub, or a GitHub Enterprise Server", parsing.issuer
    )
    audience = optional("Audience that those tokens must have", str)
    rules = optional("Which workflows may create which runners", parsing.workflow_rules)


class AuditSection(Section, name="audit"):
    size = setting("10M", "Rotate the audit log when it is larger than this", parsing.size)
    files = setting("5", "Keep this many files of the audit log", parsing.positive)


class DefaultsSection(Section, name="defaults", variables=_defaults):
    labels = setting(f"self-hosted,linux,{architecture()}", "Labels of a runner that is given none", parsing.labels)
    version = setting(
        "latest",
        "Version of the runner package; a runner of a version that is named here is not renewed ahead of its end",
        parsing.version,
        "RUNNER_VERSION",
    )
    workdir = setting("_work", "Work directory below a runner's root", parsing.workdir, "RUNNER_WORKDIR")
    ephemeral = setting("true", "End runners after one job", parsing.boolean)
    daemonize = setting("true", "Let runners outlive the server that made them", parsing.boolean)
    base_dir = setting(DEFAULT_BASE_DIR, "Directory of the runners' roots", parsing.absolute, "RUNNERCTL_BASE_DIR")


class HostSection(Section, name=""):
    """Those whose keys have no beginning."""

    state_dir = setting(DEFAULT_STATE_DIR, "Database, locks, logs, token cache", parsing.absolute)
    package_dir = derived("Unpacked runner packages; default BASE_DIR/.packages", parsing.absolute)
    max_runners = optional("How many runners this host may have at once; not set: no limit", parsing.positive)
    backend = setting(
        "auto",
        "How runners run: process, or systemd (a unit each); auto: units where they are installed",
        parsing.backend,
    )
    run_as = optional(
        "Users that jobs run as, one for each runner: names, ci-{1..32}, ids, 60001-60032", parsing.job_users
    )
    run_as_groups = optional(
        "Supplementary groups of their jobs, or of units', such as docker; not set: none", parsing.words
    )
    no_new_privs = setting(
        "true", "Keep the jobs of those users from gaining privileges by sudo and the like", parsing.boolean
    )
    public_repositories = setting("false", "Allow runners of public repositories to everybody", parsing.boolean)
    fork_guard = setting("false", "Fail the jobs of pull requests from forks", parsing.boolean)
    job_env = optional("Variables that every job gets; they are no secrets", parsing.job_env)
    job_env_file = optional(
        "File of such variables, KEY=value lines, read at each start of a runner; nobody else may write it",
        parsing.absolute,
    )
    clean = optional(
        "What every job of a persistent runner finds emptied: tmp, home, work; not set: nothing", parsing.cleaned
    )
    landlock = setting(
        "true", "Confine jobs that run as the same user as runnerctl, where the kernel can", parsing.boolean
    )
    landlock_allow = optional(
        "What those jobs may use of the home of runnerctl's user: paths, each read-only, or PATH:rw; not set: nothing",
        parsing.allowed_paths,
    )
    replace_lost = setting(
        "true",
        "Make an idle ephemeral runner again that was killed, or that GitHub no longer knows or shows as offline",
        parsing.boolean,
    )
    own_registrations = setting(
        "30", "How many automatic registrations a scope may have within 5 minutes", parsing.positive
    )
    min_free_space = setting(
        "500M", "Refuse new runners while less than this is free for runners, state or packages", parsing.size
    )
    log_retention = setting("7d", "How long logs stay after their runner's end, and old _diag files", parsing.retention)
    history_retention = setting("30d", "How long ended runners stay in the history", parsing.retention)
    start_timeout = setting(
        "120", "An ephemeral runner that is not online after this time has failed", parsing.duration
    )
    start_grace = setting(
        "10", "How long create waits at most for the runner to take jobs, or to fail", parsing.duration
    )
    remove_settle = setting(
        "3", "How long remove, or stop after a start or a job, waits for a job just sent", parsing.duration
    )
    drain_settle = setting("60", "The same for remove --drain", parsing.duration)


class LimitsSection(Section, name="limits"):
    processes = optional("How many processes a runner may have at once", parsing.positive)
    memory_max = optional("How much memory a runner and its jobs may use", parsing.memory)
    cpu_max = optional("How many processors a runner may use, such as 1.5", parsing.processors)
    io_weight = optional("A runner's share of busy disks, 1 to 10000, where others have 100", parsing.between(1, 10000))
    nice = setting(
        "5", "Nice value of runners, 0 to 19; higher yields more to the rest of the host", parsing.between(0, 19)
    )
    oom_score_adj = setting(
        "250", "Added to the OOM score of runners; the higher, the sooner killed", parsing.between(0, 1000)
    )


class StopSection(Section, name="stop"):
    interrupt = setting("30", "Time after SIGINT, before SIGTERM", parsing.duration)
    terminate = setting("10", "Time after SIGTERM, before SIGKILL", parsing.duration)
    kill = setting("5", "How long SIGKILL of the whole tree may take", parsing.duration)
    force = setting("30", "Time after SIGINT, before SIGKILL, with --force", parsing.duration)
    shutdown_grace = setting("60", "How long a job may go on after SIGTERM to the supervisor", parsing.duration)


SECTIONS = (
    GithubSection,
    ServerSection,
    OidcSection,
    AuditSection,
    DefaultsSection,
    HostSection,
    LimitsSection,
    StopSection,
)
SETTINGS = tuple(each for section in SECTIONS for each in section.settings)

STRUCTURED = frozenset({OidcSection.rules.key})
"""In the config file a list of mappings; elsewhere the same as JSON."""

SWITCHES = frozenset(each.key for each in SETTINGS if each.parse is parsing.boolean)
LISTS = frozenset(each.key for each in SETTINGS if each.parse in {parsing.words, parsing.cleaned})
MAPS = frozenset({HostSection.job_env.key})
"""In the config file a mapping; elsewhere the same as JSON."""
OF_LAUNCHES = (HostSection.job_env, HostSection.job_env_file, HostSection.clean, HostSection.fork_guard)
"""What shapes every start of a runner, whoever starts it."""

BY_KEY = {each.key: each for each in SETTINGS}
BY_VARIABLE = {variable: each for each in SETTINGS for variable in each.variables}
