"""Registering a persistent runner: its own ``config.sh`` does it, with a token that only its environment carries."""

from __future__ import annotations

import re
import signal
from collections.abc import Sequence
from urllib.parse import urlsplit

from runnerctl.supervisor import explaining

from ...backends.base import Accepted, ConfigSh, Configured
from ...domain.errors import BackendFailed, RunnerctlError, RunnerExists
from ...domain.models import Runner
from ...domain.names import invalid
from ...redact import redact
from ...services import Services
from ...settings.load import Settings

_USUAL_PORTS = {"http": 80, "https": 443}
# As people have reported GitHub's answer to actions/runner-registration, a 404.
_TOO_OLD = re.compile(r"Your runner version is out of date")
_MINIMUM = re.compile(r"minimum runner version required .{1,60}? is now (\d+\.\d+\.\d+)")
_TAKEN = re.compile(r"A runner exists with the same name")


def unreachable(settings: Settings) -> str | None:
    """Why no persistent runner can be registered there, in words; None if one can.

    config.sh makes GitHub's address of scheme and host alone (actions/runner, ConfigurationManager.cs and
    RunnerDotcomServer.cs).
    """
    _, server_url = settings.github_urls
    url = urlsplit(server_url)
    if url.port is None or url.port == _USUAL_PORTS.get(url.scheme):
        return None
    return f"Persistent runners cannot be registered at {server_url}: actions/runner's config.sh drops the port"


def check_reachable(settings: Settings) -> None:
    """Raises ``InvalidRequest``."""
    if (why := unreachable(settings)) is not None:
        raise invalid("ephemeral", why, hint="Create an ephemeral runner, or use a GitHub at port 443 (https) or 80")


def configure(services: Services, runner: Runner) -> Accepted:
    """Runs ``config.sh`` where the runner is, which gets GitHub's id by that.

    Raises ``RunnerExists`` when GitHub has that name already, ``BackendFailed`` with the script's last words otherwise.
    """
    token = services.github.registration_token(runner.scope)
    backend, handle = services.backends.reach(runner)
    asked = ConfigSh(_arguments(services, runner), token=token, seconds=services.settings.start_timeout)
    done = backend.accept(handle, asked)
    if done.configured is not None and done.configured.status != 0:
        raise _failure(services, runner, done.configured, secret=token)
    return done


def _arguments(services: Services, runner: Runner) -> tuple[str, ...]:
    _, server_url = services.settings.github_urls
    group = ("--runnergroup", runner.group) if runner.group else ()
    return (
        "--unattended",
        "--url",
        f"{server_url}/{runner.scope}",
        "--name",
        runner.name,
        "--labels",
        ",".join(runner.labels),
        "--no-default-labels",
        "--disableupdate",
        "--work",
        runner.workdir,
        *group,
    )


def _failure(services: Services, runner: Runner, done: Configured, *, secret: str) -> RunnerctlError:
    output = done.output.replace(secret, "***")
    if _TAKEN.search(output):
        return RunnerExists(
            f"GitHub already has a runner named {runner.name!r} in {runner.scope}", hint="Choose another name"
        )
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    why = _cause(services, runner, lines) or redact(" ".join(lines))[-300:]
    if not why:
        return BackendFailed(f"config.sh of runner {runner.name!r} failed: {_ending(done.status)}, without any output")
    hint = f"{{logs {runner.name}}} shows all that it said"
    return BackendFailed(f"config.sh of runner {runner.name!r} failed: {why}", hint=hint)


def _cause(services: Services, runner: Runner, lines: Sequence[str]) -> str | None:
    """What its words come to, where they are known."""
    refused = next((found for line in lines if (found := _TOO_OLD.search(line)) is not None), None)
    if refused is not None:
        oldest = _MINIMUM.search(" ".join(lines))
        asks = f": it asks for {oldest[1]} or newer" if oldest is not None else ""
        return f"GitHub lets no runner of version {runner.version} register any more{asks}"
    if (missing := explaining.first_cause(lines)) is not None:
        return missing
    variables = services.settings.http.variables
    explained = ((line, explaining.connect_error(line, variables)) for line in lines)
    return next((redact(told) for line, told in explained if told != line), None)


def _ending(status: int | None) -> str:
    """A shell tells a signal as 128 and its number, and ``subprocess`` as less than 0."""
    status = status or 0
    number = -status if status < 0 else status - 128
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"exit status {status}"
