"""Variables that an operator gives to jobs: which there may be, and why others may not.

They are no secrets: every job can read and show them. Each refusal is a sentence that says why.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ..redact import looks_secret
from . import names
from .errors import FieldError, Forbidden

PATH = "PATH"
STARTED, COMPLETED = "ACTIONS_RUNNER_HOOK_JOB_STARTED", "ACTIONS_RUNNER_HOOK_JOB_COMPLETED"
HOOKS = frozenset({STARTED, COMPLETED})
"""Scripts around every job. They are the host's: no tenant sets them, nor what they run by (``check_tenants``)."""
MOST = 100
_MOST_NAME, MOST_VALUE, _MOST_IN_ALL = 128, 8 * 1024, 16 * 1024
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HOOK_ENDINGS = (".sh", ".ps1", ".js")
"""What actions/runner runs as one (ManagedScriptStep, JobHookProvider.cs)."""


class _Kind(NamedTuple):
    """Names that are refused alike. They are compared in capitals: the runner regards no case in its own."""

    why: str
    names: frozenset[str] = frozenset()
    begin: tuple[str, ...] = ()
    end: tuple[str, ...] = ()

    def has(self, name: str) -> bool:
        return name in self.names or name.startswith(self.begin) or name.endswith(self.end)


_OWN_DIRECTORIES = ("HOME", "TMPDIR", *(f"XDG_{name}_HOME" for name in ("CACHE", "CONFIG", "DATA", "STATE")))
_OF_THE_RUNNER = ("ARCH", "ENVIRONMENT", "NAME", "OS", "TEMP", "TRACKING_ID", "WORKSPACE")
_OF_DOTNET = ("ADDITIONAL_DEPS", "DIAGNOSTICPORTS", "SHARED_STORE", "STARTUP_HOOKS")
_OF_DOTNETS_HOST = ("ALTJIT", "GCNAME", "GCPATH", "JIT")
_REFUSED = (
    _Kind(
        "is a secret of runnerctl, and every job could read it",
        frozenset({"GITHUB_PAT", "GITHUB_TOKEN", "GITHUB_APP_PRIVATE_KEY"}),
        end=("PRIVATE_KEY_B64", "API_TOKEN"),
    ),
    _Kind(
        "is a name of runnerctl's own settings, which jobs do not get",
        begin=("RUNNERCTL_", "GITHUB_WFA_RUNNER_", "GHWFAX__", "GITHUB_APP_"),
    ),
    _Kind("is set by runnerctl: every runner has its own", frozenset({*_OWN_DIRECTORIES, "USER", "LOGNAME"})),
    _Kind(
        "controls the runner itself, which runnerctl does",
        frozenset({"ACTIONS_RUNNER_PRINT_LOG_TO_STDOUT", "RUNNER_ALLOW_RUNASROOT", "USE_DEV_ACTIONS_SERVICE_URL"}),
        begin=("ACTIONS_RUNNER_INPUT_", "ACTIONS_RUNNER_RETURN_", "GITHUB_ACTIONS_RUNNER_", "GITHUB_ACTIONS_SERVICE_"),
    ),
    _Kind(
        "is read by actions/runner's run.sh alone, which runnerctl does not use",
        frozenset({"RUNNER_MANUALLY_TRAP_SIG", "RUNNER_UPDATE_CA_CERTS", "RUNNER_WAIT_FOR_DOCKER_IN_SECONDS"}),
    ),
    _Kind(
        "is set by the runner for each job",
        frozenset(f"RUNNER_{name}" for name in _OF_THE_RUNNER),
        begin=("GITHUB_", "ACTIONS_RUNTIME_", "ACTIONS_ID_TOKEN_", "ACTIONS_CACHE_", "ACTIONS_RESULTS_"),
    ),
    _Kind(
        "makes the runner's own programs, and the checks before a job, run other code: set it in a workflow's step",
        frozenset(
            {"BASHOPTS", "ENV", "GCONV_PATH", "IFS", "PS4", "SHELLOPTS", *(f"DOTNET_{each}" for each in _OF_DOTNET)}
        ),
        begin=("LD_", "BASH_", "CORECLR_", "COMPLUS_", *(f"DOTNET_{each}" for each in _OF_DOTNETS_HOST)),
    ),
)
_OPERATORS = _Kind(
    "is the host's to set: what it names, the runner's own programs and the hooks around jobs would run. "
    "Set it in a workflow's step",
    frozenset(
        {PATH, "NODE_OPTIONS", "NODE_PATH", "KRB5_CONFIG", "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"}
    ),
    begin=("ACTIONS_RUNNER_", "DOTNET_", "GIT_", "GSS_", "OPENSSL_", "PERL", "PYTHON", "RUBY"),
)
_HARMLESS = frozenset({"DOTNET_NOLOGO", "DOTNET_CLI_TELEMETRY_OPTOUT", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"})


def checked(given: Mapping[Any, Any]) -> dict[str, str]:
    """The same as text. Raises ``InvalidRequest`` naming the first that may not be; see ``refusal``."""
    if len(given) > MOST:
        raise names.invalid("env", f"{len(given)} variables are too many", hint=f"Use at most {MOST}")
    kept: dict[str, str] = {}
    for name, value in given.items():
        if (why := refusal(name, value)) is not None:
            raise names.invalid("env", why)
        kept[name] = str(value)
    if len(json.dumps(kept)) > _MOST_IN_ALL:
        raise names.invalid("env", f"The variables have more than {_MOST_IN_ALL // 1024} KiB in all")
    return kept


def check_tenants(given: Iterable[str]) -> None:
    """Raises ``Forbidden`` for the first variable that the operator alone may give to a job.

    A tenant's jobs may do with their own processes what they like. What runs before them is the operator's: hooks, the
    guard against forks, the runner that starts them.
    """
    for name in sorted(given):
        if name in _HARMLESS or not (name in HOOKS or _OPERATORS.has(name.upper())):
            continue
        why = "is not allowed: hooks around jobs are the host's" if name in HOOKS else _OPERATORS.why
        message = f"Variable {name} {why}"
        raise Forbidden(message, errors=[FieldError("env", message)])


def refusal(name: object, value: object) -> str | None:
    """Why there may be no such variable, as a sentence; None if there may."""
    if not isinstance(name, str) or len(name) > _MOST_NAME or not NAME.fullmatch(name) or looks_secret(name):
        return f"{_shown(name)} is not the name of a variable: use letters, digits and '_', beginning with no digit"
    for kind in _REFUSED:
        if kind.has(name.upper()):
            return f"{name} {kind.why}"
    if isinstance(value, bool) or not isinstance(value, str | int):
        return f"The value of {name} is no text: put it in quotes"
    return _of_value(name, str(value))


def _of_value(name: str, value: str) -> str | None:
    if len(value) > MOST_VALUE:
        return f"The value of {name} has {len(value)} characters; at most {MOST_VALUE} are allowed"
    if not value.replace("\t", "").isprintable():
        return f"The value of {name} must be one line of text without control characters"
    if looks_secret(value):
        return f"The value of {name} looks like a secret, and every job could read it; use a secret of GitHub's"
    if name == PATH and value and not _are_directories(value):
        return "PATH takes the directories to add before the usual ones: absolute, with ':' between, nothing expanded"
    if name in HOOKS and value and not (value.startswith("/") and value.endswith(_HOOK_ENDINGS)):
        return f"{name} must be the absolute path of a script that ends in {', '.join(_HOOK_ENDINGS)}"
    return None


def _are_directories(value: str) -> bool:
    return all(each.startswith("/") and "$" not in each for each in value.split(":"))


def _shown(name: object) -> str:
    text = str(name)
    return repr(text if len(text) <= 40 and not looks_secret(text) else f"{text[:8]}…")


def combined(*given: Mapping[str, str]) -> dict[str, str]:
    """Later ones win. An empty value stays: it takes a variable away that runners have otherwise."""
    return {name: value for each in given for name, value in each.items()}
